"""The page of a tenant about its cases: a link shows it, a mailed code lets the tenant act."""

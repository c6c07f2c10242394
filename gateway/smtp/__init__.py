"""Our side of the customer's SMTP session: sans-I/O engine, session, listeners."""

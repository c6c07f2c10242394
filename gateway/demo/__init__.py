"""`make run`: the gateway with a demo customer, three outcomes, and then yours to try by hand."""

"""Our side of the next hop's SMTP session: engine, connections, pool, outcomes."""

"""Fast shared state: leases, counters, windows."""

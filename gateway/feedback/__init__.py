"""Mail to the gateway itself: tenants' replies to notices."""

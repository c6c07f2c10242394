"""What tenants upload: looked at by a virus scanner, drawn anew, and only then kept."""

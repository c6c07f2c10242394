"""Pre-checking whole lists for one stream, exactly as RCPT would judge each address."""

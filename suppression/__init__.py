"""What the gateway remembers about addresses: keys, suppressions, consent, tokens.

Pure: no SQL, no sockets. `gateway.records` stores what this package defines.
"""

"""What the gateway decides: one file per rule, plain functions over plain values.

A policy imports no socket, clock or database. What it needs beyond the values handed to it comes
through its constructor as a small `Protocol` from `policies.ports`.
"""

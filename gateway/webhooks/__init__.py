"""Telling tenants by signed HTTP calls what happened to the people on their lists."""

"""Durable records in SQLite: tables, queries, migrations."""

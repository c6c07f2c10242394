"""Hosted double opt-in: the confirmation mail, its reminder, and what becomes of them."""

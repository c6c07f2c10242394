"""Consentry's data path and everything that talks to the outside; start reading at `app`."""

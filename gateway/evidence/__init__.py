"""The evidence sheet: everything on record about one person's consent, as HTML and as PDF."""

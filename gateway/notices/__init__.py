"""Mail to tenants about their cases: what it says, and how it leaves."""

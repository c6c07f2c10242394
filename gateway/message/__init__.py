"""The bytes of one message: header view, stamping, DKIM signing."""

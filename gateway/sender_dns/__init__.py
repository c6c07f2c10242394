"""What the DNS says of sender domains: DKIM, SPF, DMARC and MX, for the desk."""

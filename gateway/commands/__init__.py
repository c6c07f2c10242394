"""The groups of the `consentry` command, one file each; `gateway.cli` puts them together."""

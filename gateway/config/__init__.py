"""The operator's settings: one gateway file and one file per tenant, read into typed values.

`model` and `tenant` say what may be written, `load` reads and checks it, `terms` turns it into
what policies judge by, `edit` changes tenant files, `example` writes a first folder.
"""

"""Fast state that several processes and machines share: batches, windows and blocks in Redis."""

"""What became of each recipient of a message whose customer has not surely seen a 250."""

"""The edge of sanctions: rules made of the configuration, and the job that moves due cases."""

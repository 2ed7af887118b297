"""The operator's command `replicate`."""

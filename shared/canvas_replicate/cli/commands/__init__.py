"""The commands of `replicate`, one module per subject."""

"""What the stages of canvas-replicate share, and the operator's command."""

__version__ = "0.1.0"

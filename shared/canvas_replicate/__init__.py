"""What the stages of canvas-replicate agree on and do alike; the operator's command lives here too."""

__version__ = "0.1.0"

"""What all stages share: their handlers, and the one place that decides between retry and dead letter."""

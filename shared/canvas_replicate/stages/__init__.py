"""What all stages share: their handlers, and the code that decides between retry and dead letter."""

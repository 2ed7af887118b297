"""The messages between the stages, and the buses that deliver them."""

"""Open runs, run them to their end in one process, and derive their exit code."""

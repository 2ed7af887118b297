"""`replicate check`: everything that can be known before a run, without changing anything."""

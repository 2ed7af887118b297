"""The status page of a worker."""

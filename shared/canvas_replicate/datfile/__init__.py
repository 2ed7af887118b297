"""Data files: columns, statistics, manifests and paths, and the code that writes and reads them."""

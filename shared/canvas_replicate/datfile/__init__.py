"""Data files: the columns, statistics, manifests and paths of a table on its way, and what writes and reads them."""

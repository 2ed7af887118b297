"""DuckDB behind all four database ports: the embedded default, one process at a time."""

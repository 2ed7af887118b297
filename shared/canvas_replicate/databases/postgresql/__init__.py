"""PostgreSQL behind all four database ports: any number of processes, real materialized views."""

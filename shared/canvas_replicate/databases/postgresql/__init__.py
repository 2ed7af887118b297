"""PostgreSQL behind all four database ports: any number of processes, real materialized views."""

from __future__ import annotations

from canvas_replicate.databases.postgresql.connecting import PostgreSql, translated
from canvas_replicate.databases.postgresql.ledger import PostgresqlLedger
from canvas_replicate.databases.postgresql.source import PostgresqlSource
from canvas_replicate.databases.postgresql.target import PostgresqlTarget

__all__ = ["PostgreSql", "PostgresqlLedger", "PostgresqlSource", "PostgresqlTarget", "translated"]

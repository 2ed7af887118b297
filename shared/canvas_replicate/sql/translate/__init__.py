"""Translates Oracle's SELECT for DuckDB or PostgreSQL: only what is known to give the same result.

sqlglot parses but never writes, because its generators change results silently (TO_DATE loses the time of day, ``||``
with NULL becomes NULL). Every kind of node and every function has a rule in the modules here; one without a rule is
refused by name. docs/oracle-sql.md lists the rules and the limits.
"""

from __future__ import annotations

from canvas_replicate.sql.translate.refusals import NotPortable
from canvas_replicate.sql.translate.terms import Engine

__all__ = ["Engine", "NotPortable", "translate_query"]


def translate_query(sql: str, engine: Engine) -> str:
    """The same query for another engine. Raises ConfigError for anything but one Oracle query, NotPortable for a
    construct without a known translation.
    """
    from canvas_replicate.sql.translate.translation import write_query  # the parser is costly to import

    return write_query(sql, engine)

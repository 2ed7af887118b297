"""Translates Oracle's SELECT for DuckDB or PostgreSQL: only what is known to give the same result.

sqlglot reads the text, but writes nothing: its generators change results in silence (TO_DATE loses the time of
day, ``||`` with NULL becomes NULL). Every kind of node and every function that a query may have has a rule in
the modules here; one without a rule is refused by name. The rules, what each rests on, and the limits are listed in
docs/oracle-sql.md.
"""

from __future__ import annotations

from canvas_replicate.sql.translate.refusals import NotPortable
from canvas_replicate.sql.translate.terms import Engine

__all__ = ["Engine", "NotPortable", "translate_query"]


def translate_query(sql: str, engine: Engine) -> str:
    """The same query for another engine.

    Raises ConfigError for what is not one Oracle query, NotPortable for what has no known translation.
    """
    from canvas_replicate.sql.translate.translation import write_query  # the parser is costly to import

    return write_query(sql, engine)

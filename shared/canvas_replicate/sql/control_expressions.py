"""A control file's SQL expressions, in the words of the engine that loads its batches."""

from __future__ import annotations

import re
from collections.abc import Callable

from canvas_replicate.sql.translate import Engine, translate_query

_TEXT_OR_BIND = re.compile(r"""'(?:[^']|'')*'|:"?(?P<name>[A-Za-z][A-Za-z0-9_$#]*)"?""")


def replace_binds(oracle_sql: str, replacement: Callable[[str], str | None]) -> str:
    """The expression with each ``:name`` as ``replacement`` gives it for the lower-case name; None leaves it."""

    def replaced(found: re.Match[str]) -> str:
        new = replacement(found["name"].lower()) if found["name"] else None
        return found[0] if new is None else new

    return _TEXT_OR_BIND.sub(replaced, oracle_sql)


def translate_expression(oracle_sql: str, engine: Engine) -> str:
    """The expression over a table ``batch``: a bind is a column of it. Raises what ``translate_query`` raises."""
    bound = replace_binds(oracle_sql, lambda name: name)
    query = translate_query(f"SELECT {bound} AS x FROM batch", engine)
    return query.removeprefix("SELECT ").removesuffix(" AS x FROM batch")

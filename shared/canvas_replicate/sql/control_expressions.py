"""A control file's SQL expressions, in the words of the engine that loads its batches."""

from __future__ import annotations

import re

from canvas_replicate.sql.translate import Engine, translate_query

_TEXT_OR_BIND = re.compile(r"""'(?:[^']|'')*'|:"?(?P<name>[A-Za-z][A-Za-z0-9_$#]*)"?""")


def batch_expression(oracle_sql: str, engine: Engine) -> str:
    """The expression over a table ``batch``: a bind is a column of it. Raises what ``translate_query`` raises."""
    bound = _TEXT_OR_BIND.sub(lambda found: found["name"].lower() if found["name"] else found[0], oracle_sql)
    query = translate_query(f"SELECT {bound} AS x FROM batch", engine)
    return query.removeprefix("SELECT ").removesuffix(" AS x FROM batch")

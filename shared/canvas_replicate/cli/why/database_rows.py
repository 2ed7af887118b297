"""Searching a database for the rows of one person, within a limit of rows and of time."""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Collection
from decimal import Decimal
from typing import Any

from canvas_replicate.cli.why.rows import PersonRows, select_searchable
from canvas_replicate.config.settings import Settings
from canvas_replicate.databases.opening import get_engine, open_source
from canvas_replicate.databases.ports import OpenQuery, Source
from canvas_replicate.datfile.columns import Column
from canvas_replicate.datfile.statistics import plain
from canvas_replicate.errors import ReplicateError, TransientError

MOST_ROWS = 1000
MOST_SECONDS = 60.0
_CANCEL_SECONDS = 10.0

_PLAIN = re.compile(r"[a-z][a-z0-9_$#]*")


def search_database(
    settings: Settings, alias: str, query: str, value: str, *, only: Collection[str] = ()
) -> PersonRows:
    """Rows of a query of which a column is ``value`` (one of the columns ``only``, where some are named).

    Raises what opening, describing and running the query raise, TransientError after ``MOST_SECONDS``.
    """
    source = open_source(settings, alias)
    native, long_texts = settings.databases[alias].dialect == "native", get_engine(settings, alias) != "oracle"
    return search_source(source, query, value, only=only, long_texts=long_texts, native=native)


def search_source(
    source: Source,
    query: str,
    value: str,
    *,
    only: Collection[str] = (),
    long_texts: bool = True,
    native: bool = False,
    seconds: float = MOST_SECONDS,
) -> PersonRows:
    """Search an open source as ``search_database`` does. ``native``: its SQL is the engine's own."""
    described = _select_nameable(source.describe(query))
    candidates = select_searchable(described, value, long_texts=long_texts)
    names = tuple(column.name for column in candidates)
    sought = [column for column in candidates if not only or column.name in only]
    if not sought:
        return PersonRows(names)
    sql = _build_query(query, names, sought, value, native=native)
    with source.open(sql, batch_rows=MOST_ROWS + 1, wide_numbers=True) as opened:
        found = _fetch_within(opened, seconds)
    rows = tuple({n: text for n, v in zip(names, row, strict=True) if (text := _format_value(v))} for row in found)
    return PersonRows(names, rows[:MOST_ROWS], more=len(rows) > MOST_ROWS)


def quote_literal(value: str) -> str:
    """The value as SQL text: Oracle, DuckDB and PostgreSQL double a quote, and nothing else is special."""
    return "'" + value.replace("'", "''") + "'"


def _select_nameable(columns: tuple[Column, ...]) -> tuple[Column, ...]:
    """The columns that a query around this one can name."""
    times = Counter(column.name for column in columns)
    return tuple(column for column in columns if times[column.name] == 1 and _PLAIN.fullmatch(column.name))


def _build_query(query: str, names: Collection[str], sought: Collection[Column], value: str, *, native: bool) -> str:
    def quote_name(name: str) -> str:
        return f'q."{name if native else name.upper()}"'

    selected = ", ".join(map(quote_name, names))
    literal = quote_literal(value)
    tests = " OR ".join(f"{quote_name(c.name)} = {value if c.kind == 'number' else literal}" for c in sought)
    # The closing parenthesis starts a line: the query may end in a comment.
    return f"SELECT {selected} FROM (\n{query.strip().rstrip(';')}\n) q WHERE {tests}"  # noqa: S608  # quoted above


def _fetch_within(opened: OpenQuery, seconds: float) -> list[tuple[Any, ...]]:
    """The first rows, at least ``MOST_ROWS`` + 1 where there are so many. Raises TransientError after ``seconds``."""
    late = threading.Event()

    def stop() -> None:
        late.set()
        opened.cancel()

    clock = threading.Timer(seconds, stop)
    clock.daemon = True
    clock.start()
    found: list[tuple[Any, ...]] = []
    try:
        for batch in opened.batches:
            found.extend(zip(*(column.to_pylist() for column in batch.columns), strict=True))
            if len(found) > MOST_ROWS:
                break
    except ReplicateError:
        if late.is_set():
            raise TransientError(f"no answer within {seconds:.0f} s", code="why.timeout") from None
        raise
    finally:
        clock.cancel()
        clock.join(_CANCEL_SECONDS)  # a cancel that is under way needs the connection still open
    return found


def _format_value(value: Any) -> str:
    """The value as a ``.dat`` file has it, without the padding of a CHAR column."""
    if value is None:
        return ""
    if isinstance(value, Decimal):
        return plain(value)
    return str(value).rstrip(" ")

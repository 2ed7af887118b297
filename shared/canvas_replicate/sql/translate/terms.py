"""A piece of SQL with what is known of its value, and which pieces may be combined.

Column types are unknown here, so where a result depends on them the SQL is written such that the engine refuses the
wrong type (`ltrim(x, '')` takes text only, `+x` a number only).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from canvas_replicate.sql.translate.refusals import NotPortable

Engine = Literal["duckdb", "postgresql"]
Kind = Literal["text", "number", "date", "day", "timestamp", "null", "condition"]


@dataclass(frozen=True)
class Term:
    """A piece of SQL in the engine's words, and what is known of its value.

    Attributes:
        kind: None where only the database knows, as with a column; ``day`` is a date at midnight.
        literal: the value of a literal, as written.
        width: of a number that may need all 38 digits: its type, or ``?`` where only its scale's existence is known.
        columns: of a query, its select list.
    """

    sql: str
    kind: Kind | None = None
    literal: str | None = None
    width: str = ""
    columns: tuple[Term, ...] = ()

    def __str__(self) -> str:
        return self.sql


NULL = Term("NULL", "null")


def write_text(value: str) -> Term:
    return Term("'" + value.replace("'", "''") + "'", "text", value)


# Text that an engine would read as another number or date than Oracle, if the other column is not text.
_DOUBTFUL = re.compile(r"\s*[-+]?(\d*\.\d*|\d+(\.\d+)?[eE][-+]?\d+)\s*|\s*\d{1,4}[-/. ]\w{1,3}[-/. ]\d{1,4}.*")


def find_family(term: Term) -> str | None:
    return "date" if term.kind in ("day", "timestamp") else None if term.kind == "null" else term.kind


def require_comparable(terms: Sequence[Term], where: str) -> list[str]:
    """The terms' SQL such that the engine does not convert one of them as Oracle would not."""
    families = {family for term in terms if (family := find_family(term))}
    if len(families) > 1:
        found = " and ".join(sorted(families))
        raise NotPortable(f"{found} in one expression", f"{where}: convert one of them yourself")
    texts = [term for term in terms if term.kind == "text"]
    if any(term.literal is None or _DOUBTFUL.fullmatch(term.literal) for term in texts):
        return [ensure_text(term) for term in terms]
    return [term.sql for term in terms]


def require_equal(terms: Sequence[Term], where: str, engine: Engine) -> list[str]:
    """As above; DuckDB converts text for ``=`` and IN only, and rounds it to a whole number on the way."""
    sql = require_comparable(terms, where)
    if engine != "duckdb":
        return sql
    families = {find_family(term) for term in terms}
    surely = "+{}" if "number" in families else "({} + INTERVAL '0' SECOND)" if "date" in families else ""
    return [
        surely.format(term) if surely and term.kind is None and term.sql else text
        for term, text in zip(terms, sql, strict=True)
    ]


def require_unified(terms: Sequence[Term], where: str, engine: Engine) -> list[str]:
    """The SQL of terms that become one value.

    DuckDB gives two DECIMALs of 38 digits the smaller scale, rounding in silence; so a computed number goes
    with whole literals only, or with numbers that were CAST to the same type.
    """
    sql = require_comparable(terms, where)
    if engine != "duckdb":
        return sql
    numerals = [term.literal for term in terms if term.kind == "number" and term.literal]
    scale = max((len(numeral.partition(".")[2]) for numeral in numerals), default=0)
    values = [term for term in terms if term.kind != "null" and not (term.kind == "number" and term.literal)]
    widths = {term.width for term in values}
    if len(values) > 1 and widths != {""} and (len(widths) > 1 or "?" in widths):
        raise NotPortable("numbers of different scale in one expression", f"{where}: CAST each to the same NUMBER(p,s)")
    if not scale:
        return sql
    zeros = f"0.{'0' * scale}"
    return [
        f"({term} + {zeros})" if term in values and term.kind in (None, "number") else text
        for term, text in zip(terms, sql, strict=True)
    ]


def find_kind(terms: Sequence[Term]) -> tuple[Kind | None, str]:
    """Kind and width of a value that is one of the terms."""
    kinds = {term.kind for term in terms} - {"null"}
    widths = {term.width for term in terms} - {""}
    kind = kinds.pop() if len(kinds) == 1 else "date" if kinds and kinds <= {"day", "date"} else None
    return kind, widths.pop() if len(widths) == 1 else "?" if widths else ""


def require_text(term: Term, where: str) -> str:
    """For a place where the engine itself takes nothing but text."""
    if term.kind not in ("text", "null", None):
        raise NotPortable(f"{where} of a {find_family(term)}", "Oracle makes text of it by the session's format")
    return term.sql


def ensure_text(term: Term) -> str:
    return f"ltrim({term}, '')" if term.kind is None and term.sql else term.sql


def require_number(term: Term, where: str) -> str:
    if term.kind not in ("number", "null", None):
        raise NotPortable(f"{where} of a {find_family(term)}")
    return term.sql


def require_date(term: Term, where: str, engine: Engine) -> str:
    """For a place where the engine itself takes nothing but a date.

    PostgreSQL's to_char also takes numbers, and its ``date`` becomes a zoned timestamp in date_trunc: the
    added nothing refuses the one and keeps the other a plain timestamp.
    """
    if term.kind == "null":
        return "CAST(NULL AS TIMESTAMP)"
    if term.kind not in ("date", "day", "timestamp", None):
        raise NotPortable(f"{where} of a {find_family(term)}")
    if engine == "postgresql" and term.kind is None:
        return f"({term.sql} + INTERVAL '0' SECOND)"
    return term.sql


def write_not_empty(sql: str) -> Term:
    """Text, with Oracle's rule that a text without characters is NULL."""
    return Term(f"NULLIF({sql}, '')", "text")

"""SYSDATE, EXTRACT, and the functions on dates."""

from __future__ import annotations

import re
from collections.abc import Sequence

from sqlglot import exp

from canvas_replicate.sql.translate.arithmetic import write_rounded
from canvas_replicate.sql.translate.masks import MASKS, mask_elements, write_moment, write_strftime_mask
from canvas_replicate.sql.translate.refusals import NotPortable
from canvas_replicate.sql.translate.rules import rule, write
from canvas_replicate.sql.translate.terms import Engine, Kind, Term, require_date, require_text, write_text


@rule(exp.Extract, "this", "expression")
def _write_extract(node: exp.Extract, engine: Engine) -> Term:
    part, value = node.this.name.upper(), write(node.expression, engine)
    if part not in ("YEAR", "MONTH", "DAY", "HOUR", "MINUTE"):
        raise NotPortable(f"EXTRACT({part})")
    if part in ("HOUR", "MINUTE") and value.kind in ("date", "day"):
        raise NotPortable(f"EXTRACT({part}) from a DATE", "Oracle refuses it: ORA-30076")
    return Term(f"EXTRACT({part} FROM {require_date(value, 'EXTRACT', engine)})", "number")


@rule(exp.CurrentTimestamp, "sysdate")
def _write_sysdate(node: exp.CurrentTimestamp, engine: Engine) -> Term:
    """The session's wall clock, to the second."""
    if not node.args.get("sysdate"):
        raise NotPortable("CURRENT_TIMESTAMP", "SYSDATE is")
    clock = "localtimestamp" if engine == "duckdb" else "CAST(statement_timestamp() AS timestamp)"
    return Term(f"date_trunc('second', {clock})", "date")


_UNITS = {
    **dict.fromkeys(("DD", "DDD", "J"), "day"),
    **dict.fromkeys(("MM", "MON", "MONTH"), "month"),
    **dict.fromkeys(("YYYY", "YEAR", "YY", "SYYYY"), "year"),
    **dict.fromkeys(("HH", "HH24"), "hour"),
    "Q": "quarter",
    "IW": "week",
    "MI": "minute",
}


def write_trunc(terms: Sequence[Term], engine: Engine) -> Term:
    value, by = terms[0], terms[1] if len(terms) > 1 else None
    if by is not None and by.kind == "text":
        unit = _UNITS.get((by.literal or "").upper())
        if unit is None:
            raise NotPortable(f"TRUNC with {by}")
        kind: Kind = "date" if unit in ("hour", "minute") else "day"
        return Term(f"date_trunc('{unit}', {require_date(value, 'TRUNC', engine)})", kind)
    if by is not None or value.kind == "number":
        return write_rounded("trunc", value, by, engine)
    if value.kind in ("date", "day", "timestamp"):
        return Term(f"date_trunc('day', {value})", "day")
    raise NotPortable("TRUNC of a column", "a date? write TRUNC(x, 'DD'); a number? write TRUNC(x, 0)")


def _to_the_second(date: Term, where: str, engine: Engine) -> str:
    """These functions give a DATE, which has no fractions of a second, of a TIMESTAMP too."""
    return f"date_trunc('second', {require_date(date, where, engine)})"


def _write_month_end(date: str) -> str:
    return f"(date_trunc('month', {date}) + INTERVAL '1' MONTH - INTERVAL '1' DAY)"


def _write_time_of_day(date: str) -> str:
    return f"({date} - date_trunc('day', {date}))"


def write_last_day(terms: Sequence[Term], engine: Engine) -> Term:
    """The time of day stays."""
    date = _to_the_second(terms[0], "LAST_DAY", engine)
    return Term(f"({_write_month_end(date)} + {_write_time_of_day(date)})", "day" if terms[0].kind == "day" else "date")


def add_months(terms: Sequence[Term], engine: Engine) -> Term:
    """From the last day of a month to the last day of the other; else to the same day, or the last there is."""
    months = terms[1].literal or ""
    if not re.fullmatch(r"-?\d+", months):
        raise NotPortable("ADD_MONTHS by a computed number")
    date = _to_the_second(terms[0], "ADD_MONTHS", engine)
    step = f"INTERVAL '{months}' MONTH"
    end = _write_month_end(f"(date_trunc('month', {date}) + {step})")
    sql = (
        f"CASE WHEN date_trunc('day', {date}) = {_write_month_end(date)}"
        f" THEN {end} + {_write_time_of_day(date)} ELSE {date} + {step} END"
    )
    return Term(sql, "day" if terms[0].kind == "day" else "date")


def to_char(terms: Sequence[Term], engine: Engine) -> Term:
    """Of a moment with a mask; of a number without one only where a CAST makes it whole."""
    if len(terms) == 1 and terms[0].kind == "number" and terms[0].width.endswith(",0)"):
        return Term(f"CAST({terms[0]} AS VARCHAR)", "text")
    mask = terms[1].literal if len(terms) > 1 and terms[1].kind == "text" else None
    if mask is None:
        raise NotPortable("TO_CHAR without a date mask", "its text depends on the type, or on the session")
    elements = mask_elements(mask)
    if terms[0].kind in ("date", "day") and {"FF3", "FF6"} & set(elements):
        raise NotPortable("TO_CHAR of a DATE with FF", "Oracle refuses it: ORA-01821")
    date = require_date(terms[0], "TO_CHAR", engine)
    if engine == "postgresql":
        return Term(f"to_char({date}, {terms[1]})", "text")
    return Term(f"strftime({date}, {write_text(write_strftime_mask(mask))})", "text")


def parse_date(name: str, terms: Sequence[Term], engine: Engine) -> Term:
    """Text as a date, the time of day kept. What a mask leaves out Oracle takes from today: refused."""
    if len(terms) < 2 or not terms[1].literal or terms[1].kind != "text":
        raise NotPortable(f"{name} without a mask", "the session's format is unknown here")
    mask = terms[1].literal
    elements = [element for element in mask_elements(mask) if element in MASKS]
    if not {"YYYY", "MM"} <= set(elements) or len(set(elements)) < len(elements):
        raise NotPortable("a date mask", f"{mask!r}: it needs YYYY and MM, each element once")
    if name == "TO_DATE" and {"FF3", "FF6"} & set(elements):
        raise NotPortable("TO_DATE with FF", "Oracle refuses it: ORA-01821")
    has_time = {"HH24", "MI", "SS"} & set(elements)
    kind: Kind = "timestamp" if name == "TO_TIMESTAMP" else "date" if has_time else "day"
    if terms[0].literal and terms[0].kind == "text":
        return write_moment(terms[0].literal, mask, kind)
    if terms[0].kind == "null":
        return Term("CAST(NULL AS TIMESTAMP)", kind)
    if engine == "postgresql":
        raise NotPortable(f"{name} of a column", "PostgreSQL's goes through a time zone")
    return Term(f"strptime({require_text(terms[0], name)}, {write_text(write_strftime_mask(mask))})", kind)

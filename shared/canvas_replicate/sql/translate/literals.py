"""NULL, texts, numbers, DATE '…' and TIMESTAMP '…'."""

from __future__ import annotations

import re

from sqlglot import exp

from canvas_replicate.sql.translate.masks import write_moment
from canvas_replicate.sql.translate.refusals import NotPortable
from canvas_replicate.sql.translate.rules import rule
from canvas_replicate.sql.translate.terms import NULL, Engine, Term, write_text


def read_whole_number(node: exp.Expr, where: str) -> int:
    if isinstance(node, exp.Literal) and not node.is_string and node.this.isdigit():
        return int(node.this)
    raise NotPortable(f"{where} with an expression", "write the number of rows")


@rule(exp.Null)
def _write_null(node: exp.Null, engine: Engine) -> Term:
    return NULL


@rule((exp.National, exp.RawString), "this")
@rule(exp.Literal, "this", "is_string")
def _write_literal(node: exp.Literal, engine: Engine) -> Term:
    value = str(node.this)
    if not isinstance(node, exp.Literal) or node.is_string:
        return write_text(value) if value else NULL
    if not re.fullmatch(r"\d+(\.\d+)?", value):
        raise NotPortable("a number with an exponent", value)
    whole, _, fraction = value.partition(".")
    if len(whole.lstrip("0")) > 28 or len(fraction) > 10:
        raise NotPortable("a number of more than 28 digits, or 10 decimals", value)
    return Term(value, "number", value)


@rule(exp.DateStrToDate, "this")
def _write_date_literal(node: exp.DateStrToDate, engine: Engine) -> Term:
    return write_moment(node.this.name, "YYYY-MM-DD", "day")


@rule(exp.StrToTime, "this", "format")
def _write_timestamp_literal(node: exp.StrToTime, engine: Engine) -> Term:
    mask = "YYYY-MM-DD HH24:MI:SS" + (".FF6" if "." in node.this.name else "")
    return write_moment(node.this.name, mask, "timestamp")

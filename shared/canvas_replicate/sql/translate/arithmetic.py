"""+ - * on numbers and dates, and the functions that give numbers."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Sequence
from decimal import Decimal
from fractions import Fraction

from sqlglot import exp

from canvas_replicate.sql.translate.refusals import NotPortable
from canvas_replicate.sql.translate.rules import rule, write
from canvas_replicate.sql.translate.terms import Engine, Kind, Term, require_date, require_number


@rule(exp.Neg, "this")
def _write_negative(node: exp.Neg, engine: Engine) -> Term:
    value = write(node.this, engine)
    require_number(value, "the negative")
    if value.literal and not value.literal.startswith("-"):
        return Term(f"(-{value.literal})", "number", f"-{value.literal}")  # bare, two would begin a comment
    return Term(f"(-{value})", "number", width="?")


@rule(exp.Mul, "this", "expression")
def _write_times(node: exp.Mul, engine: Engine) -> Term:
    left, right = (require_number(write(side, engine), "a product") for side in (node.this, node.expression))
    return Term(f"({left} * {right})", "number", width="?")


@rule(exp.Add, "this", "expression")
def _write_plus(node: exp.Add, engine: Engine) -> Term:
    moved = _write_moved(node.this, node.expression, 1, engine) or _write_moved(node.expression, node.this, 1, engine)
    if moved:
        return moved
    left, right = write(node.this, engine), write(node.expression, engine)
    kind: Kind | None = "number" if left.kind == right.kind == "number" else None
    return Term(f"({require_number(left, 'a sum')} + {require_number(right, 'a sum')})", kind, width="?")


@rule(exp.Sub, "this", "expression")
def _write_minus(node: exp.Sub, engine: Engine) -> Term:
    """``a - b`` of two columns is written ``a + (-b)``: two dates then fail, where DuckDB would give an interval."""
    if moved := _write_moved(node.this, node.expression, -1, engine):
        return moved
    left, right = write(node.this, engine), write(node.expression, engine)
    if left.kind == right.kind == "day":
        days = f"date_diff('day', {right}, {left})"
        return Term(days if engine == "duckdb" else f"(CAST({left} AS date) - CAST({right} AS date))", "number")
    left_sql, right_sql = require_number(left, "a difference"), require_number(right, "a difference")
    sql = f"({left_sql} - {right_sql})" if right.kind == "number" else f"({left_sql} + (-{right_sql}))"
    return Term(sql, "number" if left.kind == "number" else None, width="?")


def _write_moved(date: exp.Expr, by: exp.Expr, sign: int, engine: Engine) -> Term | None:
    """``date ± days`` or ``date ± INTERVAL``; None where it is neither.

    Days count only where the date is known to be one: ``column - 1`` stays arithmetic and fails on a date.
    """
    if isinstance(by, exp.Interval):
        base, seconds = write(date, engine), _read_interval_seconds(by)
        require_date(base, "a date ± INTERVAL", engine)
    else:
        days = _compute_constant(by)
        if days is None or _compute_constant(date) is not None:
            return None
        base, seconds = write(date, engine), days * 86400
        if base.kind not in ("date", "day"):
            return None
    if seconds.denominator != 1:
        raise NotPortable("a part of a day that is not whole seconds")
    kind = "date" if base.kind == "day" and seconds % 86400 else base.kind
    return Term(f"({base} + INTERVAL '{sign * seconds}' SECOND)", kind)


def _compute_constant(node: exp.Expr) -> Fraction | None:
    """The value of an expression of number literals, exactly."""
    node = node.unnest()
    if isinstance(node, exp.Literal) and not node.is_string:
        return Fraction(Decimal(node.this))
    if isinstance(node, exp.Neg):
        inner = _compute_constant(node.this)
        return None if inner is None else -inner
    if type(node) not in _OPERATORS:
        return None
    left, right = _compute_constant(node.this), _compute_constant(node.expression)
    if left is None or right is None or (isinstance(node, exp.Div) and right == 0):
        return None
    return _OPERATORS[type(node)](left, right)


_OPERATORS: dict[type[exp.Expr], Callable[[Fraction, Fraction], Fraction]] = {
    exp.Add: operator.add,
    exp.Sub: operator.sub,
    exp.Mul: operator.mul,
    exp.Div: operator.truediv,
}


def _read_interval_seconds(node: exp.Interval) -> Fraction:
    units = {"DAY": 86400, "HOUR": 3600, "MINUTE": 60, "SECOND": 1}
    unit = node.args.get("unit")
    name = unit.name.upper() if isinstance(unit, exp.Var) else ""
    amount = node.this.name if isinstance(node.this, exp.Literal) else ""
    if name not in units or not re.fullmatch(r"\d+", amount):
        raise NotPortable("INTERVAL", "only whole DAY, HOUR, MINUTE and SECOND are; for months use ADD_MONTHS")
    return Fraction(int(amount) * units[name])


def round_number(terms: Sequence[Term], engine: Engine) -> Term:
    return write_rounded("round", terms[0], terms[1] if len(terms) > 1 else None, engine)


def write_rounded(function: str, value: Term, places: Term | None, engine: Engine) -> Term:
    """With two arguments PostgreSQL takes exact numbers only, and so rounds 0.5 away from zero as Oracle does."""
    digits = places.literal if places is not None else "0"
    if digits is None or not re.fullmatch(r"-?\d+", digits):
        raise NotPortable(f"{function.upper()} to computed places")
    return Term(f"{function}({require_number(value, function.upper())}, {digits})", "number", width="?")


def call_number(name: str, terms: Sequence[Term], engine: Engine) -> Term:
    number = require_number(terms[0], name.upper())
    if engine == "postgresql" and name != "abs":
        number = f"{number} + 0.0"  # of a whole number PostgreSQL would make a float
    return Term(f"{name}({number})", "number", width="?")


def write_mod(terms: Sequence[Term], engine: Engine) -> Term:
    """Oracle's sign is the dividend's, as here; by zero Oracle gives the dividend, so zero is refused."""
    if not re.fullmatch(r"[1-9]\d*", terms[1].literal or ""):
        raise NotPortable("MOD by a computed number")
    return Term(f"mod({require_number(terms[0], 'MOD')}, {terms[1]})", "number", width="?")

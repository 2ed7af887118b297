"""Comparisons and what connects them."""

from __future__ import annotations

from dataclasses import replace

from sqlglot import exp

from canvas_replicate.sql.translate.queries import strip_parentheses
from canvas_replicate.sql.translate.refusals import NotPortable
from canvas_replicate.sql.translate.rules import rule, write
from canvas_replicate.sql.translate.terms import Engine, Term, require_comparable, require_equal, require_text


@rule(exp.Paren, "this")
def _write_paren(node: exp.Paren, engine: Engine) -> Term:
    inner = write(node.this, engine)
    return replace(inner, sql=f"({inner})")


@rule((exp.And, exp.Or), "this", "expression")
def _write_connected(node: exp.Connector, engine: Engine) -> Term:
    word = " AND " if isinstance(node, exp.And) else " OR "
    return Term(f"({word.join(write(part, engine).sql for part in node.flatten(unnest=False))})", "condition")


@rule(exp.Not, "this")
def _write_not(node: exp.Not, engine: Engine) -> Term:
    if isinstance(node.this, exp.Is) and isinstance(node.this.expression, exp.Null):
        return Term(f"{write(node.this.this, engine)} IS NOT NULL", "condition")
    return Term(f"(NOT {write(node.this, engine)})", "condition")


@rule(exp.Is, "this", "expression")
def _write_is_null(node: exp.Is, engine: Engine) -> Term:
    if not isinstance(node.expression, exp.Null):
        raise NotPortable(f"IS {node.expression.name.upper()}".rstrip(), "only IS NULL and IS NOT NULL are")
    return Term(f"{write(node.this, engine)} IS NULL", "condition")


_COMPARISONS = {exp.EQ: "=", exp.NEQ: "<>", exp.LT: "<", exp.LTE: "<=", exp.GT: ">", exp.GTE: ">="}


@rule(tuple(_COMPARISONS), "this", "expression")
def _write_comparison(node: exp.Binary, engine: Engine) -> Term:
    sides = [write(node.this, engine), write(node.expression, engine)]
    equality, where = isinstance(node, exp.EQ | exp.NEQ), "a comparison"
    left, right = require_equal(sides, where, engine) if equality else require_comparable(sides, where)
    return Term(f"{left} {_COMPARISONS[type(node)]} {right}", "condition")


@rule(exp.Between, "this", "low", "high")
def _write_between(node: exp.Between, engine: Engine) -> Term:
    terms = [write(node.args[name], engine) for name in ("this", "low", "high")]
    value, low, high = require_comparable(terms, "BETWEEN")
    return Term(f"{value} BETWEEN {low} AND {high}", "condition")


@rule(exp.In, "this", "expressions", "query")
def _write_in(node: exp.In, engine: Engine) -> Term:
    value = write(node.this, engine)
    query = node.args.get("query")
    if query is not None:
        inner = write(strip_parentheses(query), engine)
        found = inner.columns[0] if len(inner.columns) == 1 else Term("")
        (left, _) = require_equal([value, replace(found, sql="")], "IN", engine)
        return Term(f"{left} IN ({inner})", "condition")
    left, *values = require_equal([value, *(write(item, engine) for item in node.expressions)], "IN", engine)
    return Term(f"{left} IN ({', '.join(values)})", "condition")


@rule(exp.Exists, "this")
def _write_exists(node: exp.Exists, engine: Engine) -> Term:
    return Term(f"EXISTS ({write(strip_parentheses(node.this), engine)})", "condition")


@rule(exp.Like, "this", "expression", "negate")
def _write_like(node: exp.Like, engine: Engine) -> Term:
    """Without ESCAPE Oracle and DuckDB have no escape character, PostgreSQL would take the backslash."""
    return _write_like_with(" ESCAPE ''" if engine == "postgresql" else "", node, engine)


@rule(exp.Escape, "this", "expression")
def _write_like_escape(node: exp.Escape, engine: Engine) -> Term:
    escape = write(node.expression, engine)
    if not isinstance(node.this, exp.Like) or len(escape.literal or "") != 1:
        raise NotPortable("ESCAPE with more than one character")
    return _write_like_with(f" ESCAPE {escape}", node.this, engine)


def _write_like_with(escape: str, node: exp.Like, engine: Engine) -> Term:
    value, pattern = (require_text(write(side, engine), "LIKE") for side in (node.this, node.expression))
    word = "NOT LIKE" if node.args.get("negate") else "LIKE"
    return Term(f"{value} {word} {pattern}{escape}", "condition")

"""Comparisons and what connects them."""

from __future__ import annotations

from dataclasses import replace

from sqlglot import exp

from canvas_replicate.sql.translate.queries import bare
from canvas_replicate.sql.translate.refusals import NotPortable
from canvas_replicate.sql.translate.rules import rule, write
from canvas_replicate.sql.translate.terms import Engine, Term, as_text, comparable, equal


@rule(exp.Paren, "this")
def _paren(node: exp.Paren, engine: Engine) -> Term:
    inner = write(node.this, engine)
    return replace(inner, sql=f"({inner})")


@rule(exp.And, "this", "expression")
@rule(exp.Or, "this", "expression")
def _connected(node: exp.Connector, engine: Engine) -> Term:
    word = " AND " if isinstance(node, exp.And) else " OR "
    return Term(f"({word.join(write(part, engine).sql for part in node.flatten(unnest=False))})", "condition")


@rule(exp.Not, "this")
def _not(node: exp.Not, engine: Engine) -> Term:
    if isinstance(node.this, exp.Is):
        return Term(f"{write(node.this.this, engine)} IS NOT NULL", "condition")
    return Term(f"(NOT {write(node.this, engine)})", "condition")


@rule(exp.Is, "this", "expression")
def _is_null(node: exp.Is, engine: Engine) -> Term:
    if not isinstance(node.expression, exp.Null):
        raise NotPortable("IS", "only IS NULL and IS NOT NULL are")
    return Term(f"{write(node.this, engine)} IS NULL", "condition")


_COMPARISONS = {exp.EQ: "=", exp.NEQ: "<>", exp.LT: "<", exp.LTE: "<=", exp.GT: ">", exp.GTE: ">="}


@rule(exp.EQ, "this", "expression")
@rule(exp.NEQ, "this", "expression")
@rule(exp.LT, "this", "expression")
@rule(exp.LTE, "this", "expression")
@rule(exp.GT, "this", "expression")
@rule(exp.GTE, "this", "expression")
def _comparison(node: exp.Binary, engine: Engine) -> Term:
    sides = [write(node.this, engine), write(node.expression, engine)]
    by_equality = isinstance(node, exp.EQ | exp.NEQ)
    left, right = equal(sides, "a comparison", engine) if by_equality else comparable(sides, "a comparison")
    return Term(f"{left} {_COMPARISONS[type(node)]} {right}", "condition")


@rule(exp.Between, "this", "low", "high")
def _between(node: exp.Between, engine: Engine) -> Term:
    terms = [write(node.args[name], engine) for name in ("this", "low", "high")]
    value, low, high = comparable(terms, "BETWEEN")
    return Term(f"{value} BETWEEN {low} AND {high}", "condition")


@rule(exp.In, "this", "expressions", "query")
def _in(node: exp.In, engine: Engine) -> Term:
    value = write(node.this, engine)
    query = node.args.get("query")
    if query is not None:
        inner = write(bare(query), engine)
        found = inner.columns[0] if len(inner.columns) == 1 else Term("")
        (left, _) = equal([value, replace(found, sql="")], "IN", engine)
        return Term(f"{left} IN ({inner})", "condition")
    left, *values = equal([value, *(write(item, engine) for item in node.expressions)], "IN", engine)
    return Term(f"{left} IN ({', '.join(values)})", "condition")


@rule(exp.Exists, "this")
def _exists(node: exp.Exists, engine: Engine) -> Term:
    return Term(f"EXISTS ({write(bare(node.this), engine)})", "condition")


@rule(exp.Like, "this", "expression", "negate")
def _like(node: exp.Like, engine: Engine) -> Term:
    """Without ESCAPE Oracle and DuckDB have no escape character, PostgreSQL would take the backslash."""
    return _like_with(" ESCAPE ''" if engine == "postgresql" else "", node, engine)


@rule(exp.Escape, "this", "expression")
def _like_escape(node: exp.Escape, engine: Engine) -> Term:
    escape = write(node.expression, engine)
    if not isinstance(node.this, exp.Like) or len(escape.literal or "") != 1:
        raise NotPortable("ESCAPE with more than one character")
    return _like_with(f" ESCAPE {escape}", node.this, engine)


def _like_with(escape: str, node: exp.Like, engine: Engine) -> Term:
    value, pattern = (as_text(write(side, engine), "LIKE") for side in (node.this, node.expression))
    word = "NOT LIKE" if node.args.get("negate") else "LIKE"
    return Term(f"{value} {word} {pattern}{escape}", "condition")

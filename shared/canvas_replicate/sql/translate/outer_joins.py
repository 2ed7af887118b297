"""The mark (+) becomes LEFT JOIN in the tree, before anything is written."""

from __future__ import annotations

from sqlglot import exp

from canvas_replicate.sql.translate.refusals import NotPortable
from canvas_replicate.sql.translate.rownum import split_conjuncts


def convert_marks_to_joins(select: exp.Select) -> None:
    """``a.x = b.y(+)`` becomes LEFT JOIN b, with every marked condition on b in its ON.

    Oracle SQL Language Reference, Joins: a condition with (+) belongs to the join, the others to WHERE.
    """
    where = select.args.get("where")
    if not select.args.get("from_") or where is None or not any(map(_is_marked, split_conjuncts(where.this))):
        return
    joins = select.args.get("joins") or []
    if any(value for join in joins for name, value in join.args.items() if name != "this"):
        raise NotPortable("(+) beside JOIN")
    sources = {_name_source(source): source for source in [select.args["from_"].this, *(j.this for j in joins)]}
    if len(sources) <= len(joins) or "" in sources:
        raise NotPortable("(+) beside a nameless inline view")
    conditions: dict[str, list[exp.Expr]] = {}
    kept = []
    for part in split_conjuncts(where.this):
        if _is_marked(part):
            conditions.setdefault(_find_outer_table(part, sources), []).append(part)
        else:
            kept.append(part)
    joined = [name for name in sources if name not in conditions]
    while len(joined) < len(sources):
        joined.append(_next_outer(conditions, joined))
    if joined != list(sources) and any(column.is_star for column in select.expressions):
        raise NotPortable("SELECT * with (+)", "the order of the columns would change; name them")
    _replace_sources(select, [sources[name] for name in joined], [conditions.get(name, []) for name in joined])
    select.set("where", exp.Where(this=exp.and_(*kept)) if kept else None)


def _is_marked(node: exp.Expr) -> bool:
    return any(column.args.get("join_mark") for column in node.find_all(exp.Column))


def _name_source(source: exp.Expr) -> str:
    return source.alias_or_name.upper()


def _find_outer_table(condition: exp.Expr, sources: dict[str, exp.Expr]) -> str:
    """The one table that a marked condition makes optional."""
    plain = (exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE, exp.Between, exp.Like, exp.Is)
    columns = list(condition.find_all(exp.Column))
    if not isinstance(condition, plain) or condition.find(exp.Query):
        raise NotPortable("(+) in OR, IN, NOT or a subquery")
    if any(column.table.upper() not in sources for column in columns):
        raise NotPortable("(+) beside a column without its table's name")
    outer = {column.table.upper() for column in columns if column.args.get("join_mark")}
    inner = {column.table.upper() for column in columns if not column.args.get("join_mark")}
    if len(outer) > 1 or outer & inner:
        raise NotPortable("(+) on both sides of one condition")
    return outer.pop()


def _next_outer(conditions: dict[str, list[exp.Expr]], joined: list[str]) -> str:
    for name, parts in conditions.items():
        needed = {column.table.upper() for part in parts for column in part.find_all(exp.Column)} - {name}
        if name not in joined and needed and needed <= set(joined):
            return name
    raise NotPortable("(+) in a circle, or without a table to join to")


def _replace_sources(select: exp.Select, sources: list[exp.Expr], conditions: list[list[exp.Expr]]) -> None:
    select.set("from_", exp.From(this=sources[0]))
    select.set("joins", [_join(*pair) for pair in zip(sources[1:], conditions[1:], strict=True)])


def _join(source: exp.Expr, conditions: list[exp.Expr]) -> exp.Join:
    if not conditions:
        return exp.Join(this=source, kind="CROSS")
    on = exp.and_(*conditions)
    for column in on.find_all(exp.Column):
        column.set("join_mark", False)
    return exp.Join(this=source, on=on, side="LEFT")

"""ROWNUM becomes FETCH FIRST in the tree, before anything is written."""

from __future__ import annotations

from collections.abc import Iterator

from sqlglot import exp

from canvas_replicate.sql.translate.aggregates import AGGREGATES
from canvas_replicate.sql.translate.queries import strip_parentheses
from canvas_replicate.sql.translate.refusals import NotPortable


def split_conjuncts(condition: exp.Expr) -> Iterator[exp.Expr]:
    """The conditions that AND connects, each out of its parentheses."""
    condition = condition.unnest()
    if not isinstance(condition, exp.And):
        yield condition
        return
    for part in condition.flatten():
        yield from split_conjuncts(part)


def convert_rownum_to_fetch(select: exp.Select) -> None:
    """``WHERE ROWNUM <= n`` limits the rows before anything is grouped or sorted; LIMIT afterwards."""
    where = select.args.get("where")
    if where is None:
        return
    conditions = list(split_conjuncts(where.this))
    limits = {id(part): limit for part in conditions if (limit := _read_rownum_limit(part)) is not None}
    if not limits:
        return
    kept = [part for part in conditions if id(part) not in limits]
    clauses = ("group", "having", "distinct", "order", "limit", "offset")
    if any(select.args.get(clause) for clause in clauses) or isinstance(select.parent, exp.SetOperation):
        raise NotPortable("ROWNUM", "with GROUP BY, DISTINCT, ORDER BY or UNION it limits before, LIMIT after")
    if any(_is_gathering(node) for column in select.expressions for node in column.walk()):
        raise NotPortable("ROWNUM", "beside an aggregate or analytic function it limits before, LIMIT after")
    limited = _find_ordered_view(select, kept) or select
    count = exp.Literal.number(max(0, min(limits.values())))
    limited.set("limit", exp.Fetch(direction="FIRST", count=count))
    select.set("where", exp.Where(this=exp.and_(*kept)) if kept else None)


def _read_rownum_limit(condition: exp.Expr) -> int | None:
    """How many rows ``ROWNUM <= n`` leaves, however it is written; None for any other condition."""
    if not isinstance(condition, exp.LTE | exp.LT | exp.EQ | exp.GTE | exp.GT):
        return None
    low, high = condition.this, condition.expression
    if isinstance(condition, exp.GTE | exp.GT) or (isinstance(condition, exp.EQ) and isinstance(low, exp.Literal)):
        low, high = high, low
    if not _is_rownum(low) or not (isinstance(high, exp.Literal) and high.this.isdigit()):
        return None
    if isinstance(condition, exp.EQ) and high.this != "1":
        return None
    return int(high.this) - isinstance(condition, exp.LT | exp.GT)


def _is_rownum(node: exp.Expr) -> bool:
    return isinstance(node, exp.Column) and node.name.upper() == "ROWNUM" and not node.this.args.get("quoted")


def _is_gathering(node: exp.Expr) -> bool:
    return isinstance(node, exp.Window | exp.GroupConcat) or (
        isinstance(node, exp.Anonymous) and node.name.upper() in AGGREGATES
    )


def _find_orders_inside(select: exp.Select) -> list[exp.Order]:
    """The ORDER BY clauses of what the query reads from, WITH queries among it."""
    clauses = [clause for clause in (select.args.get("from_"), *(select.args.get("joins") or [])) if clause]
    tables = {table.name.upper() for clause in clauses for table in clause.find_all(exp.Table) if not table.db}
    named = [cte for cte in select.root().find_all(exp.CTE) if cte.alias.upper() in tables]
    orders = (order for part in (*clauses, *named) for order in part.find_all(exp.Order))
    return [order for order in orders if isinstance(order.parent, exp.Query)]


def _find_ordered_view(select: exp.Select, kept: list[exp.Expr]) -> exp.Query | None:
    """The sorted inline view of the top-n idiom, which is then what must be limited."""
    orders = _find_orders_inside(select)
    if not orders:
        return None
    view = strip_parentheses(select.args["from_"].this.this)
    alone = not kept and not select.args.get("joins") and [order.parent for order in orders] == [view]
    if not alone or not isinstance(view, exp.Query) or view.args.get("limit") or view.args.get("offset"):
        raise NotPortable("ROWNUM", "over a sorted inline view it must be the only condition, and that the only table")
    return view


def refuse_fetch_from_sorted(select: exp.Select) -> None:
    """The order of an inline view need not reach an outer FETCH FIRST, though in Oracle it does."""
    limited = select.args.get("limit") or select.args.get("offset")
    if limited and not select.args.get("order") and _find_orders_inside(select):
        raise NotPortable("FETCH FIRST outside of ORDER BY", "write both in the same query")

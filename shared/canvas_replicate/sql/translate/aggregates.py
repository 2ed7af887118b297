"""COUNT, SUM, MIN, MAX, LISTAGG, and what precedes OVER."""

from __future__ import annotations

import re
from dataclasses import replace

from sqlglot import exp

from canvas_replicate.sql.translate.literals import read_whole_number
from canvas_replicate.sql.translate.refusals import NotPortable
from canvas_replicate.sql.translate.rules import rule, write, write_list
from canvas_replicate.sql.translate.terms import (
    NULL,
    Engine,
    Term,
    ensure_text,
    require_equal,
    require_number,
    require_text,
)

AGGREGATES = {"COUNT", "SUM", "MIN", "MAX"}
RANKS = {"ROW_NUMBER", "RANK", "DENSE_RANK"}
NEIGHBOURS = {"LAG", "LEAD", "FIRST_VALUE", "LAST_VALUE"}


def write_aggregate(node: exp.Anonymous, engine: Engine) -> Term:
    name = node.name.upper()
    if len(node.expressions) != 1:
        raise NotPortable(f"{name} with {len(node.expressions)} arguments")
    argument, distinct = node.expressions[0], ""
    if isinstance(argument, exp.Distinct):
        if len(argument.expressions) != 1:
            raise NotPortable("DISTINCT with several arguments")
        argument, distinct = argument.expressions[0], "DISTINCT "
    value = write(argument, engine)
    sql = f"{name.lower()}({distinct}{value})"
    if name == "COUNT":
        return Term(sql, "number")
    if value.kind == "null":
        raise NotPortable(f"{name} of NULL")
    if name == "SUM":
        require_number(value, "SUM")
        return Term(sql, "number", width="?")
    return Term(sql, value.kind, width=value.width)


@rule(exp.GroupConcat, "this", "separator")
def _write_listagg(node: exp.GroupConcat, engine: Engine) -> Term:
    order = node.this
    if not isinstance(order, exp.Order) or isinstance(order.this, exp.Distinct):
        raise NotPortable("LISTAGG without WITHIN GROUP, or with DISTINCT")
    separator = write(node.args["separator"], engine) if node.args.get("separator") else NULL
    if separator.kind != "null" and not separator.literal:
        raise NotPortable("LISTAGG with a computed separator")
    value = write(order.this, engine)
    require_text(value, "LISTAGG")
    between = "''" if separator.kind == "null" else separator.sql
    return Term(f"string_agg({ensure_text(value)}, {between} ORDER BY {write_list(order.expressions, engine)})", "text")


@rule(exp.Window, "this", "partition_by", "order", "spec", "over", "alias", "first")
def _write_window(node: exp.Window, engine: Engine) -> Term:
    if node.args.get("over") != "OVER":
        raise NotPortable("KEEP (DENSE_RANK FIRST or LAST)")
    if node.args.get("alias"):
        raise NotPortable("a WINDOW clause")
    function, order = node.this, node.args.get("order")
    if isinstance(function, exp.IgnoreNulls | exp.RespectNulls):
        raise NotPortable("IGNORE NULLS")
    if not isinstance(function, exp.Anonymous):
        raise NotPortable("LISTAGG with OVER")
    name = function.name.upper()
    value = _write_analytic(function, name, engine)
    if any(isinstance(argument, exp.Distinct) for argument in function.expressions):
        raise NotPortable(f"{name}(DISTINCT …) with OVER")
    if order is None and name in RANKS | NEIGHBOURS:
        raise NotPortable(f"{name} without ORDER BY")
    if order and any(isinstance(item.this, exp.Literal) for item in order.expressions):
        raise NotPortable("ORDER BY a constant in OVER")
    partition = node.args.get("partition_by") or []
    parts = [
        f"PARTITION BY {write_list(partition, engine)}" if partition else "",
        f"ORDER BY {write_list(order.expressions, engine)}" if order else "",
        _write_frame(node.args["spec"]) if node.args.get("spec") else "",
    ]
    return replace(value, sql=f"{value} OVER ({' '.join(filter(None, parts))})")


def _write_analytic(function: exp.Anonymous, name: str, engine: Engine) -> Term:
    arguments = function.expressions
    if name in RANKS:
        if arguments:
            raise NotPortable(f"{name} with {len(arguments)} arguments")
        return Term(f"{name.lower()}()", "number")
    if name in AGGREGATES:
        return write_aggregate(function, engine)
    if name not in NEIGHBOURS:
        raise NotPortable(f"the function {name}", "with OVER")
    value, *rest = (write(argument, engine) for argument in arguments)
    if len(rest) > (2 if name in ("LAG", "LEAD") else 0) or any(term.literal is None for term in rest[1:]):
        raise NotPortable(f"{name} with a computed default")
    if rest and not (rest[0].literal or "").isdigit():
        raise NotPortable(f"{name} with a computed offset")
    sql = value.sql
    if len(rest) > 1:
        if rest[1].kind == "number" and "." in (rest[1].literal or ""):
            raise NotPortable(f"{name} with a fraction as default", "DuckDB rounds it to the column's scale")
        sql = require_equal([value, rest[1]], name, engine)[0]
    return Term(f"{name.lower()}({', '.join([sql, *(term.sql for term in rest)])})", value.kind, width=value.width)


def _write_frame(spec: exp.WindowSpec) -> str:
    if spec.args.get("exclude") or spec.args.get("kind") not in ("ROWS", "RANGE"):
        raise NotPortable("a window frame other than ROWS or RANGE")
    ends = [_write_frame_end(spec, end) for end in ("start", "end") if spec.args.get(end)]
    if spec.args["kind"] == "RANGE" and any(re.match(r"\d", end) for end in ends):
        raise NotPortable("RANGE with a distance")
    return f"{spec.args['kind']} " + (f"BETWEEN {ends[0]} AND {ends[1]}" if len(ends) > 1 else ends[0])


def _write_frame_end(spec: exp.WindowSpec, end: str) -> str:
    value, side = spec.args[end], spec.args.get(f"{end}_side")
    word = value if isinstance(value, str) else str(read_whole_number(value, "a window frame"))
    return f"{word} {side}" if side else word

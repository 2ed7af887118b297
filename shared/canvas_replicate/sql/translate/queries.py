"""SELECT and its clauses, WITH, and the set operations."""

from __future__ import annotations

from dataclasses import replace

from sqlglot import exp

from canvas_replicate.sql.translate.literals import read_whole_number
from canvas_replicate.sql.translate.names import write_identifier
from canvas_replicate.sql.translate.refusals import NotPortable
from canvas_replicate.sql.translate.rules import refuse_other_arguments, rule, write, write_list
from canvas_replicate.sql.translate.terms import Engine, Term, require_unified

_AROUND = ("with_", "order", "limit", "offset")  # the clauses that any query may have around it


@rule(exp.Select, "hint", "distinct", "expressions", "from_", "joins", "where", "group", "having", *_AROUND)
def _write_select(node: exp.Select, engine: Engine) -> Term:
    """Hints are dropped: they change the plan, never the result."""
    columns = tuple(write(column, engine) for column in node.expressions)
    distinct, where, having = (node.args.get(clause) for clause in ("distinct", "where", "having"))
    if distinct and distinct.args.get("on"):
        raise NotPortable("DISTINCT ON")
    parts = [
        _write_with(node, engine),
        "SELECT DISTINCT" if distinct else "SELECT",
        ", ".join(column.sql for column in columns),
        _write_from(node, engine),
        f"WHERE {write(where.this, engine)}" if where else "",
        _write_group_by(node, engine),
        f"HAVING {write(having.this, engine)}" if having else "",
        _write_order_by(node, engine),
        _write_limit(node),
    ]
    return Term(" ".join(filter(None, parts)), columns=columns)


def _write_with(node: exp.Query, engine: Engine) -> str:
    clause = node.args.get("with_")
    return write(clause, engine).sql if clause else ""


@rule(exp.With, "expressions")
def _write_with_clause(node: exp.With, engine: Engine) -> Term:
    return Term(f"WITH {write_list(node.expressions, engine)}")


@rule(exp.CTE, "this", "alias")
def _write_cte(node: exp.CTE, engine: Engine) -> Term:
    name = write_identifier(node.args["alias"].this, engine)
    for table in node.this.find_all(exp.Table):
        bare = isinstance(table.this, exp.Identifier) and not table.args.get("db")
        if bare and write_identifier(table.this, engine) == name:
            raise NotPortable("recursive WITH")
    columns = node.args["alias"].args.get("columns") or []
    names = f" ({', '.join(write_identifier(column, engine) for column in columns)})" if columns else ""
    return Term(f"{name}{names} AS ({write(node.this, engine)})")


def _write_from(node: exp.Select, engine: Engine) -> str:
    source = node.args.get("from_")
    if source is None:
        raise NotPortable("SELECT without FROM")
    joins = node.args.get("joins") or []
    if _is_dual(source.this):
        if joins or any(column.is_star for column in node.expressions):
            raise NotPortable("DUAL beside other tables, or its column")
        return ""
    joined = (_write_join(join, number, node, engine) for number, join in enumerate(joins, start=2))
    return "FROM " + "".join([_write_source(source.this, 1, engine), *joined])


def _is_dual(table: exp.Expr) -> bool:
    return isinstance(table, exp.Table) and table.name.upper() == "DUAL" and table.db.upper() in ("", "SYS")


def _write_source(node: exp.Expr, number: int, engine: Engine) -> str:
    """A table or an inline view; PostgreSQL 15 wants a name for each, so a nameless view gets one."""
    if isinstance(node, exp.Subquery) and not node.args.get("alias"):
        return f"{write(node, engine)} AS inline_{number}"
    if _is_dual(node):
        raise NotPortable("DUAL beside other tables, or its column")
    return write(node, engine).sql


def _write_join(node: exp.Join, number: int, select: exp.Select, engine: Engine) -> str:
    refuse_other_arguments(node, ("this", "on", "side", "kind", "using"), "JOIN with ")
    source = _write_source(node.this, number, engine)
    words = f"{node.side} {node.kind}".split()
    join = " ".join([*words, "JOIN"])
    on, using = node.args.get("on"), node.args.get("using")
    if not set(words) <= {"INNER", "LEFT", "RIGHT", "FULL", "OUTER", "CROSS"}:
        raise NotPortable(join)
    if using:
        if any(column.is_star for column in select.expressions) or {"RIGHT", "FULL"} & set(words):
            raise NotPortable("USING", "with SELECT * or an outer join other than LEFT the columns may differ")
        return f" {join} {source} USING ({', '.join(write_identifier(column, engine) for column in using)})"
    if on is None:
        return f" CROSS JOIN {source}" if words == ["CROSS"] else f", {source}"
    return f" {join} {source} ON {write(on, engine)}"


@rule(exp.Table, "this", "db", "alias")
def _write_table(node: exp.Table, engine: Engine) -> Term:
    if not isinstance(node.this, exp.Identifier):
        raise NotPortable("a table function", f"{node.this.name.upper()}(…) in FROM")
    name = ".".join(write_identifier(part, engine) for part in (node.args.get("db"), node.this) if part)
    return Term(name + _write_alias(node, engine))


def _write_alias(node: exp.Expr, engine: Engine) -> str:
    alias = node.args.get("alias")
    if not alias:
        return ""
    if alias.args.get("columns"):
        raise NotPortable("an alias with a column list")
    return f" AS {write_identifier(alias.this, engine)}"


@rule(exp.Subquery, "this", "alias", *_AROUND)
def _write_subquery(node: exp.Subquery, engine: Engine) -> Term:
    if not isinstance(node.this, exp.Query):
        raise NotPortable("joins in parentheses")
    inner = write(node.this, engine)
    tail = " ".join(filter(None, [_write_order_by(node, engine), _write_limit(node)]))
    sql = f"({inner})"
    if tail:
        sql = f"{sql} {tail}" if node.parent is None else f"({sql} {tail})"
    sql = " ".join(filter(None, [_write_with(node, engine), sql])) + _write_alias(node, engine)
    only = inner.columns[0] if len(inner.columns) == 1 else Term("")
    return Term(sql, None if only.kind == "null" else only.kind, width=only.width, columns=inner.columns)


@rule((exp.Union, exp.Except, exp.Intersect), "this", "expression", "distinct", *_AROUND)
def _write_set_operation(node: exp.SetOperation, engine: Engine) -> Term:
    """Each side in parentheses, as Oracle takes the operators from left to right, without precedence."""
    word = {exp.Union: "UNION", exp.Except: "EXCEPT", exp.Intersect: "INTERSECT"}[type(node)]
    if not node.args.get("distinct"):
        if word != "UNION":
            raise NotPortable("MINUS ALL and INTERSECT ALL")
        word = "UNION ALL"
    left, right = write(strip_parentheses(node.this), engine), write(strip_parentheses(node.expression), engine)
    columns = []
    for pair in zip(left.columns, right.columns, strict=False):
        require_unified(pair, word, engine)
        columns.append(pair[0] if pair[0].width == pair[1].width else replace(pair[0], width="?"))
    parts = [_write_with(node, engine), f"({left}) {word} ({right})", _write_order_by(node, engine), _write_limit(node)]
    return Term(" ".join(filter(None, parts)), columns=tuple(columns))


def strip_parentheses(query: exp.Expr) -> exp.Expr:
    """The query without parentheses: ``IN ((SELECT …))`` would mean one value in PostgreSQL."""
    while isinstance(query, exp.Subquery) and query.is_wrapper:
        query = query.this
    return query


def _write_group_by(node: exp.Select, engine: Engine) -> str:
    group = node.args.get("group")
    if not group:
        return ""
    refuse_other_arguments(group, ("expressions",), "GROUP BY ")
    items = [write(item, engine) for item in group.expressions]
    if any(item.literal is not None for item in items):
        raise NotPortable("GROUP BY a constant", "in Oracle a constant, elsewhere the position of a column")
    return f"GROUP BY {', '.join(item.sql for item in items)}"


def _write_order_by(node: exp.Expr, engine: Engine) -> str:
    order = node.args.get("order")
    if not order:
        return ""
    if order.args.get("siblings"):
        raise NotPortable("ORDER SIBLINGS BY")
    aliases = {column.alias.upper() for column in getattr(node, "expressions", []) if isinstance(column, exp.Alias)}
    for item in order.expressions:
        inside = [] if isinstance(item.this, exp.Column) else item.this.find_all(exp.Column)
        if any(not column.table and column.name.upper() in aliases for column in inside):
            raise NotPortable("ORDER BY an expression over an alias", "a column of that name would be taken instead")
    return f"ORDER BY {write_list(order.expressions, engine)}"


@rule(exp.Ordered, "this", "desc", "nulls_first")
def _write_ordered_item(node: exp.Ordered, engine: Engine) -> Term:
    """Oracle puts NULL last when ascending, first when descending; written out, as settings may differ."""
    direction = "DESC" if node.args.get("desc") else "ASC"
    return Term(f"{write(node.this, engine)} {direction} NULLS {'FIRST' if node.args.get('nulls_first') else 'LAST'}")


def _write_limit(node: exp.Expr) -> str:
    fetch, offset = node.args.get("limit"), node.args.get("offset")
    parts = []
    if fetch is not None:
        options = fetch.args.get("limit_options")
        if options and (options.args.get("percent") or options.args.get("with_ties")):
            raise NotPortable("FETCH with PERCENT or WITH TIES")
        parts.append(f"LIMIT {read_whole_number(fetch.args.get('count') or exp.Literal.number(1), 'FETCH FIRST')}")
    if offset is not None:
        parts.append(f"OFFSET {read_whole_number(offset.expression, 'OFFSET')}")
    return " ".join(parts)

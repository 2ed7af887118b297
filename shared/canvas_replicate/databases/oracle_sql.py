"""Oracle's SELECT in the words of DuckDB or PostgreSQL: only what is known to give the same result.

sqlglot reads the text, but writes nothing: its generators change results in silence (TO_DATE loses the time of
day, ``||`` with NULL becomes NULL). Every kind of node and every function that may stand in a query has a rule
below; whatever has none is refused by name. Column types are unknown here, so where a result depends on them the
SQL is written such that the engine refuses the wrong type (`ltrim(x, '')` takes text only, `+x` a number only).
The rules, what each rests on, and the limits are listed in docs/oracle-sql.md.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from typing import Any, Literal

from sqlglot import exp
from sqlglot.dialects.oracle import Oracle
from sqlglot.errors import ParseError
from sqlglot.parsers.oracle import OracleParser
from sqlglot.tokenizer_core import Token, TokenType

from canvas_replicate.databases.oracle_syntax import check_query, tokenize
from canvas_replicate.errors import ConfigError

Engine = Literal["duckdb", "postgresql"]
Kind = Literal["text", "number", "date", "day", "timestamp", "interval", "null", "condition"]


class NotPortable(ConfigError):
    """A construct without a proven translation; ``construct`` names it in Oracle's words."""

    default_code = "sql.not_portable"

    def __init__(self, construct: str, why: str = "") -> None:
        super().__init__(
            f"{construct} is not translated from Oracle's SQL{': ' if why else ''}{why}.",
            next_step="Rewrite it, or set `dialect: native` for that database and write its own SQL.",
        )
        self.construct = construct


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


class _AsWritten(Oracle):
    """Oracle's grammar, every function left under the name and with the arguments it was written with."""

    class Parser(OracleParser):
        FUNCTIONS = {}  # noqa: RUF012 (the name and form that sqlglot looks for)
        FUNCTION_PARSERS = {  # noqa: RUF012
            name: OracleParser.FUNCTION_PARSERS[name] for name in ("CAST", "EXTRACT", "TRIM", "LISTAGG")
        }


def translate_query(sql: str, engine: Engine) -> str:
    """The same query for another engine.

    Raises SqlSyntaxError for what is not one Oracle query, NotPortable for what has no proven translation.
    """
    check_query(sql)
    tokens = tokenize(sql)
    _refuse_joined_numbers(tokens)
    try:
        tree = _AsWritten().parser().parse(tokens, sql)[0]
        if tree is None:
            raise NotPortable("an empty query")
        for select in list(tree.find_all(exp.Select)):
            _rownum_to_fetch(select)
            _marks_to_joins(select)
        return _write(tree, engine).sql
    except ParseError as error:
        found = error.errors[0]
        raise NotPortable(f"the syntax at {found['highlight']!r}", f"line {found['line']}") from None
    except RecursionError:
        raise NotPortable("a query nested this deeply") from None


def _refuse_joined_numbers(tokens: Sequence[Token]) -> None:
    """``1d`` is a BINARY_DOUBLE in Oracle; sqlglot reads the number 1 with the alias d."""
    for number, after in pairwise(tokens):
        if number.token_type == TokenType.NUMBER and after.text[:1].isidentifier() and after.start == number.end + 1:
            raise NotPortable("a number with letters", f"{number.text}{after.text}")


# --- Rules: one per node type ---------------------------------------------------------------------------------

_Rule = Callable[[Any, Engine], Term]
_RULES: dict[type[exp.Expr], tuple[frozenset[str], _Rule]] = {}

_WORDS: dict[str, str] = {
    "connect": "CONNECT BY",
    "locks": "FOR UPDATE",
    "version": "AS OF",
    "pivots": "PIVOT",
    "sample": "SAMPLE",
    "partition": "PARTITION (…)",
    "windows": "a WINDOW clause",
    "rollup": "ROLLUP",
    "cube": "CUBE",
    "grouping_sets": "GROUPING SETS",
    "with_ties": "WITH TIES",
    "method": "NATURAL JOIN",
    "except_": "EXCLUDE",
    "siblings": "ORDER SIBLINGS BY",
    "options": "WITH READ ONLY",
    "on_overflow": "ON OVERFLOW",
    "search": "SEARCH",
    "cycle": "CYCLE",
    "recursive": "recursive WITH",
    "catalog": "a name of four parts",
    "by_name": "BY NAME",
    "Lateral": "LATERAL and APPLY",
    "Div": "division",
    "Placeholder": "a bind variable",
    "Parameter": "a bind variable",
    "Tuple": "a list of columns in parentheses",
    "Rollup": "ROLLUP",
    "Cube": "CUBE",
    "GroupingSets": "GROUPING SETS",
    "Prior": "CONNECT BY",
    "ConnectByRoot": "CONNECT BY",
    "AtTimeZone": "AT TIME ZONE",
    "Collate": "COLLATE",
    "Systimestamp": "SYSTIMESTAMP",
    "CurrentDate": "CURRENT_DATE",
    "Localtimestamp": "LOCALTIMESTAMP",
    "CurrentUser": "CURRENT_USER",
    "NextValueFor": "NEXTVAL",
    "Any": "ANY and ALL",
    "All": "ANY and ALL",
    "IgnoreNulls": "IGNORE NULLS",
    "RespectNulls": "RESPECT NULLS",
    "Filter": "FILTER",
    "IntervalSpan": "INTERVAL … TO …",
    "Rand": "DBMS_RANDOM",
    "Dot": "a function in a package",
}


def _rule(node: type[exp.Expr], *arguments: str) -> Callable[[_Rule], _Rule]:
    """Register the writer of a node type; an argument of the node that is not listed is refused."""

    def register(write: _Rule) -> _Rule:
        _RULES[node] = (frozenset(arguments), write)
        return write

    return register


def _write(node: exp.Expr, engine: Engine) -> Term:
    if type(node) not in _RULES:
        name = type(node).__name__
        raise NotPortable(_WORDS.get(name, name.upper()))
    arguments, write = _RULES[type(node)]
    for name, value in node.args.items():
        if value and name not in arguments:
            raise NotPortable(_WORDS.get(name, name.rstrip("_").upper()))
    return write(node, engine)


def _list(nodes: Sequence[exp.Expr], engine: Engine) -> str:
    return ", ".join(_write(node, engine).sql for node in nodes)


# --- Queries --------------------------------------------------------------------------------------------------


@_rule(
    exp.Select,
    *("with_", "hint", "distinct", "expressions", "from_", "joins"),
    *("where", "group", "having", "order", "limit", "offset"),
)
def _select(node: exp.Select, engine: Engine) -> Term:
    """Hints are dropped: they change the plan, never the result."""
    columns = tuple(_write(column, engine) for column in node.expressions)
    distinct = node.args.get("distinct")
    if distinct and distinct.args.get("on"):
        raise NotPortable("DISTINCT ON")
    parts = [
        _with(node, engine),
        "SELECT DISTINCT" if distinct else "SELECT",
        ", ".join(column.sql for column in columns),
        _from(node, engine),
        f"WHERE {_write(node.args['where'].this, engine)}" if node.args.get("where") else "",
        _group_by(node, engine),
        f"HAVING {_write(node.args['having'].this, engine)}" if node.args.get("having") else "",
        _order_by(node, engine),
        _limit(node),
    ]
    return Term(" ".join(filter(None, parts)), columns=columns)


def _with(node: exp.Query, engine: Engine) -> str:
    clause = node.args.get("with_")
    return _write(clause, engine).sql if clause else ""


@_rule(exp.With, "expressions")
def _with_clause(node: exp.With, engine: Engine) -> Term:
    return Term(f"WITH {_list(node.expressions, engine)}")


@_rule(exp.CTE, "this", "alias")
def _cte(node: exp.CTE, engine: Engine) -> Term:
    name = _identifier(node.args["alias"].this, engine)
    for table in node.this.find_all(exp.Table):
        bare = isinstance(table.this, exp.Identifier) and not table.args.get("db")
        if bare and _identifier(table.this, engine) == name:
            raise NotPortable("recursive WITH")
    columns = node.args["alias"].args.get("columns") or []
    names = f" ({', '.join(_identifier(column, engine) for column in columns)})" if columns else ""
    return Term(f"{name}{names} AS ({_write(node.this, engine)})")


def _from(node: exp.Select, engine: Engine) -> str:
    source = node.args.get("from_")
    if source is None:
        raise NotPortable("SELECT without FROM")
    joins = node.args.get("joins") or []
    if _is_dual(source.this):
        if joins or any(column.is_star for column in node.expressions):
            raise NotPortable("DUAL beside other tables, or its column")
        return ""
    text = _source(source.this, 1, engine)
    for number, join in enumerate(joins, start=2):
        text += _join(join, number, node, engine)
    return f"FROM {text}"


def _is_dual(table: exp.Expr) -> bool:
    return isinstance(table, exp.Table) and table.name.upper() == "DUAL" and table.db.upper() in ("", "SYS")


def _source(node: exp.Expr, number: int, engine: Engine) -> str:
    """A table or an inline view; PostgreSQL 15 wants a name for each, so a nameless view gets one."""
    if isinstance(node, exp.Subquery) and not node.args.get("alias"):
        return f"{_write(node, engine)} AS inline_{number}"
    if _is_dual(node):
        raise NotPortable("DUAL beside other tables, or its column")
    return _write(node, engine).sql


def _join(node: exp.Join, number: int, select: exp.Select, engine: Engine) -> str:
    for name, value in node.args.items():
        if value and name not in ("this", "on", "side", "kind", "using"):
            raise NotPortable(_WORDS.get(name, f"JOIN with {name.upper()}"))
    source = _source(node.this, number, engine)
    words = f"{node.side} {node.kind}".split()
    on, using = node.args.get("on"), node.args.get("using")
    if not set(words) <= {"INNER", "LEFT", "RIGHT", "FULL", "OUTER", "CROSS"}:
        raise NotPortable(" ".join([*words, "JOIN"]))
    if using:
        if any(column.is_star for column in select.expressions) or {"RIGHT", "FULL"} & set(words):
            raise NotPortable("USING", "with SELECT * or an outer join other than LEFT the columns may differ")
        names = ", ".join(_identifier(column, engine) for column in using)
        return f" {' '.join([*words, 'JOIN'])} {source} USING ({names})"
    if on is None:
        return f" CROSS JOIN {source}" if words == ["CROSS"] else f", {source}"
    return f" {' '.join([*words, 'JOIN'])} {source} ON {_write(on, engine)}"


@_rule(exp.Table, "this", "db", "alias")
def _table(node: exp.Table, engine: Engine) -> Term:
    if not isinstance(node.this, exp.Identifier):
        raise NotPortable("a table function", f"{node.this.name.upper()}(…) in FROM")
    name = ".".join(_identifier(part, engine) for part in (node.args.get("db"), node.this) if part)
    return Term(name + _alias(node, engine))


def _alias(node: exp.Expr, engine: Engine) -> str:
    alias = node.args.get("alias")
    if not alias:
        return ""
    if alias.args.get("columns"):
        raise NotPortable("an alias with a column list")
    return f" AS {_identifier(alias.this, engine)}"


@_rule(exp.Subquery, "this", "alias", "with_", "order", "limit", "offset")
def _subquery(node: exp.Subquery, engine: Engine) -> Term:
    if not isinstance(node.this, exp.Query):
        raise NotPortable("joins in parentheses")
    inner = _write(node.this, engine)
    tail = " ".join(filter(None, [_order_by(node, engine), _limit(node)]))
    sql = f"({inner}) {tail}" if tail else f"({inner})"
    if tail and node.parent is not None:
        sql = f"({sql})"
    with_clause = _with(node, engine)
    only = inner.columns[0] if len(inner.columns) == 1 else Term("")
    return Term(
        (f"{with_clause} {sql}" if with_clause else sql) + _alias(node, engine),
        None if only.kind == "null" else only.kind,
        width=only.width,
        columns=inner.columns,
    )


@_rule(exp.Union, "this", "expression", "distinct", "with_", "order", "limit", "offset")
@_rule(exp.Except, "this", "expression", "distinct", "with_", "order", "limit", "offset")
@_rule(exp.Intersect, "this", "expression", "distinct", "with_", "order", "limit", "offset")
def _set_operation(node: exp.SetOperation, engine: Engine) -> Term:
    """Each side in parentheses, as Oracle takes the operators from left to right whatever they are."""
    word = {exp.Union: "UNION", exp.Except: "EXCEPT", exp.Intersect: "INTERSECT"}[type(node)]
    if not node.args.get("distinct"):
        if word != "UNION":
            raise NotPortable("MINUS ALL and INTERSECT ALL")
        word = "UNION ALL"
    left, right = _write(_bare(node.this), engine), _write(_bare(node.expression), engine)
    columns = []
    for pair in zip(left.columns, right.columns, strict=False):
        _unified(pair, word, engine)
        columns.append(pair[0] if pair[0].width == pair[1].width else replace(pair[0], width="?"))
    parts = [
        _with(node, engine),
        f"({left}) {word} ({right})",
        _order_by(node, engine),
        _limit(node),
    ]
    return Term(" ".join(filter(None, parts)), columns=tuple(columns))


def _bare(query: exp.Expr) -> exp.Expr:
    """The query without parentheses: ``IN ((SELECT …))`` would mean one value in PostgreSQL."""
    while isinstance(query, exp.Subquery) and query.is_wrapper:
        query = query.this
    return query


def _group_by(node: exp.Select, engine: Engine) -> str:
    group = node.args.get("group")
    if not group:
        return ""
    for name, value in group.args.items():
        if value and name != "expressions":
            raise NotPortable(_WORDS.get(name, f"GROUP BY {name.upper()}"))
    items = [_write(item, engine) for item in group.expressions]
    if any(item.literal is not None for item in items):
        raise NotPortable("GROUP BY a constant", "in Oracle a constant, elsewhere the position of a column")
    return f"GROUP BY {', '.join(item.sql for item in items)}"


def _order_by(node: exp.Expr, engine: Engine) -> str:
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
    return f"ORDER BY {_list(order.expressions, engine)}"


@_rule(exp.Ordered, "this", "desc", "nulls_first")
def _ordered_item(node: exp.Ordered, engine: Engine) -> Term:
    """Oracle puts NULL last when ascending, first when descending; said aloud, as settings may differ."""
    direction = "DESC" if node.args.get("desc") else "ASC"
    return Term(f"{_write(node.this, engine)} {direction} NULLS {'FIRST' if node.args.get('nulls_first') else 'LAST'}")


def _limit(node: exp.Expr) -> str:
    fetch, offset = node.args.get("limit"), node.args.get("offset")
    parts = []
    if fetch is not None:
        options = fetch.args.get("limit_options")
        if options and (options.args.get("percent") or options.args.get("with_ties")):
            raise NotPortable("FETCH with PERCENT or WITH TIES")
        parts.append(f"LIMIT {_whole(fetch.args.get('count') or exp.Literal.number(1), 'FETCH FIRST')}")
    if offset is not None:
        parts.append(f"OFFSET {_whole(offset.expression, 'OFFSET')}")
    return " ".join(parts)


def _whole(node: exp.Expr, where: str) -> int:
    if isinstance(node, exp.Literal) and not node.is_string and node.this.isdigit():
        return int(node.this)
    raise NotPortable(f"{where} with an expression", "write the number of rows")


# --- ROWNUM and (+), rewritten in the tree before anything is written --------------------------------------------


def _conjuncts(condition: exp.Expr) -> Iterator[exp.Expr]:
    for part in condition.unnest().flatten() if isinstance(condition.unnest(), exp.And) else [condition.unnest()]:
        if isinstance(part.unnest(), exp.And):
            yield from _conjuncts(part)
        else:
            yield part


def _rownum_to_fetch(select: exp.Select) -> None:
    """``WHERE ROWNUM <= n`` limits the rows before anything is grouped or sorted; LIMIT afterwards."""
    where = select.args.get("where")
    if where is None:
        return
    conditions = list(_conjuncts(where.this))
    limits = {id(part): limit for part in conditions if (limit := _rownum_limit(part)) is not None}
    if not limits:
        return
    kept = [part for part in conditions if id(part) not in limits]
    clauses = ("group", "having", "distinct", "order", "limit", "offset")
    if any(select.args.get(clause) for clause in clauses) or isinstance(select.parent, exp.SetOperation):
        raise NotPortable("ROWNUM", "with GROUP BY, DISTINCT, ORDER BY or UNION it limits before, LIMIT after")
    if any(_gathers(node) for column in select.expressions for node in column.walk()):
        raise NotPortable("ROWNUM", "beside an aggregate or analytic function it limits before, LIMIT after")
    limited = _ordered_view(select, kept) or select
    count = exp.Literal.number(max(0, min(limits.values())))
    limited.set("limit", exp.Fetch(direction="FIRST", count=count))
    select.set("where", exp.Where(this=exp.and_(*kept)) if kept else None)


def _rownum_limit(condition: exp.Expr) -> int | None:
    sides: dict[type[exp.Expr], tuple[int, int]] = {
        exp.LTE: (1, 0),
        exp.LT: (1, -1),
        exp.EQ: (1, 0),
        exp.GTE: (-1, 0),
        exp.GT: (-1, -1),
    }
    if type(condition) not in sides:
        return None
    direction, add = sides[type(condition)]
    left, right = condition.this, condition.expression
    if direction < 0 or (isinstance(condition, exp.EQ) and isinstance(left, exp.Literal)):
        left, right = right, left
    if not _is_rownum(left) or not (isinstance(right, exp.Literal) and right.this.isdigit()):
        return None
    if isinstance(condition, exp.EQ) and right.this != "1":
        return None
    return int(right.this) + add


def _is_rownum(node: exp.Expr) -> bool:
    return isinstance(node, exp.Column) and node.name.upper() == "ROWNUM" and not node.this.args.get("quoted")


def _gathers(node: exp.Expr) -> bool:
    return isinstance(node, exp.Window | exp.GroupConcat) or (
        isinstance(node, exp.Anonymous) and node.name.upper() in _AGGREGATES
    )


def _ordered_view(select: exp.Select, kept: list[exp.Expr]) -> exp.Query | None:
    """The sorted inline view of the top-n idiom, which is then what must be limited."""
    clauses = [select.args.get("from_"), *(select.args.get("joins") or [])]
    sorted_inside = [
        order
        for clause in clauses
        if clause is not None
        for order in clause.find_all(exp.Order)
        if isinstance(order.parent, exp.Query)
    ]
    if not sorted_inside:
        return None
    view = clauses[0].this.unnest() if clauses[0] is not None else None
    if (
        kept
        or len(clauses) > 1
        or not isinstance(view, exp.Query)
        or [order.parent for order in sorted_inside] != [view]
        or view.args.get("limit")
        or view.args.get("offset")
    ):
        raise NotPortable(
            "ROWNUM", "over a sorted inline view it must be the only condition, and the view the only table"
        )
    return view


def _marks_to_joins(select: exp.Select) -> None:
    """``a.x = b.y(+)`` becomes LEFT JOIN b, with every marked condition on b in its ON.

    Oracle SQL Language Reference, Joins: a condition with (+) belongs to the join, the others to WHERE.
    """
    where = select.args.get("where")
    if not select.args.get("from_") or where is None or not any(map(_marked, _conjuncts(where.this))):
        return
    joins = select.args.get("joins") or []
    if any(value for join in joins for name, value in join.args.items() if name != "this"):
        raise NotPortable("(+) beside JOIN")
    sources = {_source_name(source): source for source in [select.args["from_"].this, *(j.this for j in joins)]}
    conditions: dict[str, list[exp.Expr]] = {}
    kept = []
    for part in _conjuncts(where.this):
        if _marked(part):
            conditions.setdefault(_outer_table(part, sources), []).append(part)
        else:
            kept.append(part)
    joined = [name for name in sources if name not in conditions]
    first = len(joined)
    while len(joined) < len(sources):
        joined.append(_next_outer(conditions, joined))
    if joined != list(sources) and any(column.is_star for column in select.expressions):
        raise NotPortable("SELECT * with (+)", "the order of the columns would change; name them")
    _rebuild(select, [sources[name] for name in joined], [conditions.get(name) for name in joined], first)
    select.set("where", exp.Where(this=exp.and_(*kept)) if kept else None)


def _marked(node: exp.Expr) -> bool:
    return any(column.args.get("join_mark") for column in node.find_all(exp.Column))


def _source_name(source: exp.Expr) -> str:
    return source.alias_or_name.upper()


def _outer_table(condition: exp.Expr, sources: dict[str, exp.Expr]) -> str:
    """The one table that a marked condition makes optional."""
    plain = (exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE, exp.Between, exp.Like, exp.Is)
    columns = list(condition.find_all(exp.Column))
    if not isinstance(condition, plain) or condition.find(exp.Query):
        raise NotPortable("(+) in OR, IN, NOT or a subquery")
    if any(column.table.upper() not in sources for column in columns):
        raise NotPortable("(+) beside a column without its table's name")
    outer = {column.table.upper() for column in columns if column.args.get("join_mark")}
    unmarked = {column.table.upper() for column in columns if not column.args.get("join_mark")}
    if len(outer) > 1 or outer & unmarked:
        raise NotPortable("(+) on both sides of one condition")
    return outer.pop()


def _next_outer(conditions: dict[str, list[exp.Expr]], joined: list[str]) -> str:
    for name, parts in conditions.items():
        needed = {column.table.upper() for part in parts for column in part.find_all(exp.Column)} - {name}
        if name not in joined and needed and needed <= set(joined):
            return name
    raise NotPortable("(+) in a circle, or without a table to join to")


def _rebuild(select: exp.Select, sources: list[exp.Expr], conditions: list[list[exp.Expr] | None], first: int) -> None:
    joins = []
    for source, parts in list(zip(sources, conditions, strict=True))[1:]:
        on = exp.and_(*parts) if parts else None
        for column in on.find_all(exp.Column) if on else ():
            column.set("join_mark", False)
        joins.append(exp.Join(this=source, on=on, side="LEFT") if on else exp.Join(this=source, kind="CROSS"))
    select.set("from_", exp.From(this=sources[0]))
    select.set("joins", joins)


# --- Names and literals ---------------------------------------------------------------------------------------

_PSEUDO = set(
    re.findall(
        r"\w+",
        "ROWNUM ROWID LEVEL NEXTVAL CURRVAL USER UID ORA_ROWSCN COLUMN_VALUE OBJECT_VALUE SESSIONTIMEZONE"
        " DBTIMEZONE CONNECT_BY_ISLEAF CONNECT_BY_ISCYCLE SQLCODE SQLERRM",
    )
)
# What may not stand bare as a name in DuckDB 2.0 or PostgreSQL 15; a test compares it with DuckDB's own list.
_RESERVED = set(
    re.findall(
        r"\w+",
        """all analyse analyze and anti any array as asc asof asymmetric at authorization between bigint binary bit
        boolean both by case cast char character check coalesce collate collation column columns concurrently
        constraint create cross current_catalog current_date current_role current_schema current_time
        current_timestamp current_user dec decimal default deferrable desc describe distinct do else end except
        exists extract false fetch float for foreign freeze from full generated glob grant greatest group grouping
        grouping_id having ilike in initially inner inout int integer intersect interval into is isnull join lambda
        lateral leading least left like limit localtime localtimestamp map national natural nchar none normalize not
        notnull null nullif numeric offset on only or order out outer overlaps overlay pivot pivot_longer pivot_wider
        placing position positional precision primary qualify real references returning right row select semi
        session_user setof show similar smallint some struct substring summarize symmetric system_user table
        tablesample then time timestamp to trailing treat trim true try_cast tuple union unique unpack unpivot user
        using values varchar variadic verbose when where window with xmlattributes xmlconcat xmlelement xmlexists
        xmlforest xmlnamespaces xmlparse xmlpi xmlroot xmlserialize xmltable""",
    )
)


def _identifier(node: exp.Expr, engine: Engine) -> str:
    """Oracle stores a bare name in upper case, the other engines in lower case: both mean the same here."""
    name = node.name
    if "@" in name and not node.args.get("quoted"):
        raise NotPortable("a database link", f"{name!r}")
    plain = re.fullmatch(r"[A-Z][A-Z0-9_$#]*" if node.args.get("quoted") else r"[A-Za-z][A-Za-z0-9_$#]*", name)
    if plain:
        name = name.lower()
        return name if re.fullmatch(r"[a-z][a-z0-9_]*", name) and name not in _RESERVED else f'"{name}"'
    if not node.args.get("quoted"):
        raise NotPortable("a bare name with other characters", f"{name!r}")
    if engine == "postgresql":
        raise NotPortable("a quoted name that is not all upper case", f'"{name}" is another name in PostgreSQL')
    return '"' + name.replace('"', '""') + '"'


@_rule(exp.Column, "this", "table", "db")
def _column(node: exp.Column, engine: Engine) -> Term:
    if not isinstance(node.this, exp.Identifier | exp.Star):
        raise NotPortable("a column of another name than a word")
    if isinstance(node.this, exp.Identifier):
        name = node.name.upper()
        if not node.this.quoted and (name in _PSEUDO or name.startswith("VERSIONS_")):
            raise NotPortable(name if name != "LEVEL" else "CONNECT BY", "" if name != "ROWNUM" else _ROWNUM_WHY)
    parts = (node.args.get("db"), node.args.get("table"), node.this)
    names = ["*" if isinstance(part, exp.Star) else _identifier(part, engine) for part in parts if part]
    return Term(".".join(names))


_ROWNUM_WHY = "only WHERE ROWNUM <= n, joined to other conditions by AND, is"


@_rule(exp.Star)
def _star(node: exp.Star, engine: Engine) -> Term:
    return Term("*")


@_rule(exp.Alias, "this", "alias")
def _aliased(node: exp.Alias, engine: Engine) -> Term:
    value = _write(node.this, engine)
    return replace(value, sql=f"{value} AS {_identifier(node.args['alias'], engine)}", literal=None)


@_rule(exp.Null)
def _null(node: exp.Null, engine: Engine) -> Term:
    return NULL


@_rule(exp.National, "this")
@_rule(exp.RawString, "this")
@_rule(exp.Literal, "this", "is_string")
def _literal(node: exp.Literal, engine: Engine) -> Term:
    value = str(node.this)
    if not isinstance(node, exp.Literal) or node.is_string:
        return _text_literal(value) if value else NULL
    if not re.fullmatch(r"\d+(\.\d+)?", value):
        raise NotPortable("a number with an exponent", value)
    whole, _, fraction = value.partition(".")
    if len(whole.lstrip("0")) > 28 or len(fraction) > 10:
        raise NotPortable("a number of more than 28 digits, or 10 decimals", value)
    return Term(value, "number", value)


def _text_literal(value: str) -> Term:
    return Term("'" + value.replace("'", "''") + "'", "text", value)


@_rule(exp.DateStrToDate, "this")
def _date_literal(node: exp.DateStrToDate, engine: Engine) -> Term:
    return _moment(node.this.name, "YYYY-MM-DD", "day")


@_rule(exp.StrToTime, "this", "format")
def _timestamp_literal(node: exp.StrToTime, engine: Engine) -> Term:
    mask = "YYYY-MM-DD HH24:MI:SS" + (".FF6" if "." in node.this.name else "")
    return _moment(node.this.name, mask, "timestamp")


def _moment(text: str, mask: str, kind: Kind) -> Term:
    """A date or time that is known now, as a literal of the engine. Strict where Oracle is lenient."""
    pattern = "".join(
        _MASKS[element].pattern if element in _MASKS else re.escape(element) for element in _elements(mask)
    )
    found = re.fullmatch(pattern, text)
    try:
        if not found:
            raise ValueError
        parts = {"day": "01", "hour": "00", "minute": "00", "second": "00", "fraction": "0"} | found.groupdict()
        day, clock = "{year}-{month}-{day}", "{hour}:{minute}:{second}"
        moment = datetime.fromisoformat(f"{day} {clock}".format(**parts)).replace(
            microsecond=int(parts["fraction"].ljust(6, "0"))
        )
    except ValueError:
        raise NotPortable(f"the date {text!r}", f"it does not read as {mask}") from None
    shown = moment.isoformat(sep=" ", timespec="microseconds" if moment.microsecond else "seconds")
    return Term(f"TIMESTAMP '{shown}'", kind)


# --- Conditions -------------------------------------------------------------------------------------------------


@_rule(exp.Paren, "this")
def _paren(node: exp.Paren, engine: Engine) -> Term:
    inner = _write(node.this, engine)
    return replace(inner, sql=f"({inner})")


@_rule(exp.And, "this", "expression")
@_rule(exp.Or, "this", "expression")
def _connected(node: exp.Connector, engine: Engine) -> Term:
    word = " AND " if isinstance(node, exp.And) else " OR "
    return Term(f"({word.join(_write(part, engine).sql for part in node.flatten(unnest=False))})", "condition")


@_rule(exp.Not, "this")
def _not(node: exp.Not, engine: Engine) -> Term:
    if isinstance(node.this, exp.Is):
        return Term(f"{_write(node.this.this, engine)} IS NOT NULL", "condition")
    return Term(f"(NOT {_write(node.this, engine)})", "condition")


@_rule(exp.Is, "this", "expression")
def _is_null(node: exp.Is, engine: Engine) -> Term:
    if not isinstance(node.expression, exp.Null):
        raise NotPortable("IS", "only IS NULL and IS NOT NULL are")
    return Term(f"{_write(node.this, engine)} IS NULL", "condition")


_COMPARISONS = {exp.EQ: "=", exp.NEQ: "<>", exp.LT: "<", exp.LTE: "<=", exp.GT: ">", exp.GTE: ">="}


@_rule(exp.EQ, "this", "expression")
@_rule(exp.NEQ, "this", "expression")
@_rule(exp.LT, "this", "expression")
@_rule(exp.LTE, "this", "expression")
@_rule(exp.GT, "this", "expression")
@_rule(exp.GTE, "this", "expression")
def _comparison(node: exp.Binary, engine: Engine) -> Term:
    sides = [_write(node.this, engine), _write(node.expression, engine)]
    adapt = _equal if isinstance(node, exp.EQ | exp.NEQ) else _comparable
    left, right = adapt(sides, "a comparison", engine)
    return Term(f"{left} {_COMPARISONS[type(node)]} {right}", "condition")


@_rule(exp.Between, "this", "low", "high")
def _between(node: exp.Between, engine: Engine) -> Term:
    terms = [_write(node.args[name], engine) for name in ("this", "low", "high")]
    value, low, high = _comparable(terms, "BETWEEN", engine)
    return Term(f"{value} BETWEEN {low} AND {high}", "condition")


@_rule(exp.In, "this", "expressions", "query")
def _in(node: exp.In, engine: Engine) -> Term:
    value = _write(node.this, engine)
    query = node.args.get("query")
    if query is not None:
        inner = _write(_bare(query), engine)
        found = inner.columns[0] if len(inner.columns) == 1 else Term("")
        (left, _) = _equal([value, replace(found, sql="")], "IN", engine)
        return Term(f"{left} IN ({inner})", "condition")
    left, *values = _equal([value, *(_write(item, engine) for item in node.expressions)], "IN", engine)
    return Term(f"{left} IN ({', '.join(values)})", "condition")


@_rule(exp.Exists, "this")
def _exists(node: exp.Exists, engine: Engine) -> Term:
    return Term(f"EXISTS ({_write(_bare(node.this), engine)})", "condition")


@_rule(exp.Like, "this", "expression", "negate")
def _like(node: exp.Like, engine: Engine, escape: str = "") -> Term:
    """Without ESCAPE Oracle and DuckDB have no escape character, PostgreSQL would take the backslash."""
    value, pattern = _write(node.this, engine), _write(node.expression, engine)
    for term in (value, pattern):
        _text(term, "LIKE")
    if not escape and engine == "postgresql":
        escape = " ESCAPE ''"
    word = "NOT LIKE" if node.args.get("negate") else "LIKE"
    return Term(f"{value} {word} {pattern}{escape}", "condition")


@_rule(exp.Escape, "this", "expression")
def _like_escape(node: exp.Escape, engine: Engine) -> Term:
    escape = _write(node.expression, engine)
    if not isinstance(node.this, exp.Like) or len(escape.literal or "") != 1:
        raise NotPortable("ESCAPE with more than one character")
    return _like(node.this, engine, f" ESCAPE {escape}")  # type: ignore[call-arg]


# --- What terms may stand together ------------------------------------------------------------------------------

# Text that an engine would read as another number or date than Oracle, were the column beside it no text.
_DOUBTFUL = re.compile(r"\s*[-+]?(\d*\.\d*|\d+(\.\d+)?[eE][-+]?\d+)\s*|\s*\d{1,4}[-/. ]\w{1,3}[-/. ]\d{1,4}.*")


def _family(term: Term) -> str | None:
    return "date" if term.kind in ("day", "timestamp") else None if term.kind == "null" else term.kind


def _comparable(terms: Sequence[Term], where: str, engine: Engine) -> list[str]:
    """The terms' SQL such that the engine does not convert one of them as Oracle would not."""
    families = {family for term in terms if (family := _family(term))}
    if len(families) > 1:
        raise NotPortable(
            f"{' and '.join(sorted(families))} in one expression", f"{where}: convert one of them yourself"
        )
    texts = [term for term in terms if term.kind == "text"]
    if any(term.literal is None or _DOUBTFUL.fullmatch(term.literal) for term in texts):
        return [_surely_text(term) for term in terms]
    return [term.sql for term in terms]


def _equal(terms: Sequence[Term], where: str, engine: Engine) -> list[str]:
    """As above; DuckDB converts text for ``=`` and IN only, and rounds it to a whole number on the way."""
    sql = _comparable(terms, where, engine)
    if engine != "duckdb":
        return sql
    families = {_family(term) for term in terms}
    if "number" in families:
        return [f"+{term}" if term.kind is None and term.sql else text for term, text in zip(terms, sql, strict=True)]
    if "date" in families:
        zero = "INTERVAL '0' SECOND"
        return [
            f"({term} + {zero})" if term.kind is None and term.sql else text
            for term, text in zip(terms, sql, strict=True)
        ]
    return sql


def _unified(terms: Sequence[Term], where: str, engine: Engine) -> list[str]:
    """The SQL of terms that become one value.

    DuckDB gives two DECIMALs of 38 digits the smaller scale, rounding in silence; so a computed number stands
    beside whole literals only, or beside numbers that were CAST to the same type.
    """
    sql = _comparable(terms, where, engine)
    if engine != "duckdb":
        return sql
    scale = max(
        (len(term.literal.partition(".")[2]) for term in terms if term.kind == "number" and term.literal), default=0
    )
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


def _kind_of(terms: Sequence[Term]) -> tuple[Kind | None, str]:
    """Kind and width of a value that is one of the terms."""
    kinds = {term.kind for term in terms} - {"null"}
    widths = {term.width for term in terms} - {""}
    kind = kinds.pop() if len(kinds) == 1 else "date" if kinds and kinds <= {"day", "date"} else None
    return kind, widths.pop() if len(widths) == 1 else "?" if widths else ""


def _text(term: Term, where: str) -> str:
    """For a place where the engine itself takes nothing but text."""
    if term.kind not in ("text", "null", None):
        raise NotPortable(f"{where} of a {_family(term)}", "Oracle makes text of it by the session's format")
    return term.sql


def _surely_text(term: Term) -> str:
    return f"ltrim({term}, '')" if term.kind is None and term.sql else term.sql


def _number(term: Term, where: str) -> str:
    if term.kind not in ("number", "null", None):
        raise NotPortable(f"{where} of a {_family(term)}")
    return term.sql


def _date(term: Term, where: str) -> str:
    """For a place where the engine itself takes nothing but a date."""
    if term.kind == "null":
        return "CAST(NULL AS TIMESTAMP)"
    if term.kind not in ("date", "day", "timestamp", None):
        raise NotPortable(f"{where} of a {_family(term)}")
    return term.sql


# --- Arithmetic -------------------------------------------------------------------------------------------------


@_rule(exp.Neg, "this")
def _negative(node: exp.Neg, engine: Engine) -> Term:
    value = _write(node.this, engine)
    _number(value, "the negative")
    if value.literal and not value.literal.startswith("-"):
        return Term(f"(-{value.literal})", "number", f"-{value.literal}")  # bare, two would begin a comment
    return Term(f"(-{value})", "number", width="?")


@_rule(exp.Mul, "this", "expression")
def _times(node: exp.Mul, engine: Engine) -> Term:
    left, right = (_number(_write(side, engine), "a product") for side in (node.this, node.expression))
    return Term(f"({left} * {right})", "number", width="?")


@_rule(exp.Add, "this", "expression")
def _plus(node: exp.Add, engine: Engine) -> Term:
    if (moved := _moved(node.this, node.expression, 1, engine)) or (
        moved := _moved(node.expression, node.this, 1, engine)
    ):
        return moved
    left, right = _write(node.this, engine), _write(node.expression, engine)
    kind: Kind | None = "number" if left.kind == right.kind == "number" else None
    return Term(f"({_number(left, 'a sum')} + {_number(right, 'a sum')})", kind, width="?")


@_rule(exp.Sub, "this", "expression")
def _minus(node: exp.Sub, engine: Engine) -> Term:
    """``a - b`` of two columns is written ``a + (-b)``: two dates then fail, where DuckDB would give an interval."""
    if moved := _moved(node.this, node.expression, -1, engine):
        return moved
    left, right = _write(node.this, engine), _write(node.expression, engine)
    if left.kind == right.kind == "day":
        days = f"date_diff('day', {right}, {left})"
        return Term(days if engine == "duckdb" else f"(CAST({left} AS date) - CAST({right} AS date))", "number")
    left_sql, right_sql = _number(left, "a difference"), _number(right, "a difference")
    if right.kind == "number":
        return Term(f"({left_sql} - {right_sql})", "number" if left.kind == "number" else None, width="?")
    return Term(f"({left_sql} + (-{right_sql}))", "number" if left.kind == "number" else None, width="?")


def _moved(date: exp.Expr, by: exp.Expr, sign: int, engine: Engine) -> Term | None:
    """``date ± days`` or ``date ± INTERVAL``; None where it is neither.

    Days count only where the date is known to be one: ``column - 1`` stays arithmetic and fails on a date.
    """
    if isinstance(by, exp.Interval):
        base, seconds = _write(date, engine), _interval_seconds(by)
        _date(base, "a date ± INTERVAL")
    else:
        days = _constant(by)
        if days is None or _constant(date) is not None:
            return None
        base, seconds = _write(date, engine), days * 86400
        if base.kind not in ("date", "day"):
            return None
    if seconds.denominator != 1:
        raise NotPortable("a part of a day that is not whole seconds")
    still_day = base.kind == "day" and seconds % 86400 == 0
    kind = base.kind if base.kind != "day" or still_day else "date"
    return Term(f"({base} + INTERVAL '{sign * seconds}' SECOND)", kind)


def _constant(node: exp.Expr) -> Fraction | None:
    """The value of an expression of number literals, exactly."""
    node = node.unnest()
    if isinstance(node, exp.Literal) and not node.is_string:
        return Fraction(Decimal(node.this))
    if isinstance(node, exp.Neg):
        inner = _constant(node.this)
        return None if inner is None else -inner
    if isinstance(node, exp.Add | exp.Sub | exp.Mul | exp.Div):
        left, right = _constant(node.this), _constant(node.expression)
        if left is None or right is None or (isinstance(node, exp.Div) and right == 0):
            return None
        if isinstance(node, exp.Div):
            return left / right
        return (
            left + right if isinstance(node, exp.Add) else left - right if isinstance(node, exp.Sub) else left * right
        )
    return None


def _interval_seconds(node: exp.Interval) -> Fraction:
    units = {"DAY": 86400, "HOUR": 3600, "MINUTE": 60, "SECOND": 1}
    unit = node.args.get("unit")
    name = unit.name.upper() if isinstance(unit, exp.Var) else ""
    amount = node.this.name if isinstance(node.this, exp.Literal) else ""
    if name not in units or not re.fullmatch(r"\d+", amount):
        raise NotPortable("INTERVAL", "only whole DAY, HOUR, MINUTE and SECOND are; for months use ADD_MONTHS")
    return Fraction(int(amount) * units[name])


@_rule(exp.DPipe, "this", "expression", "safe")
def _concatenated(node: exp.DPipe, engine: Engine) -> Term:
    """``||`` takes NULL for nothing; a result without characters is NULL.

    Concatenation Operator, Oracle SQL Language Reference. It is of the same rank as + and -, which sqlglot
    does not know, so a sum beside it must be in parentheses.
    """
    parts = list(node.flatten(unnest=False))
    if any(isinstance(part, exp.Add | exp.Sub) for part in parts):
        raise NotPortable("|| beside + or -", "put the sum in parentheses")
    return _joined([_write(part, engine) for part in parts])


def _joined(terms: Sequence[Term]) -> Term:
    for term in terms:
        _text(term, "||")
    texts = [_surely_text(term) for term in terms if term.kind != "null"]
    if not texts:
        return NULL
    sql = f"concat({', '.join(texts)})"
    return Term(sql if any(term.literal for term in terms) else f"NULLIF({sql}, '')", "text")


# --- CASE, CAST, EXTRACT, TRIM ----------------------------------------------------------------------------------


@_rule(exp.Case, "this", "ifs", "default")
def _case(node: exp.Case, engine: Engine) -> Term:
    default = node.args.get("default")
    results = [_write(branch.args["true"], engine) for branch in node.args["ifs"]]
    results += [_write(default, engine)] if default else []
    tests = [_write(branch.this, engine) for branch in node.args["ifs"]]
    subject = ""
    conditions = [test.sql for test in tests]
    if node.this:
        subject, *conditions = _equal([_write(node.this, engine), *tests], "CASE", engine)
    return _chosen(conditions, results, engine, "CASE", subject)


def _chosen(conditions: Sequence[str], results: Sequence[Term], engine: Engine, where: str, subject: str = "") -> Term:
    values = _unified(results, where, engine)
    branches = [f"WHEN {test} THEN {value}" for test, value in zip(conditions, values, strict=False)]
    otherwise = [f"ELSE {values[-1]}"] if len(values) > len(branches) else []
    kind, width = _kind_of(results)
    return Term(" ".join(["CASE", *([subject] if subject else []), *branches, *otherwise, "END"]), kind, width=width)


@_rule(exp.Cast, "this", "to")
def _cast(node: exp.Cast, engine: Engine) -> Term:
    value, to = _write(node.this, engine), node.args["to"]
    sizes = [part.this.name if isinstance(part.this, exp.Literal) else "*" for part in to.expressions]
    if to.this == exp.DType.DATE:
        return _cast_to_date(value, engine)
    if to.this in (exp.DType.VARCHAR, exp.DType.NVARCHAR):
        unit = next((part.expression.name.upper() for part in to.expressions if part.args.get("expression")), "")
        in_characters = unit == "CHAR" or to.this == exp.DType.NVARCHAR
        return _cast_to_text(value, int(sizes[0]) if sizes else 0, in_characters)
    if to.this in (exp.DType.DECIMAL, exp.DType.INT, exp.DType.SMALLINT):
        whole = to.this != exp.DType.DECIMAL
        return _cast_to_number(value, ["*", "0"] if whole else sizes, engine)
    raise NotPortable(f"CAST to {to.this.value}")


def _cast_to_date(value: Term, engine: Engine) -> Term:
    """Oracle's DATE holds the time of day, to the second; CAST cuts fractions off."""
    date = _date(value, "CAST to DATE")
    return Term(
        f"date_trunc('second', {date})" if value.kind != "null" else date, "day" if value.kind == "day" else "date"
    )


def _cast_to_text(value: Term, length: int, in_characters: bool) -> Term:
    """CAST cuts what is too long. A length in bytes could cut elsewhere, unless the text is known and ASCII."""
    if value.kind == "null":
        return Term("CAST(NULL AS VARCHAR)", "null")
    text = _text(value, "CAST to VARCHAR2")
    if value.literal and value.literal.isascii() and length >= len(value.literal):
        return value
    if not in_characters or not length:
        raise NotPortable("CAST to VARCHAR2 in bytes", "write VARCHAR2(n CHAR)")
    return Term(f"substr({text}, 1, {length})", "text")


def _cast_to_number(value: Term, sizes: Sequence[str], engine: Engine) -> Term:
    if value.kind not in ("number", "text", "null", None):
        raise NotPortable(f"CAST of a {_family(value)} to NUMBER")
    if not sizes:
        if engine == "duckdb":
            raise NotPortable("CAST to NUMBER without precision", "DuckDB's numbers have a fixed scale: NUMBER(p,s)")
        return Term(f"CAST({value} AS numeric)", "number", width="?")
    precision, scale = 38 if sizes[0] == "*" else int(sizes[0]), int(sizes[1]) if len(sizes) > 1 else 0
    if not 0 <= scale <= precision <= 38:
        raise NotPortable("NUMBER with more scale than precision", f"NUMBER({precision},{scale})")
    kind: Kind = "null" if value.kind == "null" else "number"
    return Term(f"CAST({value} AS DECIMAL({precision}, {scale}))", kind, width=f"DECIMAL({precision},{scale})")


@_rule(exp.Extract, "this", "expression")
def _extract(node: exp.Extract, engine: Engine) -> Term:
    part, value = node.this.name.upper(), _write(node.expression, engine)
    if part not in ("YEAR", "MONTH", "DAY", "HOUR", "MINUTE"):
        raise NotPortable(f"EXTRACT({part})")
    if part in ("HOUR", "MINUTE") and value.kind in ("date", "day"):
        raise NotPortable(f"EXTRACT({part}) from a DATE", "Oracle refuses it: ORA-30076")
    return Term(f"EXTRACT({part} FROM {_date(value, 'EXTRACT')})", "number")


@_rule(exp.Trim, "this", "expression", "position")
def _trim(node: exp.Trim, engine: Engine) -> Term:
    """TRIM takes one character, a blank if none is named; other white space stays."""
    value = _write(node.this, engine)
    what = _write(node.expression, engine) if node.args.get("expression") else _text_literal(" ")
    if what.kind != "text" or len(what.literal or "") != 1:
        raise NotPortable("TRIM of more than one character")
    function = {"LEADING": "ltrim", "TRAILING": "rtrim"}.get(str(node.args.get("position") or ""), "trim")
    return _not_empty(
        f"{'btrim' if function == 'trim' and engine == 'postgresql' else function}({_text(value, 'TRIM')}, {what})"
    )


def _not_empty(sql: str) -> Term:
    """Text, with Oracle's rule that a text without characters is NULL."""
    return Term(f"NULLIF({sql}, '')", "text")


@_rule(exp.CurrentTimestamp, "sysdate")
def _sysdate(node: exp.CurrentTimestamp, engine: Engine) -> Term:
    """The session's wall clock, to the second."""
    if not node.args.get("sysdate"):
        raise NotPortable("CURRENT_TIMESTAMP", "SYSDATE is")
    clock = "localtimestamp" if engine == "duckdb" else "CAST(statement_timestamp() AS timestamp)"
    return Term(f"date_trunc('second', {clock})", "date")


# --- Aggregates and analytic functions ----------------------------------------------------------------------------

_AGGREGATES = {"COUNT", "SUM", "MIN", "MAX"}
_RANKS = {"ROW_NUMBER", "RANK", "DENSE_RANK"}
_NEIGHBOURS = {"LAG", "LEAD", "FIRST_VALUE", "LAST_VALUE"}


@_rule(exp.Anonymous, "this", "expressions")
def _function(node: exp.Anonymous, engine: Engine) -> Term:
    name = node.name.upper()
    if name in _AGGREGATES:
        return _aggregate(node, engine)
    if name in _RANKS | _NEIGHBOURS:
        raise NotPortable(f"{name} without OVER")
    if name not in FUNCTIONS:
        raise NotPortable(f"the function {name}", _WHY_NOT.get(name, ""))
    fewest, most, write = FUNCTIONS[name]
    arguments = [_write(argument, engine) for argument in node.expressions]
    if not fewest <= len(arguments) <= most:
        raise NotPortable(f"{name} with {len(arguments)} arguments")
    return write(arguments, engine)


_WHY_NOT = {
    "AVG": "Oracle's is exact to 38 digits; write SUM and COUNT",
    "MONTHS_BETWEEN": "its fractions count 31 days a month",
    "SYS_EXTRACT_UTC": "time zones are not kept",
}


def _aggregate(node: exp.Anonymous, engine: Engine) -> Term:
    name = node.name.upper()
    if len(node.expressions) != 1:
        raise NotPortable(f"{name} with {len(node.expressions)} arguments")
    argument, distinct = node.expressions[0], ""
    if isinstance(argument, exp.Distinct):
        if len(argument.expressions) != 1:
            raise NotPortable("DISTINCT with several arguments")
        argument, distinct = argument.expressions[0], "DISTINCT "
    value = _write(argument, engine)
    sql = f"{name.lower()}({distinct}{value})"
    if name == "COUNT":
        return Term(sql, "number")
    if value.kind == "null":
        raise NotPortable(f"{name} of NULL")
    if name == "SUM":
        _number(value, "SUM")
        return Term(sql, "number", width="?")
    return Term(sql, value.kind, width=value.width)


@_rule(exp.GroupConcat, "this", "separator")
def _listagg(node: exp.GroupConcat, engine: Engine) -> Term:
    order = node.this
    if not isinstance(order, exp.Order) or isinstance(order.this, exp.Distinct):
        raise NotPortable("LISTAGG without WITHIN GROUP, or with DISTINCT")
    separator = _write(node.args["separator"], engine) if node.args.get("separator") else NULL
    if separator.kind != "null" and not separator.literal:
        raise NotPortable("LISTAGG with a computed separator")
    value = _write(order.this, engine)
    _text(value, "LISTAGG")
    between = "''" if separator.kind == "null" else separator.sql
    return Term(f"string_agg({_surely_text(value)}, {between} ORDER BY {_list(order.expressions, engine)})", "text")


@_rule(exp.Window, "this", "partition_by", "order", "spec", "over", "alias", "first")
def _window(node: exp.Window, engine: Engine) -> Term:
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
    value = _analytic(function, name, engine)
    if any(isinstance(argument, exp.Distinct) for argument in function.expressions):
        raise NotPortable(f"{name}(DISTINCT …) with OVER")
    if order is None and name in _RANKS | _NEIGHBOURS:
        raise NotPortable(f"{name} without ORDER BY")
    if order and any(isinstance(item.this, exp.Literal) for item in order.expressions):
        raise NotPortable("ORDER BY a constant in OVER")
    partition = node.args.get("partition_by") or []
    parts = [
        f"PARTITION BY {_list(partition, engine)}" if partition else "",
        f"ORDER BY {_list(order.expressions, engine)}" if order else "",
        _frame(node.args["spec"]) if node.args.get("spec") else "",
    ]
    return replace(value, sql=f"{value} OVER ({' '.join(filter(None, parts))})")


def _analytic(function: exp.Anonymous, name: str, engine: Engine) -> Term:
    arguments = function.expressions
    if name in _RANKS:
        if arguments:
            raise NotPortable(f"{name} with {len(arguments)} arguments")
        return Term(f"{name.lower()}()", "number")
    if name in _AGGREGATES:
        return _aggregate(function, engine)
    if name not in _NEIGHBOURS:
        raise NotPortable(f"the function {name}", "with OVER")
    value, *rest = (_write(argument, engine) for argument in arguments)
    if len(rest) > (2 if name in ("LAG", "LEAD") else 0) or any(term.literal is None for term in rest[1:]):
        raise NotPortable(f"{name} with a computed default")
    if rest and not (rest[0].literal or "").isdigit():
        raise NotPortable(f"{name} with a computed offset")
    given = [value.sql, *(term.sql for term in rest)]
    if len(rest) > 1:
        if rest[1].kind == "number" and "." in (rest[1].literal or ""):
            raise NotPortable(f"{name} with a fraction as default", "DuckDB rounds it to the column's scale")
        given[0] = _equal([value, rest[1]], name, engine)[0]
    return Term(f"{name.lower()}({', '.join(given)})", value.kind, width=value.width)


def _frame(spec: exp.WindowSpec) -> str:
    if spec.args.get("exclude") or spec.args.get("kind") not in ("ROWS", "RANGE"):
        raise NotPortable("a window frame other than ROWS or RANGE")
    ends = [_frame_end(spec, "start"), _frame_end(spec, "end")] if spec.args.get("end") else [_frame_end(spec, "start")]
    if spec.args["kind"] == "RANGE" and any(re.match(r"\d", end) for end in ends):
        raise NotPortable("RANGE with a distance")
    return f"{spec.args['kind']} " + (f"BETWEEN {ends[0]} AND {ends[1]}" if len(ends) > 1 else ends[0])


def _frame_end(spec: exp.WindowSpec, end: str) -> str:
    value, side = spec.args[end], spec.args.get(f"{end}_side")
    word = value if isinstance(value, str) else str(_whole(value, "a window frame"))
    return f"{word} {side}" if side else word


# --- Functions by Oracle's name -----------------------------------------------------------------------------------


def _nvl(terms: Sequence[Term], engine: Engine) -> Term:
    kind, width = _kind_of(terms)
    if all(term.kind == "null" for term in terms):
        return NULL
    return Term(f"COALESCE({', '.join(_unified(terms, 'COALESCE', engine))})", kind, width=width)


def _nvl2(terms: Sequence[Term], engine: Engine) -> Term:
    return _chosen([f"{terms[0]} IS NOT NULL"], terms[1:], engine, "NVL2")


def _decode(terms: Sequence[Term], engine: Engine) -> Term:
    """DECODE finds NULL equal to NULL, which CASE does not."""
    rest = terms[1:]
    searches, results = rest[0 : len(rest) // 2 * 2 : 2], [*rest[1::2], *(rest[-1:] if len(rest) % 2 else [])]
    if results[0].kind == "null" and any(result.kind not in ("null", "text") for result in results):
        raise NotPortable("DECODE with NULL as first result", "Oracle then makes text of the others; write CASE")
    subject, *values = _equal([terms[0], *searches], "DECODE", engine)
    return _chosen(
        [_decode_test(subject, *pair) for pair in zip(searches, values, strict=True)], results, engine, "DECODE"
    )


def _decode_test(subject: str, search: Term, value: str) -> str:
    if search.kind == "null":
        return f"{subject} IS NULL"
    return f"{subject} = {value}" if search.literal else f"{subject} IS NOT DISTINCT FROM {value}"


def _nullif(terms: Sequence[Term], engine: Engine) -> Term:
    left, right = _equal(terms, "NULLIF", engine)
    if terms[0].kind == "null":
        raise NotPortable("NULLIF of NULL")
    return Term(f"NULLIF({left}, {right})", terms[0].kind, width=terms[0].width)


def _extreme(name: str) -> Callable[[Sequence[Term], Engine], Term]:
    def write(terms: Sequence[Term], engine: Engine) -> Term:
        """Oracle's GREATEST and LEAST are NULL as soon as one argument is; the engines skip NULL."""
        values = _unified(terms, name, engine)
        if any(term.kind == "null" for term in terms):
            raise NotPortable(f"{name} with NULL", "it is always NULL")
        checked = [value for term, value in zip(terms, values, strict=True) if term.literal is None]
        kind, width = _kind_of(terms)
        chosen = f"{name}({', '.join(values)})"
        if not checked:
            return Term(chosen, kind, width=width)
        return Term(
            f"CASE WHEN {' AND '.join(f'{v} IS NOT NULL' for v in checked)} THEN {chosen} END", kind, width=width
        )

    return write


def _upper(terms: Sequence[Term], engine: Engine) -> Term:
    return Term(_upper_sql(_text(terms[0], "UPPER"), engine), "text")


def _upper_sql(text: str, engine: Engine) -> str:
    """Oracle leaves a sharp s alone; DuckDB makes the capital one of it."""
    return f"replace(upper({text}), 'ẞ', 'ß')" if engine == "duckdb" else f"upper({text})"


def _lower(terms: Sequence[Term], engine: Engine) -> Term:
    return Term(f"lower({_text(terms[0], 'LOWER')})", "text")


def _initcap(terms: Sequence[Term], engine: Engine) -> Term:
    """A word is a run of letters and digits. DuckDB has no such function."""
    text = _text(terms[0], "INITCAP")
    if engine == "postgresql":
        return Term(f"initcap({text})", "text")
    words = rf"regexp_extract_all({text}, '[\p{{L}}\p{{N}}]+|[^\p{{L}}\p{{N}}]+')"
    word = f"{_upper_sql('w[1]', engine)} || lower(w[2:])"
    return Term(f"array_to_string(list_transform({words}, lambda w: {word}), '')", "text")


def _length(terms: Sequence[Term], engine: Engine) -> Term:
    return Term(f"length({_text(terms[0], 'LENGTH')})", "number")


def _substr(terms: Sequence[Term], engine: Engine) -> Term:
    """Position 0 counts as 1, a negative one from the end; outside the text, or shorter than 1, is NULL."""
    text, start = _text(terms[0], "SUBSTR"), terms[1]
    if any(term.literal and not re.fullmatch(r"-?\d+", term.literal) for term in terms[1:]):
        raise NotPortable("SUBSTR at a fraction")
    size = f", {_number(terms[2], 'SUBSTR')}" if len(terms) > 2 else ""
    if start.literal:
        sql = _substr_at(text, int(start.literal), size)
    else:
        at = _number(start, "SUBSTR")
        sql = (
            f"CASE WHEN {at} > 0 THEN substr({text}, {at}{size}) WHEN {at} = 0 THEN substr({text}, 1{size})"
            f" WHEN -{at} <= length({text}) THEN substr({text}, length({text}) + {at} + 1{size}) END"
        )
    if not size:
        return _not_empty(sql)
    if terms[2].literal:
        return _not_empty(sql) if int(terms[2].literal) >= 1 else Term("CAST(NULL AS VARCHAR)", "text")
    return _not_empty(f"CASE WHEN {terms[2]} >= 1 THEN {sql} END")


def _substr_at(text: str, at: int, size: str) -> str:
    if at >= 0:
        return f"substr({text}, {max(at, 1)}{size})"
    return f"CASE WHEN length({text}) >= {-at} THEN substr({text}, length({text}) - {-at - 1}{size}) END"


def _instr(terms: Sequence[Term], engine: Engine) -> Term:
    if any(term.literal != "1" for term in terms[2:]):
        raise NotPortable("INSTR with a position or an occurrence")
    function = "instr" if engine == "duckdb" else "strpos"
    if terms[1].kind == "null":
        return Term("CAST(NULL AS INTEGER)", "number")
    return Term(f"{function}({_text(terms[0], 'INSTR')}, {_text(terms[1], 'INSTR')})", "number")


def _side_trim(name: str) -> Callable[[Sequence[Term], Engine], Term]:
    def write(terms: Sequence[Term], engine: Engine) -> Term:
        characters = terms[1] if len(terms) > 1 else _text_literal(" ")
        if not characters.literal or characters.kind != "text":
            raise NotPortable(f"{name.upper()} with a computed set")
        return _not_empty(f"{name}({_text(terms[0], name.upper())}, {characters})")

    return write


def _pad(name: str) -> Callable[[Sequence[Term], Engine], Term]:
    def write(terms: Sequence[Term], engine: Engine) -> Term:
        fill = terms[2] if len(terms) > 2 else _text_literal(" ")
        if not fill.literal or fill.kind != "text" or not re.fullmatch(r"-?\d+", terms[1].literal or ""):
            raise NotPortable(f"{name.upper()} with a computed length or filling")
        return _not_empty(f"{name}({_text(terms[0], name.upper())}, {terms[1]}, {fill})")

    return write


def _replace(terms: Sequence[Term], engine: Engine) -> Term:
    text, search = _text(terms[0], "REPLACE"), terms[1]
    if not search.literal or search.kind != "text":
        raise NotPortable("REPLACE of a computed text")
    by = terms[2] if len(terms) > 2 else NULL
    new = "''" if by.kind == "null" else by.sql if by.literal else f"coalesce({_text(by, 'REPLACE')}, '')"
    return _not_empty(f"replace({text}, {search}, {new})")


def _concat(terms: Sequence[Term], engine: Engine) -> Term:
    return _joined(terms)


_UNITS = {
    **dict.fromkeys(("DD", "DDD", "J"), "day"),
    **dict.fromkeys(("MM", "MON", "MONTH"), "month"),
    **dict.fromkeys(("YYYY", "YEAR", "YY", "SYYYY"), "year"),
    **dict.fromkeys(("HH", "HH24"), "hour"),
    "Q": "quarter",
    "IW": "week",
    "MI": "minute",
}


def _trunc(terms: Sequence[Term], engine: Engine) -> Term:
    value, by = terms[0], terms[1] if len(terms) > 1 else None
    if by is not None and by.kind == "text":
        unit = _UNITS.get((by.literal or "").upper())
        if unit is None:
            raise NotPortable(f"TRUNC with {by}")
        return Term(f"date_trunc('{unit}', {_date(value, 'TRUNC')})", "date" if unit in ("hour", "minute") else "day")
    if by is not None or value.kind == "number":
        return _rounded("trunc", value, by, engine)
    if value.kind in ("date", "day", "timestamp"):
        return Term(f"date_trunc('day', {value})", "day")
    raise NotPortable("TRUNC of a column", "a date? write TRUNC(x, 'DD'); a number? write TRUNC(x, 0)")


def _round(terms: Sequence[Term], engine: Engine) -> Term:
    return _rounded("round", terms[0], terms[1] if len(terms) > 1 else None, engine)


def _rounded(function: str, value: Term, places: Term | None, engine: Engine) -> Term:
    """With two arguments PostgreSQL takes exact numbers only, and so rounds 0.5 away from zero as Oracle does."""
    digits = places.literal if places is not None else "0"
    if digits is None or not re.fullmatch(r"-?\d+", digits):
        raise NotPortable(f"{function.upper()} to computed places")
    return Term(f"{function}({_number(value, function.upper())}, {digits})", "number", width="?")


def _plain_number(name: str) -> Callable[[Sequence[Term], Engine], Term]:
    def write(terms: Sequence[Term], engine: Engine) -> Term:
        return Term(f"{name}({_number(terms[0], name.upper())})", "number", width="?")

    return write


def _mod(terms: Sequence[Term], engine: Engine) -> Term:
    """Oracle's sign is the dividend's, as here; by zero Oracle gives the dividend, so zero is refused."""
    if not re.fullmatch(r"[1-9]\d*", terms[1].literal or ""):
        raise NotPortable("MOD by a computed number")
    return Term(f"mod({_number(terms[0], 'MOD')}, {terms[1]})", "number", width="?")


def _month_end(date: str) -> str:
    return f"(date_trunc('month', {date}) + INTERVAL '1' MONTH - INTERVAL '1' DAY)"


def _time_of_day(date: str) -> str:
    return f"({date} - date_trunc('day', {date}))"


def _last_day(terms: Sequence[Term], engine: Engine) -> Term:
    """The time of day stays."""
    date = f"date_trunc('second', {_date(terms[0], 'LAST_DAY')})"
    return Term(f"({_month_end(date)} + {_time_of_day(date)})", "day" if terms[0].kind == "day" else "date")


def _add_months(terms: Sequence[Term], engine: Engine) -> Term:
    """From the last day of a month to the last day of the other; else to the same day, or the last there is."""
    months = terms[1].literal or ""
    if not re.fullmatch(r"-?\d+", months):
        raise NotPortable("ADD_MONTHS by a computed number")
    date = f"date_trunc('second', {_date(terms[0], 'ADD_MONTHS')})"
    step = f"INTERVAL '{months}' MONTH"
    end = _month_end(f"(date_trunc('month', {date}) + {step})")
    sql = (
        f"CASE WHEN date_trunc('day', {date}) = {_month_end(date)}"
        f" THEN {end} + {_time_of_day(date)} ELSE {date} + {step} END"
    )
    return Term(sql, "day" if terms[0].kind == "day" else "date")


def _to_number(terms: Sequence[Term], engine: Engine) -> Term:
    if engine == "duckdb":
        raise NotPortable("the function TO_NUMBER", "DuckDB's numbers have a fixed scale: CAST(x AS NUMBER(p,s))")
    return _cast_to_number(terms[0], [], engine)


# Characters that mean one thing in Oracle's, RE2's and PostgreSQL's regular expressions. Not among them: the point
# and [^…], which may or may not take a newline, and classes, which differ beyond ASCII.
_SAFE_PATTERN = re.compile(
    r"""(?: (?: [A-Za-z0-9 _,:;@\#/<>=%&~!"'-] | \\[.$^*+?()\[\]{}|\\-]
          | \[ (?:[A-Za-z0-9]-[A-Za-z0-9] | [A-Za-z0-9 _.,:;@/])+ -? \] | \) )
          (?: [*+?] | \{\d{1,2}(?:,\d{0,2})?\} )?
        | \( | \| | \^ | \$ )*""",
    re.VERBOSE,
)


def _regexp_like(terms: Sequence[Term], engine: Engine) -> Term:
    pattern = terms[1].literal or ""
    if len(terms) > 2 and terms[2].literal != "c":
        raise NotPortable("REGEXP_LIKE with a match parameter")
    if not pattern or not _SAFE_PATTERN.fullmatch(pattern) or not _compiles(pattern):
        raise NotPortable(
            "REGEXP_LIKE with this pattern", "engines differ on . \\d [^…] [:class:] and on what is computed"
        )
    text = _text(terms[0], "REGEXP_LIKE")
    return Term(f"regexp_matches({text}, {terms[1]})" if engine == "duckdb" else f"{text} ~ {terms[1]}", "condition")


def _compiles(pattern: str) -> bool:
    try:
        re.compile(pattern)
    except re.error:
        return False
    return True


# --- Date masks -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Element:
    pattern: str
    strftime: str


_MASKS = {
    "YYYY": _Element(r"(?P<year>\d{4})", "%Y"),
    "MM": _Element(r"(?P<month>\d{2})", "%m"),
    "DD": _Element(r"(?P<day>\d{2})", "%d"),
    "HH24": _Element(r"(?P<hour>\d{2})", "%H"),
    "MI": _Element(r"(?P<minute>\d{2})", "%M"),
    "SS": _Element(r"(?P<second>\d{2})", "%S"),
    "FF3": _Element(r"(?P<fraction>\d{1,3})", "%g"),
    "FF6": _Element(r"(?P<fraction>\d{1,6})", "%f"),
}
_ELEMENT = re.compile(r"YYYY|MM|DD|HH24|MI|SS|FF3|FF6|[-/.,;: ]|\"[^\"]*\"", re.IGNORECASE)


def _elements(mask: str) -> list[str]:
    """Mask elements in upper case, text between quotes without them."""
    found, at = [], 0
    while at < len(mask):
        match = _ELEMENT.match(mask, at)
        if match is None or (match[0].upper() == "DD" and mask[match.end() : match.end() + 1].upper() == "D"):
            raise NotPortable("a date mask", f"{mask!r}: only YYYY MM DD HH24 MI SS FF3 FF6 and separators are")
        found.append(match[0][1:-1] if match[0].startswith('"') else match[0].upper())
        at = match.end()
    return found


def _strftime(mask: str) -> str:
    return "".join(
        _MASKS[element].strftime if element in _MASKS else element.replace("%", "%%") for element in _elements(mask)
    )


def _to_char(terms: Sequence[Term], engine: Engine) -> Term:
    mask = terms[1].literal if len(terms) > 1 and terms[1].kind == "text" else None
    if mask is None:
        raise NotPortable("TO_CHAR without a date mask", "its text depends on the type, or on the session")
    elements = _elements(mask)
    if terms[0].kind in ("date", "day") and {"FF3", "FF6"} & set(elements):
        raise NotPortable("TO_CHAR of a DATE with FF", "Oracle refuses it: ORA-01821")
    date = _date(terms[0], "TO_CHAR")
    sql = (
        f"strftime({date}, {_text_literal(_strftime(mask))})" if engine == "duckdb" else f"to_char({date}, {terms[1]})"
    )
    return Term(sql, "text")


def _to_date(terms: Sequence[Term], engine: Engine) -> Term:
    return _parsed_date(terms, engine, "TO_DATE")


def _to_timestamp(terms: Sequence[Term], engine: Engine) -> Term:
    return _parsed_date(terms, engine, "TO_TIMESTAMP")


def _parsed_date(terms: Sequence[Term], engine: Engine, name: str) -> Term:
    """Text as a date, the time of day kept. What a mask leaves out Oracle takes from today: refused."""
    if len(terms) < 2 or not terms[1].literal or terms[1].kind != "text":
        raise NotPortable(f"{name} without a mask", "the session's format is unknown here")
    mask, elements = terms[1].literal, [e for e in _elements(terms[1].literal) if e in _MASKS]
    if not {"YYYY", "MM"} <= set(elements) or len(set(elements)) < len(elements):
        raise NotPortable("a date mask", f"{mask!r}: it needs YYYY and MM, each element once")
    if name == "TO_DATE" and {"FF3", "FF6"} & set(elements):
        raise NotPortable("TO_DATE with FF", "Oracle refuses it: ORA-01821")
    has_time = {"HH24", "MI", "SS"} & set(elements)
    kind: Kind = "timestamp" if name == "TO_TIMESTAMP" else "date" if has_time else "day"
    if terms[0].literal and terms[0].kind == "text":
        return _moment(terms[0].literal, mask, kind)
    if terms[0].kind == "null":
        return Term("CAST(NULL AS TIMESTAMP)", kind)
    if engine == "postgresql":
        raise NotPortable(f"{name} of a column", "PostgreSQL's goes through a time zone")
    return Term(f"strptime({_text(terms[0], name)}, {_text_literal(_strftime(mask))})", kind)


# Fewest and most arguments, and the writer.
FUNCTIONS: dict[str, tuple[int, int, Callable[[Sequence[Term], Engine], Term]]] = {
    "NVL": (2, 2, _nvl),
    "COALESCE": (2, 255, _nvl),
    "NVL2": (3, 3, _nvl2),
    "DECODE": (3, 255, _decode),
    "NULLIF": (2, 2, _nullif),
    "GREATEST": (1, 255, _extreme("GREATEST")),
    "LEAST": (1, 255, _extreme("LEAST")),
    "UPPER": (1, 1, _upper),
    "LOWER": (1, 1, _lower),
    "INITCAP": (1, 1, _initcap),
    "LENGTH": (1, 1, _length),
    "SUBSTR": (2, 3, _substr),
    "INSTR": (2, 4, _instr),
    "LTRIM": (1, 2, _side_trim("ltrim")),
    "RTRIM": (1, 2, _side_trim("rtrim")),
    "LPAD": (2, 3, _pad("lpad")),
    "RPAD": (2, 3, _pad("rpad")),
    "REPLACE": (2, 3, _replace),
    "CONCAT": (2, 2, _concat),
    "REGEXP_LIKE": (2, 3, _regexp_like),
    "TRUNC": (1, 2, _trunc),
    "ROUND": (1, 2, _round),
    "CEIL": (1, 1, _plain_number("ceil")),
    "FLOOR": (1, 1, _plain_number("floor")),
    "ABS": (1, 1, _plain_number("abs")),
    "SIGN": (1, 1, _plain_number("sign")),
    "MOD": (2, 2, _mod),
    "ADD_MONTHS": (2, 2, _add_months),
    "LAST_DAY": (1, 1, _last_day),
    "TO_CHAR": (1, 2, _to_char),
    "TO_DATE": (1, 2, _to_date),
    "TO_TIMESTAMP": (1, 2, _to_timestamp),
    "TO_NUMBER": (1, 1, _to_number),
}

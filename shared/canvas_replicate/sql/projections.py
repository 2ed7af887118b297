"""Which columns of a table a view shows as they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from canvas_replicate.sql.tables_read import bare

if TYPE_CHECKING:
    from sqlglot import exp

_DIALECTS = {"duckdb": "duckdb", "postgresql": "postgres", "oracle": "oracle"}
# Any other clause may show other rows than the table has. An order changes none.
_HARMLESS = {"kind", "hint", "expressions", "from_", "order"}
_NAMING = {"this", "db", "catalog", "alias"}


def find_projected(
    query: str,
    shown: Sequence[str],
    table: str,
    columns: Sequence[str],
    engine: Literal["duckdb", "postgresql", "oracle"],
) -> dict[str, str]:
    """The ``columns`` of ``table`` that a view shows as they are, each with its name in the view.

    ``query`` makes the view, whose columns are ``shown``, in order: a view may name them other than its query does.
    Empty for a view that is no plain ``SELECT columns FROM table``, and for a query that cannot be read.
    """
    from sqlglot import exp, parse_one  # the parser is costly to import
    from sqlglot.errors import SqlglotError

    try:
        select = parse_one(query.rstrip().rstrip(";"), dialect=_DIALECTS[engine])
    except (SqlglotError, RecursionError):
        return {}
    if not isinstance(select, exp.Select) or _has_other(select, _HARMLESS) or select.args.get("from_") is None:
        return {}
    read = select.args["from_"].this
    alias = read.args.get("alias")
    if not isinstance(read, exp.Table) or _has_other(read, _NAMING) or (alias and alias.args.get("columns")):
        return {}
    if read.name.lower() != bare(table):
        return {}
    selected: list[str | None] = []
    for column in select.expressions:
        selected += columns if _is_star(column) else [_find_name(column)]
    if len(selected) != len(shown):
        return {}
    return {name: view for name, view in zip(selected, shown, strict=True) if name is not None and name in columns}


def _has_other(node: exp.Expr, known: set[str]) -> bool:
    return any(value and key not in known for key, value in node.args.items())


def _is_star(column: exp.Expr) -> bool:
    from sqlglot import exp

    star = column.this if isinstance(column, exp.Column) else column
    return isinstance(star, exp.Star) and not any(star.args.values())


def _find_name(column: exp.Expr) -> str | None:
    """The name of the table's column that is selected as it is."""
    from sqlglot import exp

    plain = column.unalias()
    return plain.name.lower() if isinstance(plain, exp.Column) and isinstance(plain.this, exp.Identifier) else None

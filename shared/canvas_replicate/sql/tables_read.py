"""Which tables and views a query reads, so that a push is tied to the loads that it depends on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from canvas_replicate.errors import ConfigError
from canvas_replicate.sql.syntax_error import SqlSyntaxError

if TYPE_CHECKING:
    from sqlglot import exp


def tables_read(query: str) -> frozenset[str]:
    """Names in lower case, without schema, of every table and view that an Oracle query reads, at any depth.

    Left out: the names of its WITH clauses where they hide a table, DUAL, functions that return rows, and tables
    behind a database link. Raises ConfigError for a text that cannot be read.
    """
    # The parser is costly to import, and most commands read no SQL.
    from sqlglot import exp
    from sqlglot.dialects.oracle import Oracle
    from sqlglot.errors import ParseError

    from canvas_replicate.sql.syntax import tokenize

    try:
        tokens = tokenize(query)
        trees = Oracle().parser().parse(tokens, query) if tokens else []
    except (SqlSyntaxError, ParseError, RecursionError):
        text = "The SQL cannot be read, so its tables are unknown."
        raise ConfigError(text, code="sql.syntax", next_step="See what is wrong with it: replicate check") from None
    found = (table for tree in trees if tree is not None for table in tree.find_all(exp.Table))
    return frozenset(table.name.lower() for table in found if _is_stored(table))


def bare(name: str) -> str:
    """A table's name as ``tables_read`` gives it: lower case, without its schema."""
    return name.rpartition(".")[2].lower()


def _is_stored(table: exp.Table) -> bool:
    from sqlglot import exp

    if not isinstance(table.this, exp.Identifier) or ("@" in table.name and not table.this.quoted):
        return False
    return table.name.lower() != "dual" and not (not table.db and _is_subquery_name(table))


def _is_subquery_name(table: exp.Table) -> bool:
    """A WITH clause names a subquery for its own query, for itself and for the subqueries after it, not before it.

    Oracle SQL Language Reference, SELECT, subquery_factoring_clause.
    """
    inside: set[int] = set()
    node: exp.Expr | None = table
    while node is not None:
        inside.add(id(node))
        clause = node.args.get("with_")
        for subquery in clause.expressions if clause else ():
            if subquery.alias.lower() == table.name.lower():
                return True
            if id(subquery) in inside:
                break
        node = node.parent
    return False

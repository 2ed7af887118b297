"""The keys of base tables: kept in a table's comment, and checked by every load.

DuckDB's own keys are kept in memory, 40 MB and more per million rows, and replacing a table's rows under one takes
four times as long.
"""

from __future__ import annotations

import re
from dataclasses import replace

import duckdb

from canvas_replicate.errors import DataError
from canvas_replicate.names import quote_name
from canvas_replicate.sql.ddl import TableDdl, write_table


def write_base_table(table: TableDdl, schema: str) -> list[str]:
    """The statements that make a base table without indexes, its keys in its comment."""
    statements = write_table(replace(table, key=(), unique=()), schema, "duckdb")
    keys = "; ".join(f"UNIQUE ({', '.join(columns)})" for columns in (table.key, *table.unique) if columns)
    if keys:
        statements.append(f"COMMENT ON TABLE {quote_name(schema, table.name)} IS '{keys}'")
    return statements


def refuse_duplicates(cursor: duckdb.DuckDBPyConnection, name: str, comment: str) -> None:
    """Raises DataError when two rows have the same key, of those in the table's ``comment``. As in Oracle, rows that
    are NULL in all of it do not count.
    """
    for key in re.findall(r"UNIQUE \(([a-z0-9_$#, ]+)\)", comment):
        columns = ", ".join(f'"{column}"' for column in key.split(", "))
        some_value = " OR ".join(f'"{column}" IS NOT NULL' for column in key.split(", "))
        same = f"SELECT 1 FROM {name} WHERE {some_value} GROUP BY {columns} HAVING count(*) > 1 LIMIT 1"
        if cursor.execute(same).fetchone():
            problem = f"{name}: rows that have the same {key}, which must be unique."
            step = f"Find them in the source: GROUP BY {key} HAVING COUNT(*) > 1"
            raise DataError(problem, code="load.duplicate", next_step=step)

"""Reads Oracle's CREATE statements, as in ``ddl/<table>.sql``, and writes them for other engines.

It reads tables, views, materialized views and unique indexes. It leaves out what only Oracle can mean (grants,
comments, storage clauses, other indexes), and refuses what would change the content and cannot be carried over.
"""

from canvas_replicate.sql.ddl.model import Ddl, TableDdl, ViewDdl
from canvas_replicate.sql.ddl.objects import Statement, objects
from canvas_replicate.sql.ddl.reading import parse_ddl
from canvas_replicate.sql.ddl.writing import table_sql

__all__ = ["Ddl", "Statement", "TableDdl", "ViewDdl", "objects", "parse_ddl", "table_sql"]

"""A table's ``ddl/<table>.sql``: Oracle's CREATE statements read, and made again for other engines.

Read are tables, views, materialized views and unique indexes. What only Oracle can mean (grants, comments, storage
clauses, other indexes) is left out; what would change the content, but is not carried over, is refused.
"""

from canvas_replicate.sql.ddl.model import Ddl, TableDdl, ViewDdl
from canvas_replicate.sql.ddl.objects import Statement, objects
from canvas_replicate.sql.ddl.reading import parse_ddl
from canvas_replicate.sql.ddl.writing import table_sql

__all__ = ["Ddl", "Statement", "TableDdl", "ViewDdl", "objects", "parse_ddl", "table_sql"]

"""A table's ddl file: base table, view, key and grants; and whether an existing file has exactly that form."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from canvas_replicate.cli.scaffold.names import Names, strip_schema
from canvas_replicate.datfile.columns import Column
from canvas_replicate.errors import ConfigError, Place
from canvas_replicate.sql.ddl import parse_ddl

_TABLE = "-- Every load replaces the rows whole.\n"
_VIEW = (
    "-- What people read, refreshed only after a load is verified. In another schema than the base table, its owner\n"
    "-- needs SELECT on the base table, granted directly and not through a role.\n"
)
_INDEX = "-- PostgreSQL refreshes a view while people read it only if it has such an index.\n"
_GRANT = re.compile(r"GRANT SELECT ON \S+ TO (\S+)")
_AS_CLOB = ("LONG", "XMLTYPE")
_NATIONAL = re.compile(r"(NVARCHAR2|NCHAR)\((\d+) CHAR\)")


@dataclass(frozen=True)
class DdlParts:
    """``header`` are the comment lines at the file's start; ``key`` may be empty."""

    names: Names
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ()
    grants: tuple[str, ...] = ()
    header: str = ""


def format_ddl(parts: DdlParts) -> str:
    sections = [parts.header, f"{_TABLE}{_format_table(parts)};\n", f"{_VIEW}{_format_view(parts)};\n"]
    if parts.key:
        sections.append(f"{_INDEX}{_format_index(parts)};\n")
    sections.append("".join(f"{grant};\n" for grant in _format_grants(parts)))
    return "\n".join(section for section in sections if section)


def list_view_statements(parts: DdlParts) -> list[str]:
    """The statements that create the view, its index and its grants."""
    return [_format_view(parts), *([_format_index(parts)] if parts.key else []), *_format_grants(parts)]


def get_base_type(column: Column) -> str:
    """The type in a base table: as in the source, except LONG and XML, which become CLOB."""
    if column.type in _AS_CLOB:
        return "CLOB"
    return _NATIONAL.sub(r"\1(\2)", column.type)  # national types count characters; Oracle refuses the word CHAR there


def read_parts(text: str, file: Path, names: Names) -> DdlParts | None:
    """The parts from which ``format_ddl`` makes exactly this text; None for a file with anything else.

    Raises ConfigError as ``parse_ddl`` does.
    """
    found = parse_ddl(text, file)
    if len(found.tables) != 1:
        return None
    table = found.tables[0]
    granted = [_GRANT.fullmatch(statement) for statement in found.ignored]
    header = re.match(r"(?:--[^\n]*\n)*", text)
    comment = header[0] if header and not text.startswith(_TABLE) else ""
    parts = DdlParts(names, table.columns, table.key, tuple(match[1] for match in granted if match), comment)
    return parts if format_ddl(parts) == text else None


def read_columns(text: str, file: Path, base_table: str) -> tuple[Column, ...]:
    """Raises ConfigError for a file that does not create the base table."""
    wanted = strip_schema(base_table)
    for table in parse_ddl(text, file).tables:
        if table.name == wanted:
            return table.columns
    step = "Give the table there the name that tablesconf.yaml has."
    raise ConfigError(f"no CREATE TABLE {wanted} in it.", place=Place(file), next_step=step)


def refuse_key(key: Sequence[str], columns: Sequence[Column], *, for_oracle: bool) -> None:
    """Raises ConfigError for a key that the columns cannot have."""
    by_name = {column.name: column for column in columns}
    for name in key:
        if name not in by_name:
            step = f"The columns are: {', '.join(by_name)}."
            raise ConfigError(f"--key: there is no column {name!r} in the query.", next_step=step)
        if for_oracle and by_name[name].kind in ("text", "raw") and by_name[name].length is None:
            step = "Shorten it with a query of your own (CAST(x AS VARCHAR2(n CHAR)) AS x): --query FILE"
            raise ConfigError(f"column {name} is a {by_name[name].type}: Oracle makes no key of it.", next_step=step)


def _format_table(parts: DdlParts) -> str:
    width = max(len(column.name) for column in parts.columns)
    lines = []
    for column in parts.columns:
        required = "" if column.nullable and column.name not in parts.key else " NOT NULL"
        lines.append(f"  {column.name:{width}} {get_base_type(column)}{required}")
    if parts.key:
        lines.append(f"  CONSTRAINT {parts.names.key_constraint} PRIMARY KEY ({', '.join(parts.key)})")
    return f"CREATE TABLE {parts.names.base_table} (\n" + ",\n".join(lines) + "\n)"


def _format_view(parts: DdlParts) -> str:
    columns = ",\n       ".join(column.name for column in parts.columns)
    return (
        f"CREATE MATERIALIZED VIEW {parts.names.view}\n  BUILD IMMEDIATE\n  REFRESH COMPLETE ON DEMAND\nAS\n"
        f"SELECT {columns}\n  FROM {parts.names.base_table}"
    )


def _format_index(parts: DdlParts) -> str:
    return f"CREATE UNIQUE INDEX {parts.names.view_index} ON {parts.names.view} ({', '.join(parts.key)})"


def _format_grants(parts: DdlParts) -> list[str]:
    return [f"GRANT SELECT ON {parts.names.view} TO {role}" for role in parts.grants]

"""Reads Oracle's CREATE statements; refuses what would change the content outside Oracle."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, NoReturn

from canvas_replicate.datfile.columns import Column, column_from_oracle_type
from canvas_replicate.errors import ConfigError, Place
from canvas_replicate.sql.ddl.model import Ddl, Statement, TableDdl, ViewDdl
from canvas_replicate.sql.ddl.tokens import Reader, Source, split_statements
from canvas_replicate.sql.syntax import check_query
from canvas_replicate.sql.syntax_error import SqlSyntaxError, position

# The tokenizer makes one word of PRIMARY KEY and of FOREIGN KEY.
_TABLE_CONSTRAINTS = {"CONSTRAINT", "PRIMARY", "PRIMARY KEY", "UNIQUE", "CHECK", "FOREIGN", "FOREIGN KEY"}
_ENDS_TYPE = {
    *(",", ")", "NOT", "NULL", "CONSTRAINT", "PRIMARY", "PRIMARY KEY"),
    *("UNIQUE", "CHECK", "REFERENCES", "DEFAULT", "GENERATED", "COLLATE"),
}
_STATE = {"ENABLE", "VALIDATE", "RELY"}


def read_ddl(text: str, file: Path) -> Ddl:
    source = Source(text, file)
    found = _Found()
    for statement in split_statements(source):
        _read_statement(Reader(source, statement), found)
    tables = tuple(_find_key(table) for table in found.tables.values())
    return Ddl(tables, tuple(found.views.values()), tuple(found.ignored))


@dataclass
class _Found:
    tables: dict[str, TableDdl] = field(default_factory=dict)
    views: dict[str, ViewDdl] = field(default_factory=dict)
    ignored: list[str] = field(default_factory=list)


def _read_statement(reader: Reader, found: _Found) -> None:
    first = reader.peek_word()
    if first in ("GRANT", "COMMENT"):
        found.ignored.append(reader.join_statement())
        return
    if not reader.take("CREATE"):
        reader.refuse(
            f"{first or reader.peek_token().text} is not read from a ddl file.",
            "Keep to CREATE TABLE, CREATE [MATERIALIZED] VIEW, CREATE [UNIQUE] INDEX, COMMENT ON and GRANT.",
        )
    reader.take("OR", "REPLACE")
    if reader.take("TABLE"):
        _read_table(reader, found)
    elif reader.take("MATERIALIZED", "VIEW"):
        _read_view(reader, found, materialized=True)
    elif _take_view(reader):
        _read_view(reader, found, materialized=False)
    elif reader.take("UNIQUE", "INDEX"):
        _read_unique_index(reader, found)
    elif reader.take("INDEX"):
        found.ignored.append(reader.join_statement())
    else:
        reader.refuse(f"CREATE {reader.peek_word()} is not read from a ddl file.")


def _take_view(reader: Reader) -> bool:
    for word in ("NO", "FORCE", "EDITIONABLE", "NONEDITIONABLE"):
        reader.take(word)
    return reader.take("VIEW")


@dataclass
class _Table:
    columns: list[Column] = field(default_factory=list)
    primary: tuple[str, ...] = ()
    unique: list[tuple[str, ...]] = field(default_factory=list)


def _read_table(reader: Reader, found: _Found) -> None:
    schema, name = reader.read_qualified_name()
    if name in found.tables:
        reader.refuse(f"Table {name} is created twice.")
    table = _Table()
    reader.expect("(")
    while True:
        if reader.peek_word() in _TABLE_CONSTRAINTS:
            _read_table_constraint(reader, table)
        else:
            _read_column(reader, table)
        if not reader.take(","):
            break
    reader.expect(")")
    _skip_storage(reader)
    columns = {column.name: column for column in table.columns}
    for missing in {*table.primary, *(name for names in table.unique for name in names)} - set(columns):
        reader.refuse(f"Table {name} has no column {missing}, which a constraint names.")
    columns |= {name: replace(columns[name], nullable=False) for name in table.primary}
    found.tables[name] = TableDdl(schema, name, tuple(columns.values()), table.primary, tuple(table.unique))


def _skip_storage(reader: Reader) -> None:
    """TABLESPACE, PCTFREE, LOGGING and their like mean nothing elsewhere; AS SELECT would."""
    reader.skip_to("AS")
    if not reader.is_done():
        reader.refuse("CREATE TABLE … AS SELECT is not read from a ddl file.", "Write the columns.")


def _read_column(reader: Reader, table: _Table) -> None:
    at = reader.peek_token()
    name = reader.read_name()
    if any(column.name == name for column in table.columns):
        reader.source.refuse(at, f"Column {name} is declared twice.")
    start = reader.at
    reader.skip_to(*_ENDS_TYPE)
    declared = reader.read_text(start, reader.at)
    if not declared:
        reader.refuse(f"Column {name} has no type.")
    try:
        column = _check_column(column_from_oracle_type(name, declared))
    except ValueError as error:
        reader.source.refuse(reader.tokens[start], f"Column {name}: {error}.")
    table.columns.append(column)
    while reader.peek_word() not in (",", ")") and not reader.is_done():
        _read_inline_constraint(reader, table, name)


def _check_column(column: Column) -> Column:
    if column.kind == "number" and not 1 <= (column.precision or 38) <= 38:
        raise ValueError(f"{column.type} has a precision that Oracle does not have (1 to 38)")
    if column.kind.startswith("timestamp") and (column.precision or 0) > 9:
        raise ValueError(f"{column.type} has more than 9 digits")
    return column


def _read_inline_constraint(reader: Reader, table: _Table, name: str) -> None:
    if reader.take("CONSTRAINT"):
        reader.read_name()
    if reader.take("NOT", "NULL"):
        table.columns[-1] = replace(table.columns[-1], nullable=False)
    elif reader.take("PRIMARY", "KEY"):
        _set_primary(reader, table, (name,))
    elif reader.take("UNIQUE"):
        table.unique.append((name,))
    elif not reader.take("NULL"):
        _refuse_constraint(reader)
    _skip_state(reader)


def _read_table_constraint(reader: Reader, table: _Table) -> None:
    if reader.take("CONSTRAINT"):
        reader.read_name()
    if reader.take("PRIMARY", "KEY"):
        _set_primary(reader, table, reader.read_names())
    elif reader.take("UNIQUE"):
        table.unique.append(reader.read_names())
    else:
        _refuse_constraint(reader)
    _skip_state(reader)


def _set_primary(reader: Reader, table: _Table, columns: tuple[str, ...]) -> None:
    if table.primary:
        reader.refuse("A table has one primary key.")
    table.primary = columns


def _refuse_constraint(reader: Reader) -> NoReturn:
    word = reader.peek_word() or str(reader.peek_token().text)
    reader.refuse(
        f"{word} is not carried over to other databases.",
        "Only NOT NULL, PRIMARY KEY and UNIQUE are: leave it out, the source has already enforced it.",
    )


def _skip_state(reader: Reader) -> None:
    """ENABLE and USING INDEX …; a constraint that is not enforced is not one."""
    while reader.peek_word() in _STATE or reader.peek_word() == "USING":
        if reader.take("USING"):
            reader.skip_to(",", ")")
        else:
            reader.at += 1


def _read_view(reader: Reader, found: _Found, *, materialized: bool) -> None:
    schema, name = reader.read_qualified_name()
    if name in found.views:
        reader.refuse(f"View {name} is created twice.")
    if reader.peek_word() == "(":
        reader.refuse(
            f"View {name} has a column list, which is not read.", "Name the columns in its query: SELECT x AS name."
        )
    if materialized:
        reader.skip_to("AS")
    reader.expect("AS")
    if reader.is_done():
        reader.refuse(f"View {name} has no query.")
    found.views[name] = ViewDdl(schema, name, _read_query(reader))


def _read_query(reader: Reader) -> str:
    """The rest of the statement, as written, WITH READ ONLY left out."""
    end = len(reader.tokens)
    if [str(token.text).upper() for token in reader.tokens[-3:]] == ["WITH", "READ", "ONLY"]:
        end -= 3
    query = reader.read_text(reader.at, end)
    try:
        check_query(query)
    except SqlSyntaxError as error:
        line, column = position(reader.source.text, reader.peek_token().start)
        here = Place(reader.source.file, line + error.line - 1, error.column + (column - 1 if error.line == 1 else 0))
        raise ConfigError(error.message, place=here, code="ddl", next_step=error.suggestion) from None
    return query


def _read_unique_index(reader: Reader, found: _Found) -> None:
    reader.read_qualified_name()
    reader.expect("ON")
    at = reader.peek_token()
    _, name = reader.read_qualified_name()
    columns = reader.read_names()
    if name in found.views:
        view = found.views[name]
        found.views[name] = replace(view, key=view.key or columns)
    elif name in found.tables:
        table = found.tables[name]
        for missing in set(columns) - {column.name for column in table.columns}:
            reader.source.refuse(at, f"Table {name} has no column {missing}, which the index names.")
        found.tables[name] = replace(table, unique=(*table.unique, columns))
    else:
        reader.source.refuse(at, f"{name} is not created in this file, above its index.")


def _find_key(table: TableDdl) -> TableDdl:
    unique = [columns for columns in dict.fromkeys(table.unique) if columns != table.key]
    if table.key:
        return replace(table, unique=tuple(unique))
    required = {column.name for column in table.columns if not column.nullable}
    key = next((columns for columns in unique if required.issuperset(columns)), ())
    return replace(table, key=key, unique=tuple(columns for columns in unique if columns != key))


def read_statements(text: str, file: Path) -> list[Statement]:
    source = Source(text, file)
    return [_read_object(Reader(source, tokens)) for tokens in split_statements(source)]


def _read_object(reader: Reader) -> Statement:
    sql = reader.read_text(0, len(reader.tokens))
    if reader.take("GRANT"):
        return _read_subject("grant", reader, sql)
    if reader.take("COMMENT"):
        return _read_subject("comment", reader, sql)
    if not reader.take("CREATE"):
        return Statement("other", None, "", sql)
    reader.take("OR", "REPLACE")
    if reader.take("TABLE"):
        return Statement("table", *reader.read_qualified_name(), sql)
    if reader.take("MATERIALIZED", "VIEW"):
        return Statement("materialized view", *reader.read_qualified_name(), sql)
    if reader.take("VIEW"):
        return Statement("view", *reader.read_qualified_name(), sql)
    reader.take("UNIQUE")
    if reader.take("INDEX"):
        return Statement("index", *reader.read_qualified_name(), sql)
    return Statement("other", None, "", sql)


def _read_subject(kind: Literal["grant", "comment"], reader: Reader, sql: str) -> Statement:
    reader.skip_to("ON")
    for words in (("ON",), ("TABLE",), ("COLUMN",), ("MATERIALIZED", "VIEW")):
        reader.take(*words)
    return Statement(kind, None, "", sql) if reader.is_done() else Statement(kind, *reader.read_qualified_name(), sql)

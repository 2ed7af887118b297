"""A table's ``ddl/<table>.sql``: Oracle's CREATE statements read, and made again for other engines.

Read are tables, views, materialized views and unique indexes. What only Oracle can mean (grants, comments, storage
clauses, other indexes) is left out; what would change the content, but is not carried over, is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NoReturn

from sqlglot.tokenizer_core import Token, TokenType

from canvas_replicate.columns import Column, column_from_oracle_type
from canvas_replicate.databases.oracle_sql import Engine
from canvas_replicate.databases.oracle_syntax import SqlSyntaxError, check_query, position, tokenize
from canvas_replicate.errors import ConfigError, Place

_NAME = re.compile(r"[a-z][a-z0-9_$#]*")
_ENDS_TYPE = {
    "NOT",
    "NULL",
    "CONSTRAINT",
    "PRIMARY",
    "UNIQUE",
    "CHECK",
    "REFERENCES",
    "DEFAULT",
    "GENERATED",
    "COLLATE",
}
_TABLE_CONSTRAINTS = {"CONSTRAINT", "PRIMARY", "UNIQUE", "CHECK", "FOREIGN"}
_STATE = {"ENABLE", "VALIDATE", "RELY"}


@dataclass(frozen=True)
class TableDdl:
    """``key`` is the primary key; without one, the first unique set of columns that are all NOT NULL.

    ``unique`` holds the other sets of columns that are declared UNIQUE, by a constraint or an index.
    """

    schema: str | None
    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    unique: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True)
class ViewDdl:
    """A view or materialized view; ``key`` are the columns of its first unique index."""

    schema: str | None
    name: str
    query: str
    key: tuple[str, ...] = ()


@dataclass(frozen=True)
class Ddl:
    """``ignored`` are statements without meaning outside Oracle, on one line each."""

    tables: tuple[TableDdl, ...]
    views: tuple[ViewDdl, ...]
    ignored: tuple[str, ...]


def parse_ddl(text: str, file: Path) -> Ddl:
    """Raises ConfigError, placed, for what is wrong or would be lost outside Oracle."""
    source = _Source(text, file)
    found = _Found()
    for statement in _statements(source):
        _read_statement(_Reader(source, statement), found)
    tables = tuple(_with_key(table) for table in found.tables.values())
    return Ddl(tables, tuple(found.views.values()), tuple(found.ignored))


@dataclass(frozen=True)
class _Source:
    text: str
    file: Path

    def refuse(self, token: Token, message: str, next_step: str = "") -> NoReturn:
        raise ConfigError(
            message, place=Place(self.file, *position(self.text, token.start)), code="ddl", next_step=next_step
        )


@dataclass
class _Found:
    tables: dict[str, TableDdl] = field(default_factory=dict)
    views: dict[str, ViewDdl] = field(default_factory=dict)
    ignored: list[str] = field(default_factory=list)


class _Reader:
    """Walks over the tokens of one statement."""

    def __init__(self, source: _Source, tokens: Sequence[Token]) -> None:
        self.source = source
        self.tokens = tokens
        self.at = 0

    def word(self, ahead: int = 0) -> str:
        """In upper case; empty at the end, and for texts and quoted names."""
        at = self.at + ahead
        if at >= len(self.tokens) or self.tokens[at].token_type in (TokenType.STRING, TokenType.IDENTIFIER):
            return ""
        return str(self.tokens[at].text).upper()

    def token(self) -> Token:
        return self.tokens[min(self.at, len(self.tokens) - 1)]

    def done(self) -> bool:
        return self.at >= len(self.tokens)

    def take(self, *words: str) -> bool:
        """Step over these words, if they are next. sqlglot makes one token of some pairs: ``PRIMARY KEY``."""
        at, rest = self.at, " ".join(words)
        while rest and at < len(self.tokens):
            token = self.word(at - self.at)
            if not token or not f"{rest} ".startswith(f"{token} "):
                return False
            rest, at = rest[len(token) :].strip(), at + 1
        if rest:
            return False
        self.at = at
        return True

    def expect(self, word: str) -> None:
        if not self.take(word):
            self.refuse(f"Expected {word} here, found {self._shown()}.")

    def name(self) -> str:
        token = self.token()
        quoted = token.token_type == TokenType.IDENTIFIER
        name = str(token.text)
        folded = name.lower()
        if self.done() or not _NAME.fullmatch(folded) or (quoted and name != name.upper()):
            self.refuse(
                f"{self._shown()} cannot be a name here.",
                "Use letters, digits, _ $ #, starting with a letter; without mixed case in quotes.",
            )
        self.at += 1
        return folded

    def qualified_name(self) -> tuple[str | None, str]:
        first = self.name()
        return (first, self.name()) if self.take(".") else (None, first)

    def names(self) -> tuple[str, ...]:
        self.expect("(")
        names = [self.name()]
        while self.take(","):
            names.append(self.name())
        self.expect(")")
        return tuple(names)

    def skip_parentheses(self) -> None:
        """Over one balanced pair, if it opens here."""
        depth = 0
        while not self.done():
            depth += (self.word() == "(") - (self.word() == ")")
            if depth == 0:
                if self.word() == ")":
                    self.at += 1
                return
            self.at += 1

    def text(self, start: int, end: int) -> str:
        """The source from one token up to another, which is not included."""
        tokens = self.tokens[start:end]
        return self.source.text[tokens[0].start : tokens[-1].end + 1] if tokens else ""

    def refuse(self, message: str, next_step: str = "") -> NoReturn:
        self.source.refuse(self.token(), message, next_step)

    def _shown(self) -> str:
        return "the end" if self.done() else repr(str(self.token().text))


def _statements(source: _Source) -> Iterator[list[Token]]:
    """Split at ``;`` and at lines that hold nothing but ``/``."""
    try:
        tokens = tokenize(source.text)
    except SqlSyntaxError as error:
        place = Place(source.file, error.line, error.column)
        raise ConfigError(error.message, place=place, code="ddl", next_step=error.suggestion) from None
    lines = source.text.splitlines()
    statement: list[Token] = []
    for token in tokens:
        line = position(source.text, token.start)[0]
        ends = token.token_type == TokenType.SEMICOLON or (token.text == "/" and lines[line - 1].strip() == "/")
        if not ends:
            statement.append(token)
        elif statement:
            yield statement
            statement = []
    if statement:
        yield statement


def _read_statement(reader: _Reader, found: _Found) -> None:
    first = reader.word()
    if first in ("GRANT", "COMMENT"):
        found.ignored.append(" ".join(reader.text(0, len(reader.tokens)).split()))
        return
    if not reader.take("CREATE"):
        reader.refuse(
            f"{first or reader.token().text} is not read from a ddl file.",
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
        found.ignored.append(" ".join(reader.text(0, len(reader.tokens)).split()))
    else:
        reader.refuse(f"CREATE {reader.word()} is not read from a ddl file.")


def _take_view(reader: _Reader) -> bool:
    for word in ("NO", "FORCE", "EDITIONABLE", "NONEDITIONABLE"):
        reader.take(word)
    return reader.take("VIEW")


# --- Tables -------------------------------------------------------------------------------------------------------


@dataclass
class _Table:
    columns: list[Column] = field(default_factory=list)
    primary: tuple[str, ...] = ()
    unique: list[tuple[str, ...]] = field(default_factory=list)


def _read_table(reader: _Reader, found: _Found) -> None:
    schema, name = reader.qualified_name()
    if name in found.tables:
        reader.refuse(f"Table {name} is created twice.")
    table = _Table()
    reader.expect("(")
    while True:
        if reader.word() in _TABLE_CONSTRAINTS or reader.word().startswith(("PRIMARY ", "FOREIGN ")):
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


def _skip_storage(reader: _Reader) -> None:
    """TABLESPACE, PCTFREE, LOGGING and their like mean nothing elsewhere; AS SELECT would."""
    while not reader.done():
        if reader.word() == "AS":
            reader.refuse("CREATE TABLE … AS SELECT is not read from a ddl file.", "Write the columns.")
        if reader.word() == "(":
            reader.skip_parentheses()
        else:
            reader.at += 1


def _read_column(reader: _Reader, table: _Table) -> None:
    at = reader.token()
    name = reader.name()
    if any(column.name == name for column in table.columns):
        reader.source.refuse(at, f"Column {name} is declared twice.")
    start = reader.at
    while not reader.done() and reader.word() not in (",", ")", *_ENDS_TYPE) and not _key_word(reader):
        if reader.word() == "(":
            reader.skip_parentheses()
        else:
            reader.at += 1
    declared = reader.text(start, reader.at)
    if not declared:
        reader.refuse(f"Column {name} has no type.")
    try:
        column = _checked(column_from_oracle_type(name, declared))
    except ValueError as error:
        reader.source.refuse(reader.tokens[start], f"Column {name}: {error}.")
    table.columns.append(column)
    while reader.word() not in (",", ")") and not reader.done():
        _read_inline_constraint(reader, table, name)


def _key_word(reader: _Reader) -> bool:
    return reader.word().startswith("PRIMARY ")


def _checked(column: Column) -> Column:
    if column.kind == "number" and not 1 <= (column.precision or 38) <= 38:
        raise ValueError(f"{column.type} has a precision that Oracle does not have (1 to 38)")
    if column.kind.startswith("timestamp") and (column.precision or 0) > 9:
        raise ValueError(f"{column.type} has more than 9 digits")
    return column


def _read_inline_constraint(reader: _Reader, table: _Table, name: str) -> None:
    if reader.take("CONSTRAINT"):
        reader.name()
    if reader.take("NOT", "NULL"):
        table.columns[-1] = replace(table.columns[-1], nullable=False)
    elif reader.take("PRIMARY", "KEY"):
        _set_primary(reader, table, (name,))
    elif reader.take("UNIQUE"):
        table.unique.append((name,))
    elif not reader.take("NULL"):
        _refuse_constraint(reader)
    _skip_state(reader)


def _read_table_constraint(reader: _Reader, table: _Table) -> None:
    if reader.take("CONSTRAINT"):
        reader.name()
    if reader.take("PRIMARY", "KEY"):
        _set_primary(reader, table, reader.names())
    elif reader.take("UNIQUE"):
        table.unique.append(reader.names())
    else:
        _refuse_constraint(reader)
    _skip_state(reader)


def _set_primary(reader: _Reader, table: _Table, columns: tuple[str, ...]) -> None:
    if table.primary:
        reader.refuse("A table has one primary key.")
    table.primary = columns


def _refuse_constraint(reader: _Reader) -> NoReturn:
    word = reader.word() or str(reader.token().text)
    reader.refuse(
        f"{word} is not carried over to other databases.",
        "Only NOT NULL, PRIMARY KEY and UNIQUE are: leave it out, the source has already enforced it.",
    )


def _skip_state(reader: _Reader) -> None:
    """ENABLE and USING INDEX …; a constraint that is not enforced is not one."""
    while reader.word() in _STATE or reader.word() == "USING":
        if reader.word() != "USING":
            reader.at += 1
            continue
        while not reader.done() and reader.word() not in (",", ")"):
            if reader.word() == "(":
                reader.skip_parentheses()
            else:
                reader.at += 1


# --- Views and indexes --------------------------------------------------------------------------------------------


def _read_view(reader: _Reader, found: _Found, *, materialized: bool) -> None:
    schema, name = reader.qualified_name()
    if name in found.views:
        reader.refuse(f"View {name} is created twice.")
    if reader.word() == "(":
        reader.refuse(
            f"View {name} has a column list, which is not read.", "Name the columns in its query: SELECT x AS name."
        )
    while materialized and not reader.done() and reader.word() != "AS":
        if reader.word() == "(":
            reader.skip_parentheses()
        else:
            reader.at += 1
    reader.expect("AS")
    if reader.done():
        reader.refuse(f"View {name} has no query.")
    found.views[name] = ViewDdl(schema, name, _query(reader))


def _query(reader: _Reader) -> str:
    """The rest of the statement, as written, WITH READ ONLY left out."""
    end = len(reader.tokens)
    if [str(token.text).upper() for token in reader.tokens[-3:]] == ["WITH", "READ", "ONLY"]:
        end -= 3
    query = reader.text(reader.at, end)
    try:
        check_query(query)
    except SqlSyntaxError as error:
        line, column = position(reader.source.text, reader.token().start)
        here = Place(reader.source.file, line + error.line - 1, error.column + (column - 1 if error.line == 1 else 0))
        raise ConfigError(error.message, place=here, code="ddl", next_step=error.suggestion) from None
    return query


def _read_unique_index(reader: _Reader, found: _Found) -> None:
    reader.qualified_name()
    reader.expect("ON")
    at = reader.token()
    _, name = reader.qualified_name()
    columns = reader.names()
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


def _with_key(table: TableDdl) -> TableDdl:
    unique = [columns for columns in dict.fromkeys(table.unique) if columns != table.key]
    if table.key:
        return replace(table, unique=tuple(unique))
    required = {column.name for column in table.columns if not column.nullable}
    key = next((columns for columns in unique if required.issuperset(columns)), ())
    return replace(table, key=key, unique=tuple(columns for columns in unique if columns != key))


# --- The same table for another engine ----------------------------------------------------------------------------


def table_sql(table: TableDdl, schema: str | None, engine: Engine) -> list[str]:
    """Statements that make the table unless it is there; ``schema`` None: the connection's own.

    DuckDB has no lengths, so each column there carries its Oracle type as its comment.
    Raises ConfigError for a type or constraint that the engine cannot hold exactly.
    """
    name = ".".join(f'"{part}"' for part in (schema, table.name) if part)
    lines = [_column_sql(table, column, engine) for column in table.columns]
    if table.key:
        lines.append(f"PRIMARY KEY ({_quoted(table.key)})")
    for columns in table.unique:
        nullable = [column.name for column in table.columns if column.name in columns and column.nullable]
        if len(columns) > 1 and nullable:
            raise ConfigError(
                f"Table {table.name}: UNIQUE ({', '.join(columns)}) may hold NULL in {nullable[0]}, where"
                " Oracle compares the other columns and other databases do not.",
                code="ddl",
                next_step=f"Declare {nullable[0]} NOT NULL, or leave the constraint out.",
            )
        lines.append(f"UNIQUE ({_quoted(columns)})")
    statements = [f"CREATE TABLE IF NOT EXISTS {name} (\n    " + ",\n    ".join(lines) + "\n)"]
    if engine == "duckdb":
        statements += [f"COMMENT ON COLUMN {name}.\"{c.name}\" IS '{c.type}'" for c in table.columns]
    return statements


def _quoted(names: Sequence[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


def _column_sql(table: TableDdl, column: Column, engine: Engine) -> str:
    if column.kind == "number" and column.precision is not None:
        scale = column.scale or 0
        if not 0 <= scale <= column.precision:
            _refuse_type(table, column, "a scale below 0, or above the precision")
    digits = column.precision or 0
    if (column.kind == "timestamp_tz" or engine == "postgresql") and column.kind.startswith("timestamp") and digits > 6:
        _refuse_type(table, column, "more than 6 digits of a second")
    kind = _duckdb_type(column) if engine == "duckdb" else _postgresql_type(column)
    return f'"{column.name}" {kind}{"" if column.nullable else " NOT NULL"}'


def _refuse_type(table: TableDdl, column: Column, why: str) -> NoReturn:
    raise ConfigError(
        f"Table {table.name}, column {column.name}: {column.type} has {why}, which this database cannot hold.",
        code="ddl",
        next_step="Declare a type that both have, or keep this table in Oracle.",
    )


def _duckdb_type(column: Column) -> str:
    if column.kind == "number":
        return "DECIMAL(38,10)" if column.precision is None else f"DECIMAL({column.precision},{column.scale or 0})"
    if column.kind == "timestamp" and (column.precision or 0) > 6:
        return "TIMESTAMP_NS"
    return {
        "float": "DOUBLE",
        "text": "VARCHAR",
        "date": "TIMESTAMP",
        "timestamp": "TIMESTAMP",
        "timestamp_tz": "TIMESTAMPTZ",
        "raw": "BLOB",
    }[column.kind]


def _postgresql_type(column: Column) -> str:
    if column.kind == "number":
        return "numeric" if column.precision is None else f"numeric({column.precision},{column.scale or 0})"
    if column.kind == "text":
        fixed = column.type.startswith(("CHAR", "NCHAR"))
        return "text" if column.length is None else f"{'char' if fixed else 'varchar'}({column.length})"
    digits = 6 if column.precision is None else column.precision
    return {
        "float": "double precision",
        "date": "timestamp(0)",
        "timestamp": f"timestamp({digits})",
        "timestamp_tz": f"timestamptz({digits})",
        "raw": "bytea",
    }[column.kind]

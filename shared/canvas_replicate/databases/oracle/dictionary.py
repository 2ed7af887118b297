"""The objects of an Oracle database that this user can see, by its dictionary (oracle.md 8)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import oracledb

from canvas_replicate.databases.ports import TableFacts
from canvas_replicate.datfile.columns import Column, column_from_oracle_type
from canvas_replicate.errors import ConfigError, PermanentError
from canvas_replicate.names import split_name

# What the source's reader makes of types that a base table does not have (`types.plan_fetch`).
READ_TYPES = {"BOOLEAN": "NUMBER(1)", "JSON": "CLOB", "LONG RAW": "BLOB", "ROWID": "CLOB", "UROWID": "CLOB"}
_OF_TABLE = "owner = :o AND table_name = :t"
_SYNONYM = "SELECT table_owner, table_name FROM all_synonyms WHERE owner = :o AND synonym_name = :s"
_MOST_SYNONYMS = 5
_SIZED = ("VARCHAR2", "CHAR", "NVARCHAR2", "NCHAR")


@dataclass(frozen=True)
class ViewFacts:
    """A materialized view. ``mode`` is DEMAND, COMMIT, STATEMENT or NEVER; times are the database's own."""

    mode: str
    method: str
    staleness: str
    compiled: str
    refreshed_at: datetime | None
    next_refresh: bool


def resolve_name(connection: oracledb.Connection, name: str, schema: str | None = None) -> tuple[str, str]:
    """Owner and name as the dictionary writes them; an unqualified name is in ``schema``, else the user's own."""
    owner, bare = split_name(name.upper(), schema.upper() if schema else None)
    return owner or read_own_schema(connection), bare


def read_own_schema(connection: oracledb.Connection) -> str:
    return str(fetch_rows(connection, "SELECT SYS_CONTEXT('USERENV', 'CURRENT_SCHEMA') FROM DUAL")[0][0])


def read_table_facts(connection: oracledb.Connection, name: str) -> TableFacts:
    """A table, a view, or what a synonym names.

    Raises PermanentError where there is none, where a column's type has no place in a file, and for a column whose name
    needs quotation marks.
    """
    place = _follow_synonyms(connection, *resolve_name(connection, name))
    return TableFacts(read_columns(connection, *place, types=READ_TYPES), read_key(connection, *place))


def _follow_synonyms(connection: oracledb.Connection, owner: str, name: str) -> tuple[str, str]:
    """The owner's synonyms, then the public ones; the place itself where there is a table or none of both."""
    place = (owner, name)
    for _ in range(_MOST_SYNONYMS):
        if fetch_rows(connection, f"SELECT 1 FROM all_tab_cols WHERE {_OF_TABLE}", o=place[0], t=place[1]):
            break
        found = [
            row
            for schema in (place[0], "PUBLIC")
            for row in fetch_rows(connection, _SYNONYM, o=schema, s=place[1])
            if row != place
        ]
        if not found:
            break
        place = (str(found[0][0]), str(found[0][1]))
    return place


def read_columns(
    connection: oracledb.Connection, owner: str, name: str, *, types: Mapping[str, str] | None = None
) -> tuple[Column, ...]:
    """Those that can be loaded, in order: virtual and hidden columns are left out.

    With ``types``, which a reader converts, they are those of a source: a name that needs quotation marks is refused.
    """
    sql = (
        "SELECT column_name, data_type, data_length, char_length, data_precision, data_scale, nullable"
        f" FROM all_tab_cols WHERE {_OF_TABLE} AND hidden_column = 'NO' AND virtual_column = 'NO' ORDER BY column_id"
    )
    found = fetch_rows(connection, sql, o=owner, t=name)
    if not found:
        problem = f"There is no table {owner.lower()}.{name.lower()} that this user can see."
        step = "Make it (replicate table add --apply, or the DBA), or have SELECT on it granted."
        raise PermanentError(problem, code="table.missing", next_step=step)
    table = f"{owner}.{name}".lower()
    if types is not None and (quoted := next((row[0] for row in found if row[0] != row[0].upper()), None)):
        step = f'Write the query yourself, with an alias for it: --query FILE, with SELECT "{quoted}" AS name'
        problem = f'{table}: column "{quoted}" is no name without quotation marks in Oracle.'
        raise ConfigError(problem, code="table.column", next_step=step)
    return tuple(_read_column(table, row, types or {}) for row in found)


def _read_column(table: str, row: tuple[Any, ...], types: Mapping[str, str]) -> Column:
    """``row`` as ``read_columns`` selects it."""
    name, kind, size, characters, precision, scale, nullable = row
    if kind in types:
        oracle = types[kind]
    elif kind in _SIZED:
        oracle = f"{kind}({characters or size} CHAR)"
    elif kind == "RAW":
        oracle = f"RAW({size})"
    elif kind == "NUMBER":
        oracle = _map_number(precision, scale)
    elif kind == "FLOAT":
        oracle = "NUMBER"  # a decimal number with a limit in binary digits: no double holds all of them
    else:
        oracle = kind
    try:
        return column_from_oracle_type(name, oracle, nullable=nullable == "Y")
    except ValueError:
        problem = f"Table {table}, column {name.lower()}: type {kind} has no place in a .dat file."
        step = "Convert it in the query's SQL to a text, number or moment, and load that."
        raise PermanentError(problem, code="table.type", next_step=step) from None


def _map_number(precision: int | None, scale: int | None) -> str:
    if precision is None:
        return "NUMBER" if scale is None else f"NUMBER(38,{scale})"
    if scale is None or 0 <= scale <= precision:
        return f"NUMBER({precision},{scale or 0})"
    return "NUMBER"  # NUMBER(5,-2) and NUMBER(2,5): Oracle rounds or refuses; gate 2 finds what it rounded


def read_key(connection: oracledb.Connection, owner: str, name: str) -> tuple[str, ...]:
    """The primary key's columns, in order."""
    sql = (
        "SELECT cc.column_name FROM all_constraints c JOIN all_cons_columns cc ON cc.owner = c.owner"
        " AND cc.constraint_name = c.constraint_name WHERE c.owner = :o AND c.table_name = :t"
        " AND c.constraint_type = 'P' ORDER BY cc.position"
    )
    found = fetch_rows(connection, sql, o=owner, t=name)
    return tuple(str(column).lower() for (column,) in found)


def list_direct_path_hindrances(connection: oracledb.Connection, owner: str, name: str) -> list[str]:
    """The constraints and indexes that a direct path load would not check or would leave unusable (oracle.md 5.2 and
    6.6).
    """
    found = []
    sql = (
        "SELECT constraint_type, constraint_name, search_condition_vc FROM all_constraints WHERE owner = :o"
        " AND table_name = :t AND constraint_type IN ('P', 'U', 'R', 'C') AND status = 'ENABLED'"
    )
    constraints = fetch_rows(connection, sql, o=owner, t=name)
    for kind, constraint, condition in constraints:
        if kind == "C" and re.fullmatch(r'"?[\w$#]+"? IS NOT NULL', str(condition or "").strip(), re.IGNORECASE):
            continue
        what = {"P": "primary key", "U": "unique key", "R": "foreign key", "C": "check"}[kind]
        found.append(f"{what} {constraint}")
    sql = "SELECT index_name FROM all_indexes WHERE table_owner = :o AND table_name = :t AND uniqueness = 'UNIQUE'"
    unique = fetch_rows(connection, sql, o=owner, t=name)
    found += [f"unique index {index}" for (index,) in unique if not any(str(index) in other for other in found)]
    sql = "SELECT trigger_name FROM all_triggers WHERE table_owner = :o AND table_name = :t AND status = 'ENABLED'"
    triggers = _fetch_if_seen(connection, sql, o=owner, t=name)
    return found + [f"trigger {trigger}" for (trigger,) in triggers]


def list_unusable_indexes(connection: oracledb.Connection, owner: str, name: str) -> list[str]:
    """A load can leave an index so, and still call itself successful (oracle.md 6.6)."""
    sql = (
        "SELECT index_name FROM all_indexes WHERE table_owner = :o AND table_name = :t AND status = 'UNUSABLE'"
        " ORDER BY index_name"
    )
    found = fetch_rows(connection, sql, o=owner, t=name)
    return [str(index) for (index,) in found]


def read_view_facts(connection: oracledb.Connection, owner: str, name: str) -> ViewFacts | None:
    """None where there is no materialized view of that name that this user may select from."""
    sql = (
        "SELECT refresh_mode, refresh_method, staleness, compile_state, last_refresh_date FROM all_mviews"
        " WHERE owner = :o AND mview_name = :v"
    )
    found = fetch_rows(connection, sql, o=owner, v=name)
    if not found:
        return None
    mode, method, staleness, compiled, refreshed_at = found[0]
    by_itself = _is_self_refreshing(connection, owner, name)
    return ViewFacts(str(mode), str(method), str(staleness), str(compiled), refreshed_at, by_itself)


def read_view_query(connection: oracledb.Connection, owner: str, name: str) -> str:
    """What a materialized view selects; empty where that cannot be seen."""
    found = fetch_rows(connection, "SELECT query FROM all_mviews WHERE owner = :o AND mview_name = :v", o=owner, v=name)
    return str(found[0][0] or "") if found else ""


def _is_self_refreshing(connection: oracledb.Connection, owner: str, name: str) -> bool:
    """START WITH … NEXT creates a refresh group with its own schedule."""
    sql = "SELECT 1 FROM all_refresh_children WHERE owner = :o AND name = :v AND next_date IS NOT NULL"
    return bool(_fetch_if_seen(connection, sql, o=owner, v=name))


def _fetch_if_seen(connection: oracledb.Connection, sql: str, **values: Any) -> list[tuple[Any, ...]]:
    """Nothing where the database has no such dictionary view for this user."""
    try:
        return fetch_rows(connection, sql, **values)
    except oracledb.DatabaseError as error:
        if getattr(error.args[0], "full_code", "") != "ORA-00942":
            raise
        return []


def fetch_rows(connection: oracledb.Connection, sql: str, **values: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        return list(cursor.execute(sql, values).fetchall())


@dataclass(frozen=True)
class Quota:
    """A tablespace that the user may fill; in bytes. ``most`` is None without a limit."""

    tablespace: str
    used: int
    most: int | None


def read_character_set(connection: oracledb.Connection) -> str | None:
    found = _fetch_if_seen(connection, "SELECT value FROM nls_database_parameters WHERE parameter = 'NLS_CHARACTERSET'")
    return str(found[0][0]) if found else None


def undo_seconds(connection: oracledb.Connection) -> int | None:
    """How long undo is meant to be kept (UNDO_RETENTION)."""
    found = _fetch_if_seen(connection, "SELECT value FROM v$parameter WHERE name = 'undo_retention'")
    return int(found[0][0]) if found else None


def list_session_privileges(connection: oracledb.Connection) -> frozenset[str]:
    """System privileges, through roles as well."""
    return frozenset(str(name) for (name,) in _fetch_if_seen(connection, "SELECT privilege FROM session_privs"))


def list_quotas(connection: oracledb.Connection) -> list[Quota]:
    found = _fetch_if_seen(connection, "SELECT tablespace_name, bytes, max_bytes FROM user_ts_quotas ORDER BY 1")
    return [Quota(str(name), int(used), None if most < 0 else int(most)) for name, used, most in found]


def read_free_bytes(connection: oracledb.Connection) -> dict[str, int]:
    """By tablespace, of those that the user may fill. Files that may still grow are not counted."""
    sql = "SELECT tablespace_name, SUM(bytes) FROM user_free_space GROUP BY tablespace_name"
    found = _fetch_if_seen(connection, sql)
    return {str(name): int(free) for name, free in found}


def read_user(connection: oracledb.Connection) -> str:
    return str(fetch_rows(connection, "SELECT USER FROM DUAL")[0][0])


def list_referring_tables(connection: oracledb.Connection, owner: str, name: str) -> list[str]:
    """Tables whose enabled foreign keys refer to this one: TRUNCATE is then ORA-02266 (oracle.md 6.5)."""
    sql = (
        "SELECT DISTINCT c.owner, c.table_name FROM all_constraints c JOIN all_constraints k"
        " ON k.owner = c.r_owner AND k.constraint_name = c.r_constraint_name"
        " WHERE c.constraint_type = 'R' AND c.status = 'ENABLED' AND k.owner = :o AND k.table_name = :t"
        " AND c.table_name <> k.table_name ORDER BY 1, 2"
    )
    found = fetch_rows(connection, sql, o=owner, t=name)
    return [f"{other}.{table}".lower() for other, table in found]


def refresh_method(connection: oracledb.Connection, owner: str, name: str) -> str | None:
    """As the last refresh remembered it in ``replicate_view``: ``out_of_place`` or ``atomic``."""
    found = _fetch_if_seen(
        connection, "SELECT refresh_method FROM replicate_view WHERE view_name = :v", v=f"{owner}.{name}".lower()
    )
    return str(found[0][0]) if found and found[0][0] else None

"""The demo's campus in a database server has the cells that the file has."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import oracledb
import pytest
from tests.postgresql_fixtures import Database

from replicate_demo.campus import CampusError, build_campus
from replicate_demo.campus_server import fill_server
from replicate_demo.tables import TABLES, sizes_at

SCALE = 0.02
PASSWORD = "Pass#word_1"


@pytest.fixture(scope="module")
def campus(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[tuple[Any, ...]]]:
    path = tmp_path_factory.mktemp("campus") / "campus.duckdb"
    build_campus(path, scale=SCALE)
    with duckdb.connect(str(path), read_only=True) as connection:
        return {name: connection.execute(f"SELECT * FROM sis.{name}").fetchall() for name in TABLES}


@pytest.fixture
def server(empty_postgresql: Database) -> Database:
    empty_postgresql.sql("CREATE SCHEMA sis", "DROP ROLE IF EXISTS campus_extract", "CREATE ROLE campus_extract")
    return empty_postgresql


@pytest.fixture
def oracle_sis(oracle_standin: Any) -> Iterator[Any]:
    """A stand-in of its own, with the user whose schema the campus is."""
    with type(oracle_standin)(users={"sis": PASSWORD}, process=True) as running:
        yield running


def fill(database: Database, **options: Any) -> dict[str, int] | None:
    url = database.server.url_of(database.name)
    return fill_server(url, database.server.password, scale=SCALE, **options)


def in_order(rows: list[tuple[Any, ...]]) -> list[str]:
    """Moments are the same whatever zone they are told in."""
    return sorted(repr(tuple(map(in_utc, row))) for row in rows)


def in_utc(value: Any) -> Any:
    return value.astimezone(UTC).isoformat() if isinstance(value, datetime) and value.tzinfo else value


@pytest.mark.postgresql
@pytest.mark.parametrize("table", TABLES)
def test_every_cell_of_the_campus_is_the_same_in_postgresql(
    server: Database, campus: dict[str, list[tuple[Any, ...]]], table: str
) -> None:
    assert fill(server) == sizes_at(SCALE)
    assert in_order(server.sql(f"SELECT * FROM sis.{table}")) == in_order(campus[table])


@pytest.mark.postgresql
def test_a_complete_campus_is_kept_and_a_half_one_is_made_anew(server: Database) -> None:
    fill(server, reader="campus_extract")
    server.sql("UPDATE sis.students SET first_name = 'changed'")
    assert fill(server) is None
    assert server.sql("SELECT count(*) FROM sis.students WHERE first_name = 'changed'") == [
        (sizes_at(SCALE)["students"],)
    ]
    server.sql("DROP TABLE sis.campus_recipe")
    assert fill(server, reader="campus_extract") == sizes_at(SCALE)
    assert server.sql("SELECT count(*) FROM sis.students WHERE first_name = 'changed'") == [(0,)]
    readable = "SELECT count(*) FROM information_schema.table_privileges WHERE grantee = 'campus_extract' AND privilege_type = 'SELECT'"
    assert server.sql(readable) == [(len(TABLES),)]


@pytest.mark.postgresql
def test_a_server_that_refuses_is_one_line_without_the_password(server: Database) -> None:
    url = server.server.url_of("no_such_database")
    with pytest.raises(CampusError) as refused:
        fill_server(url, server.server.password)
    assert "no_such_database" in str(refused.value)
    assert "\n" not in str(refused.value)
    assert str(server.server.password) not in str(refused.value)


def test_what_is_no_server_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CampusError, match="postgresql:// or oracle://"):
        fill_server(str(tmp_path / "campus.duckdb"), None)


@pytest.mark.oracle
def test_oracle_gets_the_campus_with_exact_numbers_and_moments_in_utc(
    oracle_sis: Any, campus: dict[str, list[tuple[Any, ...]]]
) -> None:
    url = f"oracle://sis@{oracle_sis.dsn}"
    assert fill_server(url, PASSWORD, scale=SCALE) == sizes_at(SCALE)
    assert fill_server(url, PASSWORD, scale=SCALE) is None
    with oracledb.connect(user="sis", password=PASSWORD, dsn=oracle_sis.dsn) as connection:
        cursor = connection.cursor()
        for table, rows in campus.items():
            assert cursor.execute(f"SELECT count(*) FROM sis.{table}").fetchall() == [(len(rows),)]
        cursor.execute("SELECT emplid, TO_CHAR(ledger_key), last_login FROM sis.students")
        found = cursor.fetchall()
    expected = [(row[0], str(row[8]), moment(row[11])) for row in campus["students"]]
    assert sorted(found, key=repr) == sorted(expected, key=repr)


def moment(value: datetime | None) -> datetime | None:
    """As the driver reads one: the wall clock of its zone, without the zone."""
    return value and value.astimezone(UTC).replace(tzinfo=None)

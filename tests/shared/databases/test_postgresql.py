from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest
from tests.behaviours.databases import (
    DDL,
    DatabasesBehaviour,
    Engine,
    batch,
    content,
    nothing,
    replace,
    replace_in,
)
from tests.behaviours.digests import DigestBehaviour
from tests.postgresql_fixtures import Database

from canvas_replicate.config.settings_sources import load_settings
from canvas_replicate.databases.opening import open_ledger, open_source, open_target
from canvas_replicate.databases.ports import Loaded
from canvas_replicate.databases.postgresql.connecting import PostgreSql, translated
from canvas_replicate.databases.postgresql.source import PostgresqlSource
from canvas_replicate.databases.postgresql.target import PostgresqlTarget
from canvas_replicate.datfile.columns import column_from_oracle_type
from canvas_replicate.errors import ConfigError, DataError, LoginRefused, PermanentError, TransientError

pytestmark = pytest.mark.postgresql


@pytest.fixture
def engine(postgresql: Database) -> Iterator[Engine]:
    """One session for all that a test itself asks: readers in a thread then show what others see."""
    password = postgresql.server.password
    with psycopg.connect(postgresql.server.url_of(postgresql.name), password=password, autocommit=True) as session:

        def sql(*statements: str) -> list[tuple[Any, ...]]:
            for statement in statements:
                cursor = session.execute(statement)
            return cursor.fetchall() if cursor.description else []

        yield Engine(
            PostgresqlSource(postgresql.opened, native=True),
            PostgresqlTarget(postgresql.opened),
            sql,
            lambda digits: f"'\\x{digits}'",
        )


class TestDatabasesOnPostgresql(DatabasesBehaviour):
    pass


class TestDigestsOnPostgresql(DigestBehaviour):
    pass


def values(engine: Engine, query: str, batch_rows: int = 100) -> list[tuple[Any, ...]]:
    with engine.source.open(query, batch_rows=batch_rows) as opened:
        return [tuple(row.values()) for rows in opened.batches for row in rows.to_pylist()]


# Source


@pytest.mark.parametrize(
    ("sql", "kind", "value"),
    [
        ("CAST('ab ' AS char(5))", "CHAR(5 CHAR)", "ab   "),
        ("CAST('ab' AS varchar(5))", "VARCHAR2(5 CHAR)", "ab"),
        ("CAST('' AS text)", "CLOB", ""),
        ("CAST(0.1 AS real)", "BINARY_DOUBLE", 0.10000000149011612),
        (
            "CAST('a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11' AS uuid)",
            "VARCHAR2(36 CHAR)",
            "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
        ),
        (
            "TIMESTAMPTZ '2030-07-01 10:00:00.5-07:00'",
            "TIMESTAMP(6) WITH TIME ZONE",
            "2030-07-01 17:00:00.500000+00:00",
        ),
        ("CAST('\\xdeadbeef' AS bytea)", "BLOB", "DEADBEEF"),
        ("CAST(1.50 AS numeric)", "NUMBER", Decimal("1.50")),
        (f"CAST('{'9' * 38}' AS numeric(50,0))", "NUMBER", Decimal("9" * 38)),
        ("CAST('0.00000000000000000000000000000000000001' AS numeric)", "NUMBER", Decimal(1).scaleb(-38)),
        ("1::numeric / 3", "NUMBER", Decimal("0.33333333333333333333")),
        ("count(*)", "NUMBER(19)", Decimal(1)),
        ("TRUE", "NUMBER(1)", 1),
    ],
)
def test_a_value_is_handed_over_exactly(engine: Engine, sql: str, kind: str, value: object) -> None:
    query = f"SELECT {sql} AS x"
    with engine.source.open(query, batch_rows=10) as opened:
        assert opened.columns == (column_from_oracle_type("x", kind),)
    assert values(engine, query) == [(value,)]


def test_numbers_without_limits_get_the_scale_that_their_batch_needs(engine: Engine) -> None:
    numbers = ["1", "-0.000000000000000000000000000001", "12345678901234567890123456789012345678", None, "2.50"]
    rows = ", ".join(f"({n}, {f'{number!r}::numeric' if number else 'NULL'})" for n, number in enumerate(numbers))
    query = f"SELECT x FROM (VALUES {rows}) v(n, x) ORDER BY n"
    assert values(engine, query, 1) == [(Decimal(number) if number else None,) for number in numbers]


def test_numbers_that_fit_no_common_scale_come_as_text(engine: Engine) -> None:
    numbers = ["9" * 39, "0." + "0" * 39 + "1", "-1.5"]
    query = f"SELECT x FROM (VALUES {', '.join(f'({n}, {n_!r}::numeric)' for n, n_ in enumerate(numbers))}) v(n, x) ORDER BY n"
    assert values(engine, query, 9) == [(number,) for number in numbers]


@pytest.mark.parametrize(
    ("sql", "why"),
    [
        ("numeric 'NaN'", "not a number"),
        ("numeric 'Infinity'", "not a number"),
        ("CAST('NaN' AS numeric(10,2))", "not a number"),
        ("date 'infinity'", "infinite"),
        ("timestamp '-infinity'", "infinite"),
        ("timestamptz 'infinity'", "infinite"),
        ("timestamp '0044-03-15 00:00:00 BC'", "outside the years"),
        ("timestamptz '10000-01-01 00:00:00+00'", "outside the years"),
    ],
)
def test_a_value_without_a_place_in_the_file_is_refused_with_its_row(engine: Engine, sql: str, why: str) -> None:
    query = f"SELECT n, CASE WHEN n = 5 THEN {sql} END AS odd FROM generate_series(1, 9) n"
    with pytest.raises(DataError, match=f"Column odd, row 5: the value .*{why}"):
        values(engine, query, 2)


@pytest.mark.parametrize(
    "value",
    [
        "ARRAY[1, 2]",
        "json '{}'",
        "jsonb '{}'",
        "interval '1 day'",
        "time '10:00'",
        "money '1'",
        "ROW(1, 2)",
        "xml '<a/>'",
    ],
)
def test_a_type_without_a_place_in_the_file_is_refused_by_name(engine: Engine, value: str) -> None:
    with (
        pytest.raises(PermanentError, match=r"Column odd: type .* has no place"),
        engine.source.open(f"SELECT {value} AS odd", batch_rows=10),
    ):
        pass


def test_an_enumeration_and_a_domain_are_what_they_are_made_of(engine: Engine) -> None:
    engine.sql("CREATE TYPE mood AS ENUM ('good')", "CREATE DOMAIN grade AS numeric(4,2)")
    assert values(engine, "SELECT CAST('good' AS mood) AS m, CAST(1.5 AS grade) AS g") == [("good", Decimal("1.50"))]


def test_a_query_that_fails_half_way_is_refused_without_its_values(engine: Engine) -> None:
    with pytest.raises(DataError) as caught:
        values(
            engine,
            "SELECT CAST(CASE n WHEN 5000 THEN 'secret' ELSE '1' END AS int) AS x FROM generate_series(1, 9999) n",
        )
    assert "InvalidTextRepresentation" in caught.value.message
    assert "secret" not in caught.value.message


def test_very_long_rows_make_small_batches(engine: Engine) -> None:
    query = "SELECT repeat('x', 40000000) AS x FROM generate_series(1, 3)"
    with engine.source.open(query, batch_rows=100) as opened:
        assert [rows.num_rows for rows in opened.batches] == [2, 1]


def test_a_query_that_another_thread_waits_for_can_be_left(engine: Engine) -> None:
    ended: list[BaseException] = []

    def fetch(batches: Iterator[object]) -> None:
        try:
            next(batches)
        except TransientError as error:
            ended.append(error)

    with engine.source.open("SELECT CAST(pg_sleep(60) AS text) AS x", batch_rows=10) as opened:
        thread = threading.Thread(target=fetch, args=(opened.batches,))
        thread.start()
        asleep = (engine.sql("SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'") for _ in range(20_000))
        assert any(asleep)
    thread.join(60)
    assert len(ended) == 1


def test_a_source_is_never_written_to(engine: Engine) -> None:
    engine.sql(
        "CREATE TABLE t (x int)",
        "CREATE FUNCTION write() RETURNS int LANGUAGE sql AS 'INSERT INTO t VALUES (1) RETURNING x'",
    )
    with pytest.raises(PermanentError, match="read-only transaction"):
        values(engine, "SELECT write() AS x")
    assert engine.sql("SELECT x FROM t") == []


def test_the_servers_settings_change_no_value(engine: Engine, postgresql: Database) -> None:
    for setting in ("DateStyle = 'SQL, DMY'", "extra_float_digits = 0", "TimeZone = 'America/Denver'"):
        engine.sql(f'ALTER DATABASE "{postgresql.name}" SET {setting}')
    query = (
        "SELECT CAST(0.1 AS double precision) + CAST(0.2 AS double precision) AS f, date '2030-02-01' AS d,"
        " timestamptz '2030-02-01 00:00:00+00' AS z"
    )
    [(number, day, zoned)] = values(engine, query)
    assert (number, f"{day:%Y-%m-%d}", zoned) == (0.1 + 0.2, "2030-02-01", "2030-02-01 00:00:00.000000+00:00")


def test_oracles_sql_is_translated_and_a_comment_may_end_it(engine: Engine, postgresql: Database) -> None:
    engine.sql("CREATE TABLE students (id int, name text)", "INSERT INTO students VALUES (1, NULL)")
    source = PostgresqlSource(postgresql.opened)
    with source.open("SELECT NVL(name, 'none') AS name FROM students -- all of them", batch_rows=10) as opened:
        assert [rows.to_pylist() for rows in opened.batches] == [[{"name": "none"}]]
    assert values(engine, "SELECT 1 AS x -- one;") == [(1,)]


# Target


def make(engine: Engine, ddl: str) -> None:
    engine.target.apply(engine.target.missing(ddl, Path("x.sql")), "x.sql")


def test_text_longer_than_its_column_fails_the_load(engine: Engine) -> None:
    make(engine, DDL)
    with pytest.raises(DataError) as caught:
        replace(engine, batch(id=["1", "2"], name=["x", "secret" * 10]))
    assert caught.value.code == "postgresql.22001"
    assert caught.value.message.endswith("(StringDataRightTruncation, column name, row 2).")


def test_a_padded_column_counts_what_readers_get(engine: Engine) -> None:
    make(engine, DDL)
    found: list[Loaded] = []
    file_column = column_from_oracle_type("code", "CHAR(3 CHAR)")
    replace(engine, batch(id=["1", "2"], code=["ab ", "é  "]), measure={"code": file_column}, verify=found.append)
    assert found[0].figures["code"].characters == 6


@pytest.mark.parametrize("kind", ["date", "real", "boolean", "jsonb", "integer[]"])
def test_a_column_that_would_change_what_is_loaded_is_refused_by_name(engine: Engine, kind: str) -> None:
    engine.sql(f"CREATE TABLE tmp_odd (id int, odd {kind})")
    with pytest.raises(PermanentError, match="column odd: type"):
        engine.target.describe("tmp_odd")


def test_a_table_of_nine_hundred_columns_is_measured(engine: Engine) -> None:
    names = [f"c{number}" for number in range(900)]
    make(engine, f"CREATE TABLE tmp_wide ({', '.join(f'{name} DATE' for name in names)});")
    found: list[Loaded] = []
    measure = dict.fromkeys(names, column_from_oracle_type("c", "DATE"))
    row = batch(**{name: ["2000-01-01 00:00:00" if name == "c899" else None] for name in names})
    replace(engine, row, measure=measure, verify=found.append, table="tmp_wide")
    assert (found[0].figures["c0"].non_null, found[0].figures["c899"].lowest) == (0, "2000-01-01 00:00:00")


def test_numbers_kept_as_text_are_measured_as_numbers(engine: Engine) -> None:
    make(engine, "CREATE TABLE tmp_text (n VARCHAR2(40 CHAR));")
    found: list[Loaded] = []
    measure = {"n": column_from_oracle_type("n", "NUMBER")}
    replace(engine, batch(n=["1.5", "-2.25"]), measure=measure, verify=found.append, table="tmp_text")
    assert found[0].figures["n"].residue == "3.75"


def list_sessions(engine: Engine) -> list[int]:
    """The server processes of all sessions but the test's own."""
    sql = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() ORDER BY pid"
    return [pid for (pid,) in engine.sql(sql)]


def test_a_target_keeps_its_session_and_replaces_one_that_ended(engine: Engine) -> None:
    make(engine, "CREATE TABLE tmp_x (a NUMBER(9))")
    engine.target.describe("tmp_x")
    [session] = list_sessions(engine)
    engine.target.describe("tmp_x")
    assert list_sessions(engine) == [session]
    engine.sql(f"SELECT pg_terminate_backend({session}, 5000)")
    assert [column.name for column in engine.target.describe("tmp_x")] == ["a"]
    assert list_sessions(engine) != [session]


def test_a_session_in_which_something_failed_is_not_used_again(engine: Engine) -> None:
    make(engine, "CREATE TABLE tmp_x (a NUMBER(9))")
    engine.target.describe("tmp_x")
    [session] = list_sessions(engine)
    with pytest.raises(PermanentError):
        engine.target.describe("tmp_missing")
    engine.target.describe("tmp_x")
    assert session not in list_sessions(engine)


def test_a_table_that_is_locked_can_be_loaded_later(engine: Engine, postgresql: Database) -> None:
    make(engine, DDL)
    engine.sql("BEGIN", "LOCK TABLE tmp_everything")
    hurried = postgresql.opened.connect(lock_timeout="10ms")
    try:
        with pytest.raises(psycopg.errors.LockNotAvailable) as caught:
            hurried.execute("TRUNCATE tmp_everything")
    finally:
        hurried.close()
        engine.sql("ROLLBACK")
    assert isinstance(translated(caught.value, "loading"), TransientError)


def test_a_view_is_refreshed_while_people_read_it(engine: Engine, postgresql: Database) -> None:
    make(engine, DDL)
    replace(engine, batch(id=["1"], name=["a"]))
    # A reader's open transaction keeps out whoever would lock the view against readers.
    engine.sql("BEGIN", "SELECT * FROM campus_everything")
    assert engine.target.refresh("campus_everything", check=nothing) == 1
    engine.sql("COMMIT")


@pytest.mark.parametrize(
    "index",
    ["", "CREATE UNIQUE INDEX ON v (id) WHERE id > 0", "CREATE UNIQUE INDEX ON v ((id + 1))", "CREATE INDEX ON v (id)"],
)
def test_a_view_without_a_usable_key_is_refreshed_all_the_same(engine: Engine, index: str) -> None:
    make(engine, "CREATE TABLE tmp_v (id NUMBER(5)); CREATE MATERIALIZED VIEW v AS SELECT id FROM tmp_v;")
    engine.sql(*[index] if index else [], "INSERT INTO tmp_v VALUES (1)")
    assert engine.target.refresh("v", check=nothing) == 1


def test_a_view_that_was_never_filled_is_filled(engine: Engine) -> None:
    make(engine, "CREATE TABLE tmp_v (id NUMBER(5));")
    engine.sql(
        "CREATE MATERIALIZED VIEW v AS SELECT id FROM tmp_v WITH NO DATA",
        "CREATE UNIQUE INDEX ON v (id)",
        "INSERT INTO tmp_v VALUES (1)",
    )
    assert engine.target.refresh("v", check=nothing) == 1


def test_a_duplicate_under_the_views_key_keeps_the_old_view(engine: Engine) -> None:
    make(
        engine,
        "CREATE TABLE tmp_v (id NUMBER(5)); CREATE MATERIALIZED VIEW v AS SELECT id FROM tmp_v;"
        "CREATE UNIQUE INDEX v_key ON v (id);",
    )
    engine.sql("INSERT INTO tmp_v VALUES (8), (8)")
    with pytest.raises(DataError) as caught:
        engine.target.refresh("v", check=nothing)
    assert "8" not in caught.value.message
    assert engine.sql("SELECT id FROM v") == []


def test_an_ordinary_view_is_not_refreshed(engine: Engine) -> None:
    engine.sql("CREATE VIEW v AS SELECT 1 AS id")
    with pytest.raises(PermanentError, match="not a materialized view"):
        engine.target.refresh("v", check=nothing)


def test_a_key_that_the_view_lacks_is_added(engine: Engine) -> None:
    without = DDL.replace("CREATE UNIQUE INDEX campus_everything_key ON campus_everything (id);", "")
    make(engine, without)
    assert engine.target.missing(without, Path("x.sql")) == []
    make(engine, DDL)
    assert engine.target.missing(DDL, Path("x.sql")) == []


def test_what_is_left_out_is_told(engine: Engine, caplog: pytest.LogCaptureFixture) -> None:
    statements = engine.target.missing(DDL, Path("x.sql"))
    assert statements[-1] == "-- left out: GRANT SELECT ON campus_everything TO campus_reader"
    with caplog.at_level(logging.WARNING):
        engine.target.apply(statements, "x.sql")
    assert [record.getMessage() for record in caplog.records] == ["left out"]


def test_tables_and_views_lie_in_the_schemas_that_are_set(engine: Engine, postgresql: Database) -> None:
    target = PostgresqlTarget(postgresql.opened, base_schema="Stage_In", view_schema="reports")
    target.apply(target.missing(DDL, Path("x.sql")), "x.sql")
    assert target.missing(DDL, Path("x.sql")) == []
    replace_in(target, "tmp_everything", batch(id=["1"], name=["a"]))
    assert target.refresh("campus_everything", check=nothing) == 1
    assert content(engine, table="stage_in.tmp_everything") == content(engine, table="reports.campus_everything")
    with pytest.raises(PermanentError, match=r"public\.tmp_everything"):
        engine.target.describe("tmp_everything")
    assert target.describe("stage_in.tmp_everything") == target.describe("tmp_everything")


def test_a_reader_of_the_base_table_waits_and_then_sees_the_whole(engine: Engine) -> None:
    make(engine, DDL)
    replace(engine, batch(id=["1"], name=["old"]))
    seen: list[object] = []

    def verify(loaded: Loaded) -> None:
        engine.sql("SET lock_timeout = '10ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            engine.sql("SELECT * FROM tmp_everything")
        seen.append(loaded.rows)

    replace(engine, batch(id=["1", "2"], name=["new", "new"]), verify=verify)
    assert seen == [2]
    assert content(engine) == [(1, "new"), (2, "new")]


# By URL


def test_a_url_opens_the_adapters(postgresql: Database) -> None:
    environment = {
        "REPLICATE_DATABASES__REPORTING__URL": postgresql.server.url_of(postgresql.name),
        "REPLICATE_DATABASES__REPORTING__PASSWORD": postgresql.server.password or "",
        "REPLICATE_DATABASES__REPORTING__DIALECT": "native",
    }
    settings = load_settings(environment)
    ledger = open_ledger(settings)
    assert ledger.has_table("replicate_run")
    assert not ledger.single_process
    ledger.close()  # type: ignore[attr-defined]
    with open_source(settings, "REPORTING").open("SELECT 1 AS x", batch_rows=1) as opened:
        assert [rows.to_pylist() for rows in opened.batches] == [[{"x": 1}]]
    with pytest.raises(PermanentError, match=r"public\.nothing"):
        open_target(settings).describe("nothing")


def test_a_url_that_cannot_be_read_is_a_clear_error() -> None:
    with pytest.raises(ConfigError, match="not a PostgreSQL URL"):
        PostgreSql("postgresql://host/db?nonsense=1")


# The driver's errors

EXPECTED = {
    "08006": TransientError,
    "40001": TransientError,
    "40002": DataError,
    "40P01": TransientError,
    "53100": TransientError,
    "53300": TransientError,
    "55P03": TransientError,
    "57014": TransientError,
    "57P01": TransientError,
    "57P03": TransientError,
    "58030": TransientError,
    "22001": DataError,
    "22P02": DataError,
    "23505": DataError,
    "21000": DataError,
    "28P01": LoginRefused,
    "42501": PermanentError,
    "42601": PermanentError,
    "42P01": PermanentError,
    "57P04": PermanentError,
}
DRIVER_ERRORS = {
    kind for kind in vars(psycopg.errors).values() if isinstance(kind, type) and issubclass(kind, psycopg.Error)
}


@pytest.mark.parametrize(("state", "expected"), EXPECTED.items())
def test_an_error_is_grouped_by_what_to_do_next(state: str, expected: type[Exception]) -> None:
    error = translated(psycopg.errors.lookup(state)("secret"), "loading tmp_x")
    assert type(error) is expected
    assert error.code == f"postgresql.{state}"
    assert error.message.startswith("loading tmp_x: ")
    assert ("secret" in error.message) == (expected is not DataError)


def test_a_connection_that_breaks_in_a_copy_is_transient() -> None:
    """libpq's own result has no state (psycopg raises DatabaseError itself)."""
    broken = psycopg.DatabaseError("server closed the connection unexpectedly")
    assert type(translated(broken, "the query")) is TransientError


@pytest.mark.parametrize("kind", sorted(DRIVER_ERRORS, key=lambda kind: (kind.__name__, kind.sqlstate or "")))
def test_no_error_of_the_driver_is_unmapped(kind: type[psycopg.Error]) -> None:
    error = translated(kind("said by the driver"), "loading tmp_x")
    assert type(error) in (TransientError, PermanentError, LoginRefused, DataError)
    if issubclass(kind, psycopg.IntegrityError | psycopg.DataError):
        assert type(error) is DataError
    if issubclass(kind, psycopg.ProgrammingError | psycopg.NotSupportedError):
        assert type(error) is not TransientError

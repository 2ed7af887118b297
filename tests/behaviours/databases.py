"""What source, bulk loader and view refresher promise on every engine. Each engine's test file inherits this class."""

from __future__ import annotations

import dataclasses
import io
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from canvas_replicate.control_file import parse_control_file
from canvas_replicate.databases.duckdb.digesting import FileDigester
from canvas_replicate.databases.ports import RECORD, Check, Digested, Load, Loaded, Session, Source, Target
from canvas_replicate.datfile.columns import Column
from canvas_replicate.datfile.statistics import Figures
from canvas_replicate.datfile.writer import DatWriter
from canvas_replicate.errors import DataError, Interrupted, PermanentError
from canvas_replicate.sql.ddl import parse_ddl
from loader.batches import match_fields, read_frames
from loader.counts import LoadCounts


@dataclass(frozen=True)
class Engine:
    """``source`` takes the engine's own SQL; ``sql`` runs statements and gives the rows of the last one;
    ``raw`` writes a binary literal from hex digits; ``empty`` is what a text without characters becomes;
    ``mode`` and ``method`` load in the way that the engine can undo; columns ``not_hashed`` have no digest."""

    source: Source
    target: Target
    sql: Callable[..., list[tuple[Any, ...]]]
    raw: Callable[[str], str]
    empty: str | None = ""
    mode: str = "TRUNCATE"
    method: str = "auto"
    not_hashed: tuple[str, ...] = ()


DDL = """
CREATE TABLE tmp_everything (
  id      NUMBER(10,0) NOT NULL,
  flag    NUMBER(1,0),
  big     NUMBER(19,0),
  wide    NUMBER(38,0),
  amount  NUMBER(38,10),
  price   NUMBER(8,2),
  name    VARCHAR2(40 CHAR),
  code    CHAR(3 CHAR),
  note    CLOB,
  born    DATE,
  seen    TIMESTAMP(6),
  zoned   TIMESTAMP(6) WITH TIME ZONE,
  content BLOB,
  ratio   BINARY_DOUBLE,
  PRIMARY KEY (id)
);
CREATE MATERIALIZED VIEW campus_everything AS SELECT id, name, price FROM tmp_everything;
CREATE UNIQUE INDEX campus_everything_key ON campus_everything (id);
GRANT SELECT ON campus_everything TO campus_reader;
"""
CTL = """
LOAD DATA CHARACTERSET AL32UTF8 INFILE 'x.dat' "STR '#EOR#\\n'" TRUNCATE INTO TABLE tmp_everything
FIELDS TERMINATED BY '|' OPTIONALLY ENCLOSED BY '"' TRAILING NULLCOLS (
{fields}
)
"""
CTL_FIELDS = {
    **dict.fromkeys(("id", "flag", "big", "wide", "amount", "price", "name", "code"), "CHAR"),
    **dict.fromkeys(("note", "content", "ratio"), "CHAR(4000)"),
    "born": 'DATE "YYYY-MM-DD HH24:MI:SS"',
    "seen": 'TIMESTAMP "YYYY-MM-DD HH24:MI:SS.FF6"',
    "zoned": 'TIMESTAMP WITH TIME ZONE "YYYY-MM-DD HH24:MI:SS.FF6TZH:TZM"',
}
COLUMNS = "id, flag, big, wide, amount, price, name, code, note, born, seen, zoned, content, ratio"
VALUES = COLUMNS.replace("born", "CAST(born AS timestamp)")
SOURCE_TABLE = """CREATE TABLE everything (
    id integer, flag boolean, big bigint, wide numeric(38,0), amount numeric(38,10), price numeric(8,2),
    name varchar(40), code char(3), note text, born date, seen timestamp, zoned timestamptz, content bytea,
    ratio double precision)"""
NINES = "9" * 38
HOSTILE = [
    "\\.",
    "\\N",
    "\\",
    "NULL",
    "  blanks  ",
    "|",
    '"',
    '""',
    'a"b|c',
    "line\nend",
    "line\r\nend",
    "\r",
    "\n\\.\n",
    "tab\t",
    "#EOR#",
    "'; DROP TABLE x --",
    "%s %(a)s $1 :a {}",
    "Żółć 数学 \U0001f600",
    "e\u0301",
]


def nothing(session: Session | None) -> None:
    """A check that lets everything go on."""


def believed(loaded: Loaded) -> None:
    """A proof that is content with anything."""


def refused(loaded: Loaded) -> None:
    raise DataError("the copy is not the file")


def batch(**columns: list[str | None]) -> pa.Table:
    return pa.table({name: pa.array(values, pa.large_string()) for name, values in columns.items()})


def replace(
    engine: Engine,
    *batches: pa.Table,
    expressions: Mapping[str, str] | None = None,
    measure: Mapping[str, Column | None] | None = None,
    verify: Callable[[Loaded], None] = believed,
    check: Check = nothing,
    table: str = "tmp_everything",
    digest: Digested = (),
) -> None:
    replace_in(
        engine.target,
        table,
        *batches,
        expressions=expressions,
        measure=measure,
        digest=digest,
        verify=verify,
        check=check,
        mode=engine.mode,
        method=engine.method,
    )


def replace_in(
    target: Target,
    table: str,
    *batches: pa.Table,
    expressions: Mapping[str, str] | None = None,
    measure: Mapping[str, Column | None] | None = None,
    verify: Callable[[Loaded], None] = believed,
    check: Check = nothing,
    mode: str = "TRUNCATE",
    method: str = "auto",
    digest: Digested = (),
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        load = load_of(
            Path(folder), target, table, *batches, expressions=expressions, measure=measure, mode=mode, method=method
        )
        target.replace(dataclasses.replace(load, digest=digest), verify=verify, check=check)


_KINDS = {
    **dict.fromkeys(("id", "flag", "big", "wide", "amount", "price"), "DECIMAL EXTERNAL(200)"),
    "born": 'DATE "YYYY-MM-DD HH24:MI:SS"',
    "seen": 'TIMESTAMP "YYYY-MM-DD HH24:MI:SS.FF9"',
    "zoned": 'TIMESTAMP WITH TIME ZONE "YYYY-MM-DD HH24:MI:SS.FF9TZH:TZM"',
    "note": "CHAR(1000000)",
    "content": "CHAR(1000000)",
}


def load_of(
    folder: Path,
    target: Target,
    table: str,
    *batches: pa.Table,
    expressions: Mapping[str, str] | None = None,
    measure: Mapping[str, Column | None] | None = None,
    mode: str = "TRUNCATE",
    method: str = "auto",
) -> Load:
    """The batches as a load, with the file and the control file that they would have been read from."""
    rows = [row for each in batches for row in each.to_pylist()]
    names = [name for name in (batches[0].column_names if batches else ["id"]) if name != RECORD]
    file = folder / "everything.dat"
    file.write_text(
        "".join("|".join(map(_field, map(row.get, names))) + "#EOR#\n" for row in rows), "utf-8", newline=""
    )
    made = expressions or {}
    known = {column.name for column in target.describe(table)}
    fields = [
        f"{name} {_KINDS.get(name, 'CHAR(4000)')}" + (f' "{_escaped(made[name])}"' if name in made else "")
        if name in known
        else f"{name} BOUNDFILLER CHAR(4000)"
        for name in names
    ]
    fields += [f'{name} EXPRESSION "{_escaped(sql)}"' for name, sql in made.items() if name not in names]
    control = parse_control_file(
        f"LOAD DATA INFILE 'x' \"STR '#EOR#\\n'\" {mode} INTO TABLE {table.rpartition('.')[2]} FIELDS TERMINATED BY '|'"
        " OPTIONALLY ENCLOSED BY '\"' TRAILING NULLCOLS (" + ", ".join(fields) + ")",
        "everything.ctl",
    )
    return Load(
        table=table,
        control=control,
        file=file,
        batches=_numbered(batches),
        expressions=made,
        measure=measure or {},
        rejected=set(),
        max_rejected=0,
        reject=lambda rejection: pytest.fail(f"refused: {rejection}"),
        work_prefix=folder / "aside",
        method=method,
    )


def _escaped(sql: str) -> str:
    return sql.replace('"', '\\"')


def _field(value: str | None) -> str:
    return "" if value is None else '"' + value.replace('"', '""') + '"'


def _numbered(batches: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """The batches with their records' numbers, as the loader's reader gives them."""
    first = 1
    for each in batches:
        numbers = pa.array(range(first, first + each.num_rows), pa.int64())
        yield each if RECORD in each.column_names else each.append_column(RECORD, numbers)
        first += each.num_rows


def content(engine: Engine, columns: str = "id, name", table: str = "tmp_everything") -> list[tuple[Any, ...]]:
    return engine.sql(f"SELECT {columns} FROM {table} ORDER BY 1")


def copy(engine: Engine, query: str, folder: Path) -> tuple[DatWriter, Loaded]:
    """Query to file to table, as the stages do it: what was written, and what the table has."""
    file = io.BytesIO()
    with engine.source.open(query, batch_rows=2) as opened:
        writer = DatWriter(file, opened.columns, FileDigester(opened.columns))
        for rows in opened.batches:
            writer.write(rows)
    file.seek(0)
    names = [column.name for column in opened.columns]
    fields = ",\n".join(f"{name} {CTL_FIELDS[name]}" for name in names)
    control = parse_control_file(CTL.format(fields=fields), "everything.ctl")
    base = {column.name: column for column in engine.target.describe("tmp_everything")}
    counts = LoadCounts(folder / "bad", folder / "discard", control.record_end, 1)
    found: list[Loaded] = []
    replace(
        engine,
        *read_frames(file, control, match_fields(control, base), opened.columns, counts),
        measure={column.name: column for column in opened.columns},
        digest=[(column.name, column) for column in opened.columns],
        verify=found.append,
    )
    assert counts.rejects == []
    return writer, found[0]


class EveryDatabaseBehaviour:
    """``engine`` is a source and a target in databases of their own, with the ledger's tables in the target."""

    @pytest.fixture(autouse=True)
    def made(self, engine: Engine) -> None:
        engine.target.apply(engine.target.missing(DDL, Path("ddl/everything.sql")), "ddl/everything.sql")

    @pytest.fixture
    def loaded(self, engine: Engine) -> list[tuple[Any, ...]]:
        """What the table holds before a test does something to it."""
        replace(engine, batch(id=["1", "2"], name=["Ada", "Grace"]))
        return content(engine)

    @pytest.fixture
    def everything(self, engine: Engine) -> None:
        rows = [
            f"1, TRUE, 9223372036854775807, {NINES}, 1234567890123456789012345678.0123456789, -0.01, 'Ada', 'abc',"
            f" 'x', '0001-01-01', '0001-01-01 00:00:00', '2030-07-01 10:00:00.5-07:00', {engine.raw('DEADBEEF00')}, 0.1",
            f"2, FALSE, -9223372036854775808, -{NINES}, -0.0000000001, 999999.99, '  Grace  ', 'de ', 'a\"b|c',"
            f" '9999-12-31', '9999-12-31 23:59:59.999999', '2030-01-01 10:00:00.000001+05:30', {engine.raw('00')}, 1e300",
            f"2147483647, NULL, 0, 0, 0, 0, 'Żółć 数学', 'x  ', 'line\r\n\\.\nend', '2024-02-29',"
            f" '2024-02-29 12:00:00.5', '2024-02-29 23:59:59+00:00', {engine.raw('FFFE')}, -5e-324",
            "2147483646, TRUE, 9223372036854775806, 12345678901234567890, 100, 0.5, '#EOR#', NULL, NULL, NULL, NULL,"
            " NULL, NULL, -1.5",
            "5" + ", NULL" * 13,
        ]
        engine.sql(SOURCE_TABLE, *(f"INSERT INTO everything VALUES ({row})" for row in rows))

    # From source to table

    def test_every_value_arrives_exactly(self, engine: Engine, everything: None, tmp_path: Path) -> None:
        copy(engine, f"SELECT {COLUMNS} FROM everything ORDER BY id", tmp_path)
        arrived = content(engine, VALUES)
        assert len(arrived) == 5
        assert arrived == content(engine, VALUES, "everything")

    def test_the_tables_figures_are_the_files_figures(self, engine: Engine, everything: None, tmp_path: Path) -> None:
        writer, found = copy(engine, f"SELECT {COLUMNS} FROM everything ORDER BY id", tmp_path)
        written = writer.figures
        assert found.rows == 5
        assert found.figures == written
        assert {name for name, figures in written.items() if figures.non_null == 5} == {"id"}
        assert written["id"].total == str(1 + 2 + 5 + 2147483646 + 2147483647)
        assert written["big"].total == str(9223372036854775806 - 1)
        assert written["content"].characters == 16
        assert written["zoned"].lowest == "2024-02-29 23:59:59"

    @pytest.mark.parametrize("name", COLUMNS.split(", ")[1:])
    def test_the_digest_of_a_table_is_the_files_and_changes_with_one_value(
        self, engine: Engine, everything: None, tmp_path: Path, name: str
    ) -> None:
        query = f"SELECT id, {name} FROM everything ORDER BY id"
        writer, found = copy(engine, query, tmp_path)
        if name in engine.not_hashed:
            assert found.hashed == ("id",)
            return
        assert found.digest == writer.digest
        engine.sql(f"UPDATE everything SET {name} = NULL WHERE id = 2")
        assert copy(engine, query, tmp_path)[1].digest != found.digest

    def test_values_that_are_exchanged_between_rows_change_the_digest(
        self, engine: Engine, everything: None, tmp_path: Path
    ) -> None:
        query = "SELECT id, price, name FROM everything ORDER BY id"
        first = copy(engine, query, tmp_path)[1]
        engine.sql(
            "UPDATE everything SET name = CASE id WHEN 1 THEN '  Grace  ' ELSE 'Ada' END WHERE id IN (1, 2)",
        )
        second = copy(engine, query, tmp_path)[1]
        assert first.figures == second.figures
        assert first.digest != second.digest

    def test_a_copy_of_nothing_empties_the_table(
        self, engine: Engine, everything: None, loaded: object, tmp_path: Path
    ) -> None:
        writer, found = copy(engine, f"SELECT {COLUMNS} FROM everything WHERE id < 0", tmp_path)
        assert (found.rows, content(engine)) == (0, [])
        assert found.figures == writer.figures
        assert found.digest in (writer.digest, None)

    def test_batches_are_as_small_as_asked_for(self, engine: Engine, everything: None) -> None:
        with engine.source.open("SELECT id FROM everything", batch_rows=2) as opened:
            assert [rows.num_rows for rows in opened.batches] == [2, 2, 1]

    def test_a_query_may_be_left_half_way(self, engine: Engine, everything: None) -> None:
        many = "SELECT a.id FROM everything a, everything b, everything c, everything d, everything e, everything f"
        with engine.source.open(many, batch_rows=10) as opened:
            next(opened.batches)
        with engine.source.open("SELECT id FROM everything", batch_rows=10) as opened:
            assert sum(rows.num_rows for rows in opened.batches) == 5

    def test_a_query_that_the_database_refuses_is_not_tried_again(self, engine: Engine) -> None:
        with (
            pytest.raises(PermanentError, match=r"no_such_table|ORA-00942"),
            engine.source.open("SELECT id FROM no_such_table", batch_rows=10),
        ):
            pass

    # The base table

    def test_a_table_is_described_as_its_ddl_says(self, engine: Engine) -> None:
        assert engine.target.describe("tmp_everything") == parse_ddl(DDL, Path("x.sql")).tables[0].columns

    def test_a_table_that_is_not_there_is_named(self, engine: Engine) -> None:
        with pytest.raises(PermanentError, match="tmp_nothing"):
            engine.target.describe("tmp_nothing")

    def test_null_stays_null_and_text_without_characters_is_what_the_engine_makes_of_it(self, engine: Engine) -> None:
        replace(engine, batch(id=["1", "2", "3"], name=["", None, "x"]))
        assert content(engine) == [(1, engine.empty), (2, None), (3, "x")]

    def test_hostile_text_stays_as_it_is(self, engine: Engine) -> None:
        half = len(HOSTILE) // 2
        ids = [str(n) for n in range(len(HOSTILE))]
        replace(
            engine,
            batch(id=ids[:half], note=HOSTILE[:half]),
            batch(id=ids[half:], note=HOSTILE[half:]),
        )
        assert content(engine, "id, note") == list(enumerate(HOSTILE))

    def test_hostile_text_stays_as_it_is_in_a_table_of_one_column(self, engine: Engine) -> None:
        ddl = "CREATE TABLE tmp_one (note CLOB);"
        engine.target.apply(engine.target.missing(ddl, Path("one.sql")), "one.sql")
        replace(engine, batch(note=[*HOSTILE, None, ""]), table="tmp_one")
        found = [value for (value,) in engine.sql("SELECT note FROM tmp_one")]
        assert sorted(found, key=repr) == sorted([*HOSTILE, None, engine.empty], key=repr)

    def test_loading_twice_is_loading_once(self, engine: Engine) -> None:
        for _ in range(2):
            replace(engine, batch(id=["1"], name=["a"]), batch(id=["2"], name=["b"]))
        assert content(engine) == [(1, "a"), (2, "b")]

    def test_what_is_not_measured_is_counted(self, engine: Engine) -> None:
        found: list[Loaded] = []
        replace(engine, batch(id=["1", "2"], name=["a", None]), measure={"name": None, "id": None}, verify=found.append)
        assert found == [Loaded(2, {"name": Figures(non_null=1), "id": Figures(non_null=2)})]

    def test_an_expression_gives_what_oracle_would(self, engine: Engine) -> None:
        replace(
            engine,
            batch(id=["1", "2"], name=["ada", None], extra=["x", "y"]),
            batch(id=["3"], name=["it's :name"], extra=["z"]),
            expressions={"name": "UPPER(:name) || ' (:name) ' || :\"EXTRA\"", "price": "1.25"},
        )
        assert [(int(n), name, float(price)) for n, name, price in content(engine, "id, name, price")] == [
            (1, "ADA (:name) x", 1.25),
            (2, " (:name) y", 1.25),
            (3, "IT'S :NAME (:name) z", 1.25),
        ]

    # A load that must not be

    def test_a_copy_that_is_not_proved_leaves_the_table_as_it_was(self, engine: Engine, loaded: object) -> None:
        with pytest.raises(DataError, match="not the file"):
            replace(engine, batch(id=["7"], name=["wrong"]), verify=refused)
        assert content(engine) == loaded

    @pytest.mark.parametrize("allowed", [0, 1])
    def test_a_load_that_may_not_go_on_leaves_the_table_as_it_was(
        self, engine: Engine, loaded: object, allowed: int
    ) -> None:
        asked = []

        def check(session: Session | None) -> None:
            asked.append(content)
            if len(asked) > allowed:
                raise Interrupted("stop")

        with pytest.raises(Interrupted):
            replace(engine, batch(id=["7"], name=["late"]), check=check)
        assert len(asked) == allowed + 1
        assert content(engine) == loaded

    def test_a_file_that_ends_in_an_error_leaves_the_table_as_it_was(self, engine: Engine, loaded: object) -> None:
        def batches() -> Iterable[pa.Table]:
            yield half
            raise Interrupted("stop")

        half = batch(id=["7"], name=["half"])
        with tempfile.TemporaryDirectory() as folder:
            load = load_of(Path(folder), engine.target, "tmp_everything", half, mode=engine.mode, method=engine.method)
            load = dataclasses.replace(load, batches=_numbered(batches()))
            with pytest.raises(Interrupted):
                engine.target.replace(load, verify=believed, check=nothing)
        assert content(engine) == loaded

    # The view

    def test_a_view_shows_the_tables_content_once_it_is_refreshed(self, engine: Engine, loaded: object) -> None:
        assert engine.target.refresh("campus_everything", check=nothing) == 2
        replace(engine, batch(id=["3"], name=["new"]))
        assert content(engine, table="campus_everything") == loaded
        assert engine.target.refresh("campus_everything", check=nothing) == 1
        assert content(engine, table="campus_everything") == [(3, "new")]

    def test_a_refresh_that_may_not_go_on_leaves_the_view_as_it_was(self, engine: Engine, loaded: object) -> None:
        def check(session: Session | None) -> None:
            raise Interrupted("stop")

        with pytest.raises(Interrupted):
            engine.target.refresh("campus_everything", check=check)
        assert content(engine, table="campus_everything") == []

    def test_readers_never_see_less(self, engine: Engine) -> None:
        replace(engine, batch(id=[str(n) for n in range(1000)], name=["x"] * 1000))
        engine.target.refresh("campus_everything", check=nothing)
        done = threading.Event()
        seen: list[int] = []

        def read() -> None:
            while not done.is_set():
                seen.append(engine.sql("SELECT count(*) FROM campus_everything")[0][0])

        reader = threading.Thread(target=read)
        reader.start()
        try:
            for turn in range(5):
                replace(engine, batch(id=[str(n) for n in range(1000 + turn)], name=["y"] * (1000 + turn)))
                engine.target.refresh("campus_everything", check=nothing)
        finally:
            done.set()
            reader.join()
        assert seen
        assert seen == sorted(seen)
        assert set(seen) <= set(range(1000, 1005))

    def test_a_view_that_is_not_there_is_named(self, engine: Engine) -> None:
        with pytest.raises(PermanentError, match="campus_nothing"):
            engine.target.refresh("campus_nothing", check=nothing)

    # Making tables and views

    def test_what_was_made_is_not_missing(self, engine: Engine) -> None:
        assert engine.target.missing(DDL, Path("everything.sql")) == []


class DatabasesBehaviour(EveryDatabaseBehaviour):
    """What holds besides where making and loading are one transaction each: on every engine but Oracle."""

    @pytest.mark.parametrize(
        "wrong",
        [batch(id=["7", "7"], name=["secret", "secret"]), batch(id=[None], name=["secret"])],
        ids=["key", "null"],
    )
    def test_a_violated_constraint_fails_the_load_and_shows_no_value(
        self, engine: Engine, loaded: object, wrong: pa.Table
    ) -> None:
        with pytest.raises(DataError) as caught:
            replace(engine, wrong)
        assert "tmp_everything" in str(caught.value)
        assert "secret" not in str(caught.value)
        assert "7" not in caught.value.message
        assert content(engine) == loaded

    def test_making_is_all_or_nothing_and_may_be_repeated(self, engine: Engine) -> None:
        ddl = "CREATE TABLE tmp_more (id NUMBER(5)); CREATE MATERIALIZED VIEW more AS SELECT id FROM tmp_more;"
        wanted = engine.target.missing(ddl, Path("more.sql"))
        with pytest.raises(PermanentError):
            engine.target.apply([*wanted, "CREATE NONSENSE"], "more.sql")
        assert engine.target.missing(ddl, Path("more.sql")) == wanted
        engine.target.apply(wanted, "more.sql")
        assert engine.target.missing(ddl, Path("more.sql")) == []
        assert engine.target.refresh("more", check=nothing) == 0

"""The digest of a table finds what statistics do not: seeded mutations of a loaded table, on every engine."""

from __future__ import annotations

import dataclasses
import io
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
from tests.behaviours.databases import Engine, batch, load_of, nothing
from tests.given import MUTATIONS

from canvas_replicate.databases.duckdb.digesting import FileDigester
from canvas_replicate.databases.ports import Loaded, Showing
from canvas_replicate.datfile.columns import Column, column_from_oracle_type
from canvas_replicate.datfile.digest import RowDigest
from canvas_replicate.datfile.writer import DatWriter
from canvas_replicate.errors import DataError

DDL = """
CREATE TABLE tmp_mutated (
  id      NUMBER(9,0) NOT NULL,
  name    VARCHAR2(40 CHAR),
  price   NUMBER(8,2),
  born    DATE,
  seen    TIMESTAMP(6),
  zoned   TIMESTAMP(6) WITH TIME ZONE
);
CREATE MATERIALIZED VIEW campus_mutated AS SELECT id, name AS full_name, price, born, seen, zoned FROM tmp_mutated;
CREATE MATERIALIZED VIEW campus_partly AS SELECT seen, id, UPPER(name) AS name, price FROM tmp_mutated t ORDER BY id;
CREATE MATERIALIZED VIEW campus_filtered AS SELECT id, name, price, born, seen FROM tmp_mutated WHERE id > 9;
"""
OTHER_DDL = """
CREATE TABLE tmp_other (
  id      NUMBER(9,0) NOT NULL,
  price   NUMBER(12,4),
  exact   NUMBER,
  wide    NUMBER(38,10),
  amount  NUMBER(8,2),
  remark  VARCHAR2(4000),
  born    TIMESTAMP(6),
  seen    TIMESTAMP(6),
  code    RAW(16),
  units   NUMBER(9,0),
  zoned   TIMESTAMP(6) WITH TIME ZONE
);
"""
OTHER_TYPES = {
    "id": "NUMBER(9)",
    "price": "NUMBER(8,2)",
    "exact": "NUMBER(20,3)",
    "wide": "NUMBER(9)",
    "amount": "NUMBER",
    "remark": "VARCHAR2(4000)",
    "born": "DATE",
    "seen": "TIMESTAMP(6)",
    "code": "RAW(16)",
    "units": "NUMBER(9,2)",
    "zoned": "TIMESTAMP(9) WITH TIME ZONE",
}
ZONED = "2030-01-01 00:30:00.250000000+02:00"
OTHER_ROWS = [
    (
        "1",
        "-0.50",
        "1.250",
        "1200",
        "0.5",
        'say "hi" | ',
        "2030-01-01 00:00:00",
        "2030-01-01 00:00:00.5",
        "0AFF",
        "3.00",
        ZONED,
    ),
    ("2", "100.00", "0.000", "0", "120", '"' * 4000, "2030-12-31 23:59:59", "2030-01-01 00:00:00", None, "0.00", None),
    ("3", *[None] * 10),
    (
        "4",
        "0.05",
        "-12345678901234567.890",
        "-7",
        "-120.25",
        "   ",
        None,
        "2030-01-01 00:00:00.123456",
        "00",
        None,
        ZONED,
    ),
]
TYPES = {
    "id": "NUMBER(9)",
    "name": "VARCHAR2(40 CHAR)",
    "price": "NUMBER(8,2)",
    "born": "DATE",
    "seen": "TIMESTAMP(6)",
    "zoned": "TIMESTAMP(6) WITH TIME ZONE",
}
COLUMNS = tuple(column_from_oracle_type(name, oracle_type) for name, oracle_type in TYPES.items())
DIGESTED = [(column.name, column) for column in COLUMNS]
ROWS = 12
KINDS = (
    *("exchanged values", "exchanged halves", "replaced character", "moved key", "moved date", "null", "lost zone"),
    *("dropped row", "duplicated row"),
)
NAMES = ("Ada", "é", "¿", "  Grace", "Żółć 数学", 'a"b|c', "x" * 40, None, "0", "NULL", "O'Neil", "e\u0301")


def draw_rows(draw: random.Random) -> list[dict[str, str | None]]:
    start = datetime(2000, 1, 1)
    return [
        {
            "id": str(number),
            "name": draw.choice(NAMES),
            "price": draw.choice([None, "0.00", str(Decimal(draw.randint(-99_999_999, 99_999_999)) / 100)]),
            "born": str(start + timedelta(days=draw.randint(0, 9000), seconds=draw.randint(0, 86_399))),
            "seen": draw.choice([None, str(start + timedelta(microseconds=draw.randint(0, 10**15)))]),
            "zoned": f"{start + timedelta(seconds=draw.randint(0, 10**8))}.25{draw.choice(['+02:00', '-05:30', '+00:00'])}",
        }
        for number in range(1, ROWS + 1)
    ]


def mutate(rows: list[dict[str, str | None]], draw: random.Random) -> tuple[str, list[dict[str, str | None]]]:
    """One accident that changes what the rows say; its kind, and the rows after it."""
    made = [dict(row) for row in rows]
    one, other = draw.sample(range(ROWS), 2)
    kind = draw.choice(KINDS)
    if kind == "exchanged values":
        name = draw.choice(["name", "price", "born", "seen"])
        made[one][name], made[other][name] = made[other][name], made[one][name]
    elif kind == "exchanged halves":
        for name in ("price", "born", "seen"):
            made[one][name], made[other][name] = made[other][name], made[one][name]
    elif kind == "replaced character":
        text = made[one]["name"] or "Ada"
        place = draw.randrange(len(text))
        made[one]["name"] = text[:place] + "¿" + text[place + 1 :]
    elif kind == "moved key":
        made[one]["id"] = str(100 + one)
    elif kind == "moved date":
        made[one]["born"] = made[other]["born"]
    elif kind == "lost zone":
        made[one]["zoned"] = f"{(made[one]['zoned'] or '')[:-6]}+00:00"
    elif kind == "dropped row":
        del made[one]
    elif kind == "duplicated row":
        made[other] = dict(made[one])
    else:
        made[one]["name"] = None
    return kind, made


def write_file(rows: Sequence[Mapping[str, str | None]], columns: tuple[Column, ...] = COLUMNS) -> RowDigest | None:
    """The digest of the file that an extractor would write."""
    writer = DatWriter(io.BytesIO(), columns, FileDigester(columns))
    arrays = [_to_array(column, [row[column.name] for row in rows]) for column in columns]
    writer.write(pa.table(arrays, names=[column.name for column in columns]))
    return writer.digest


def _to_array(column: Column, texts: list[str | None]) -> pa.Array:
    if column.kind == "number":
        decimals = [None if text is None else Decimal(text) for text in texts]
        return pa.array(decimals, pa.decimal128(38, 10 if column.scale is None else column.scale))
    if column.kind in ("text", "raw", "timestamp_tz"):
        return pa.array(texts, pa.large_string())
    return pa.array([None if text is None else datetime.fromisoformat(text) for text in texts], pa.timestamp("us"))


def load_rows(
    engine: Engine,
    folder: Path,
    rows: Sequence[Mapping[str, str | None]],
    delete: pa.Table | None = None,
    *,
    table: str = "tmp_mutated",
) -> None:
    folder.mkdir(exist_ok=True)
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    load = load_of(folder, engine.target, table, batch(**columns), mode=engine.mode, method=engine.method)
    engine.target.replace(dataclasses.replace(load, delete=delete), verify=lambda loaded: None, check=nothing)


def count_caught(engine: Engine, folder: Path, seed: int, mutations: int) -> tuple[Counter[str], list[str]]:
    """Mutations of a loaded table by kind, and what went wrong: a mutation that was missed, a false alarm."""
    engine.target.apply(engine.target.missing(DDL, Path("ddl/mutated.sql")), "ddl/mutated.sql")
    caught: Counter[str] = Counter()
    wrong = []
    for number in range(mutations):
        draw = random.Random(f"{seed} {number}")
        rows = draw_rows(draw)
        kind, mutated = mutate(rows, draw)
        load_rows(engine, folder, mutated)
        found = engine.target.measure("tmp_mutated", DIGESTED)
        if found.digest != write_file(mutated):
            wrong.append(f"seed {seed}, {number}: false alarm after {kind}")
        elif rows != mutated and found.digest == write_file(rows):
            wrong.append(f"seed {seed}, {number}: {kind} was missed")
        caught[kind] += rows != mutated
    return caught, wrong


class DigestBehaviour:
    """``engine`` is a target with the ledger's tables."""

    def test_every_mutation_of_a_loaded_table_changes_its_digest(self, engine: Engine, tmp_path: Path) -> None:
        caught, wrong = count_caught(engine, tmp_path / "loads", 20300101, MUTATIONS)
        print(dict(caught))
        assert wrong == []
        assert sum(caught.values()) > MUTATIONS / 2

    def test_a_table_of_many_short_columns_has_the_digest_of_its_file(self, engine: Engine, tmp_path: Path) -> None:
        columns = tuple(column_from_oracle_type(f"c{number}", "VARCHAR2(1 CHAR)") for number in range(200))
        ddl = f"CREATE TABLE tmp_many ({', '.join(f'{column.name} {column.type}' for column in columns)});"
        engine.target.apply(engine.target.missing(ddl, Path("ddl/many.sql")), "ddl/many.sql")
        values = {column.name: "abé"[place % 3] for place, column in enumerate(columns)}
        load_rows(engine, tmp_path, [values], table="tmp_many")
        found = engine.target.measure("tmp_many", [(column.name, column) for column in columns])
        assert found.digest == write_file([values], columns)

    def test_a_base_table_with_other_limits_than_the_file_has_its_digest(self, engine: Engine, tmp_path: Path) -> None:
        engine.target.apply(engine.target.missing(OTHER_DDL, Path("ddl/other.sql")), "ddl/other.sql")
        columns = tuple(column_from_oracle_type(name, oracle_type) for name, oracle_type in OTHER_TYPES.items())
        rows = [dict(zip(OTHER_TYPES, values, strict=True)) for values in OTHER_ROWS]
        load_rows(engine, tmp_path, rows, table="tmp_other")
        digested = [(column.name, column) for column in columns]
        found = engine.target.measure("tmp_other", digested)
        assert (found.hashed, found.digest) == (tuple(OTHER_TYPES), write_file(rows, columns))
        engine.sql("UPDATE tmp_other SET price = -0.5001 WHERE id = 1")
        assert engine.target.measure("tmp_other", digested).digest != found.digest

    def test_rows_with_these_keys_are_replaced_and_no_others(self, engine: Engine, tmp_path: Path) -> None:
        load_drawn_rows(engine, tmp_path)
        rows = draw_rows(random.Random(1))
        changed = [rows[2] | {"name": "changed", "born": None}, rows[5] | {"id": "77"}]
        keys = pa.table({"id": pa.array([rows[2]["id"], rows[5]["id"], rows[8]["id"]], pa.large_string())})
        load_rows(engine, tmp_path, changed, delete=keys)
        expected = [row for number, row in enumerate(rows) if number not in (2, 5, 8)] + changed
        found = engine.target.measure("tmp_mutated", DIGESTED)
        assert (found.rows, found.digest) == (ROWS - 1, write_file(expected))

    def test_a_view_that_shows_the_table_as_it_is_has_its_fingerprint(self, engine: Engine, tmp_path: Path) -> None:
        load_drawn_rows(engine, tmp_path)
        found = show(engine, "campus_mutated")
        assert (found.rows, found.fingerprint) == (ROWS, engine.target.measure("tmp_mutated", DIGESTED).fingerprint)

    def test_every_mutation_changes_the_fingerprint_too(self, engine: Engine, tmp_path: Path) -> None:
        load_drawn_rows(engine, tmp_path)
        rows = draw_rows(random.Random(1))
        found = engine.target.measure("tmp_mutated", DIGESTED)
        before = found.fingerprint
        if found.digest and before == found.digest.value:
            return  # one sum is both, and the test above is about it
        for number in range(MUTATIONS):
            kind, mutated = mutate(rows, random.Random(number))
            load_rows(engine, tmp_path, mutated)
            changed = engine.target.measure("tmp_mutated", DIGESTED).fingerprint != before
            assert changed == (mutated != rows), f"{number}: {kind}"

    def test_of_a_view_the_columns_that_it_shows_as_they_are_are_hashed(self, engine: Engine, tmp_path: Path) -> None:
        load_drawn_rows(engine, tmp_path)
        found = show(engine, "campus_partly")
        assert found.hashed == ("id", "price", "seen")
        some = [(name, column) for name, column in DIGESTED if name in found.hashed]
        assert found.fingerprint == engine.target.measure("tmp_mutated", some).fingerprint

    def test_a_view_of_some_rows_is_only_counted(self, engine: Engine, tmp_path: Path) -> None:
        load_drawn_rows(engine, tmp_path)
        found = show(engine, "campus_filtered")
        assert (found.rows, found.fingerprint) == (3, None)

    def test_a_view_that_does_not_verify_is_as_it_was(self, engine: Engine, tmp_path: Path) -> None:
        load_drawn_rows(engine, tmp_path)

        def refuse(found: Loaded) -> None:
            raise DataError("no", code="gate2.view_differs")

        with pytest.raises(DataError):
            engine.target.refresh("campus_mutated", check=nothing, showing=showing(engine, refuse))
        # Oracle's DBMS_MVIEW commits before the view can be read.
        assert engine.target.count_rows("campus_mutated") == (ROWS if engine.target.made_by_dba else 0)


def load_drawn_rows(engine: Engine, folder: Path) -> None:
    engine.target.apply(engine.target.missing(DDL, Path("ddl/mutated.sql")), "ddl/mutated.sql")
    load_rows(engine, folder, draw_rows(random.Random(1)))


def show(engine: Engine, view: str) -> Loaded:
    found: list[Loaded] = []
    engine.target.refresh(view, check=nothing, showing=showing(engine, found.append))
    return found[0]


def showing(engine: Engine, verify: Callable[[Loaded], None]) -> Showing:
    return Showing("tmp_mutated", engine.target.describe("tmp_mutated"), DIGESTED, verify)

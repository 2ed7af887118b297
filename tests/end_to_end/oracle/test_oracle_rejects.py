"""The same bad file by every way to load."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Any

import pytest
from tests.end_to_end.oracle.oracle_campus import Campus, Stages, show_base_table

from canvas_replicate.datfile.manifest import Manifest, ManifestColumn
from canvas_replicate.datfile.statistics import Figures
from canvas_replicate.datfile.storage import write_manifest
from canvas_replicate.ledger.records import Run
from canvas_replicate.stages.stage import publish_outbox

pytestmark = [
    pytest.mark.oracle,
    # The driver leaves the socket of a connection that was cut to the garbage collector.
    pytest.mark.filterwarnings("ignore:Exception ignored in. <socket:pytest.PytestUnraisableExceptionWarning"),
]

HOSTILE_CTL = """LOAD DATA INFILE 'x' "STR '#EOR#\\n'" TRUNCATE INTO TABLE tmp_hostile
FIELDS TERMINATED BY '|' OPTIONALLY ENCLOSED BY '"' TRAILING NULLCOLS
(id CHAR, name CHAR, note CHAR, born DATE "YYYY-MM-DD HH24:MI:SS", score DECIMAL EXTERNAL)"""
HOSTILE = (
    b'1|"Ada"|"good"|"2020-01-01 00:00:00"|1.25',
    b'x2|"no number"|||',
    b'3|"no date"||"2020-13-01 00:00:00"|',
    b'4|"long"|"' + b"x" * 256 + b'"||',
    b'|"no id"|||',
    b'6|"name too long"|||',
    b'7|"no second quote|||',
    b'8|"two"rest|||',
    b'9|"Bob"|"good"|"9999-12-31 23:59:59"|-999.99',
    b'10|"high"|||1234.5',
    b"||||",
    b'12|"Eve"|"gr\xc3\xbc\xc3\x9fe"||',
)
REJECTED = [
    (2, "id", "ORA-01722"),
    (3, "born", "ORA-01861"),
    (4, "note", None),
    (5, "id", "ORA-01400"),
    (6, "name", "ORA-12899"),
    (7, "name", None),
    (8, "name", None),
    (10, "score", "ORA-01438"),
]


def hostile_table(campus: Campus, key: str = "") -> None:
    campus.oracle.sql(
        "CREATE TABLE tmp_hostile (id NUMBER(6) NOT NULL, name VARCHAR2(10 CHAR), note VARCHAR2(4000 CHAR), born DATE,"
        f" score NUMBER(5,2){key})",
        "CREATE MATERIALIZED VIEW campus_hostile AS SELECT id FROM tmp_hostile",
        "INSERT INTO tmp_hostile (id) VALUES (777)",
    )
    show_base_table(campus, "CAMPUS_HOSTILE")
    campus.place.add_table("tmp_hostile", sql="SELECT 1 FROM dual", ctl=HOSTILE_CTL, ddl=None)


def published(stages: Stages, records: tuple[bytes, ...]) -> Run:
    """A run whose file is these records, as if the extractor had written them."""
    runtime, run = stages.runtime, stages.open()
    with runtime.leases.held("extract") as lease:
        assert runtime.ledger.items.begin(run.run_id, "tmp_hostile", "extracting", lease)
        path = runtime.storage.path("dat", run.run_id, "tmp_hostile")
        path.parent.mkdir(parents=True)
        path.write_bytes(b"".join(record + b"#EOR#\n" for record in records))
        columns = (
            ("id", "number", "NUMBER(6,0)"),
            ("name", "text", "VARCHAR2(10)"),
            ("note", "text", "VARCHAR2(4000)"),
        )
        columns += (("born", "date", "DATE"), ("score", "number", "NUMBER(5,2)"))
        manifest = Manifest(
            run_id=run.run_id, table="tmp_hostile", source="campus", query="q", query_sha256="0" * 64,
            file=runtime.storage.relative(path), rows=len(records), bytes=path.stat().st_size,
            sha256=hashlib.sha256(path.read_bytes()).hexdigest(), extracted_at=datetime.now(UTC), seconds=0,
            columns=tuple(
                ManifestColumn.model_validate({"name": name, "kind": kind, "type": told, "figures": Figures()})
                for name, kind, told in columns
            ),
        )  # fmt: skip
        where = runtime.storage.path("manifest", run.run_id, "tmp_hostile")
        write_manifest(where, manifest, lease.token)
        runtime.ledger.items.record_extracted(run, manifest, runtime.storage.relative(where), lease)
    publish_outbox(stages.bus, runtime.ledger)
    return run


def loaded_by(campus: Campus, method: str, records: tuple[bytes, ...], max_rejected: int) -> tuple[Any, ...]:
    """Outcome, bad file, reject rows and content after this way of loading."""
    campus.place.configure("tmp_hostile", loader=method, max_rejected=max_rejected)
    stages = Stages()
    run = published(stages, records)
    stages.work("loader")
    row = stages.row(run, "tmp_hostile")
    bad = stages.runtime.storage.path("bad", run.run_id, "tmp_hostile")
    rejects = stages.runtime.ledger.items.list_rejects(run.run_id, "tmp_hostile")
    return (
        (row.state, row.loaded, row.rejected),
        sorted(bad.read_bytes().removesuffix(b"#EOR#\n").split(b"#EOR#\n")),
        [(one.record_number, one.column, one.code) for one in rejects],
        campus.oracle.sql("SELECT id, name, note, born, score FROM tmp_hostile ORDER BY id"),
    )


def test_a_hostile_file_ends_the_same_by_every_way(campus: Campus) -> None:
    hostile_table(campus)
    sqlldr, direct, insert = (loaded_by(campus, way, HOSTILE, 99) for way in ("sqlldr", "direct", "insert"))
    assert insert[0] == ("successful", 3, 8)
    assert insert[1] == sorted(HOSTILE[number - 1] for number, *_ in REJECTED)
    assert insert[2] == REJECTED
    assert [row[0] for row in insert[3]] == [1, 9, 12]
    assert sqlldr == insert
    assert direct == insert


def test_what_only_the_database_refuses_ends_the_same_where_it_can_refuse(campus: Campus) -> None:
    hostile_table(campus, ", CONSTRAINT hostile_pk PRIMARY KEY (id)")
    records = (*HOSTILE[:2], b'1|"again"|||', b'9|"Bob"|||', b'9|"again"|||')
    sqlldr, insert = (loaded_by(campus, way, records, 3) for way in ("sqlldr", "insert"))
    assert insert[0] == ("successful", 2, 3)
    assert insert[1] == sorted(records[number - 1] for number in (2, 3, 5))
    assert insert[2] == [(2, "id", "ORA-01722"), (3, None, "ORA-00001"), (5, None, "ORA-00001")]
    assert [row[:2] for row in insert[3]] == [(1, "Ada"), (9, "Bob")]
    assert sqlldr == insert


def test_what_oracle_would_take_and_we_do_not_never_gets_into_the_view(campus: Campus) -> None:
    """A surplus field, a text that is no UTF-8, a number that would be rounded: by no way is the file published."""
    hostile_table(campus)
    records = (HOSTILE[0], b'5|"surplus"||||9', b'5|"\xff"|||', b'5|"round"|||1.234')
    for way in ("sqlldr", "direct", "insert"):
        outcome, _, rejects, _ = loaded_by(campus, way, records, 0)
        assert outcome[0] == "failed"
        assert [number for number, *_ in rejects] == [2, 3, 4]
    assert campus.oracle.sql("SELECT id FROM campus_hostile") == [(777,)]


def test_without_rejects_allowed_sqlldr_is_not_even_started(campus: Campus) -> None:
    hostile_table(campus)
    outcome, bad, rejects, content = loaded_by(campus, "sqlldr", HOSTILE, 0)
    assert outcome == ("failed", None, 8)
    assert bad == sorted(HOSTILE[number - 1] for number, *_ in REJECTED)
    assert rejects == REJECTED
    assert content == [(777, None, None, None, None)]
    assert campus.oracle.control.statements("TRUNCATE TABLE|DELETE FROM .*tmp_hostile") == []
    for way in ("direct", "insert"):
        assert loaded_by(campus, way, HOSTILE, 0)[0][0] == "failed"
    assert campus.oracle.sql("SELECT id FROM campus_hostile") == [(777,)]

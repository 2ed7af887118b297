"""The flights once more, from PostgreSQL through separate processes and a broker into PostgreSQL."""

from __future__ import annotations

import io

import polars as pl
import psycopg
import pytest
from tests.chain import Chain
from tests.end_to_end.test_flights import CTL, DDL, KEY, KINDS, published

pytestmark = [pytest.mark.rabbitmq, pytest.mark.postgresql]

IN_SOURCE = {"integer": "integer", "text": "text", "moment": "timestamp"}
AS_TEXT = {"moment": 'to_char({0}, \'YYYY-MM-DD"T"HH24:MI:SS"Z"\')'}

__all__ = ["published"]  # the fixture


def test_every_cell_of_the_flights_arrives_through_the_chain(published: bytes, empty_chain: Chain) -> None:
    expected = pl.read_csv(io.BytesIO(published), infer_schema=False, null_values="NA")
    place = empty_chain.place
    columns = ", ".join(f"{name} {IN_SOURCE[kind]}" for name, kind in KINDS.items())
    place.source_sql("CREATE SCHEMA air", f"CREATE TABLE air.flights ({columns})")
    source = place.source
    with (
        psycopg.connect(source.server.url_of(source.name), password=source.server.password) as session,
        session.cursor().copy("COPY air.flights FROM STDIN (FORMAT csv, HEADER, NULL 'NA')") as copy,
    ):
        copy.write(published)
    query = f"SELECT {', '.join(KINDS)} FROM air.flights"
    place.add_table("tmp_flights", sql=query, ctl=CTL, ddl=DDL, mvtable="air_flights")
    assert place.run("replicate", "init-db").code == 0
    for stage in ("extractor", "loader"):
        empty_chain.start(stage)
    run_id = empty_chain.trigger()
    empty_chain.wait_closed(run_id, 180)
    assert empty_chain.states(run_id) == {"tmp_flights": "successful"}
    cells = ", ".join(AS_TEXT.get(kind, "{0}::text").format(name) for name, kind in KINDS.items())
    found = pl.DataFrame(
        empty_chain.target.sql(f"SELECT {cells} FROM air_flights"), schema=dict.fromkeys(KINDS, pl.String), orient="row"
    )
    assert found.sort(KEY).equals(expected.sort(KEY))

"""Rows from a query to a file to a base table, as the stages carry them, on a real Oracle."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tests.behaviours.databases import believed, nothing
from tests.real_oracle.real_oracle import wait_until

from canvas_replicate.cli.scaffold.control_text import control_text
from canvas_replicate.cli.scaffold.names import Names
from canvas_replicate.control_file import ControlFile, parse_control_file
from canvas_replicate.databases.oracle.target import OracleTarget
from canvas_replicate.databases.ports import Load, Loaded, Rejection, SnapshotUnavailable, Source, WiderNumbers
from canvas_replicate.datfile.columns import Column, column_from_oracle_type
from canvas_replicate.datfile.statistics import Figures
from canvas_replicate.datfile.writer import DatWriter
from loader.batches import match_fields, read_frames
from loader.counts import LoadCounts


def values(source: Source, query: str, **how: Any) -> list[tuple[Any, ...]]:
    with source.open(query, batch_rows=100, **how) as opened:
        return [tuple(row.values()) for rows in opened.batches for row in rows.to_pylist()]


def exact_values(source: Source, query: str) -> list[tuple[Any, ...]]:
    """As the extractor reads: once more where a number needs it."""
    try:
        return values(source, query)
    except WiderNumbers:
        return values(source, query, wide_numbers=True)


def wait_for_moments(source: Source, *queries: str) -> int:
    """A moment at which all can be read: right after DDL Oracle has none yet (ORA-01466, oracle.md 4.5)."""
    found: list[int] = []

    def readable() -> bool:
        moment = source.moment()
        try:
            for query in queries:
                values(source, query, as_of=moment)
        except SnapshotUnavailable as error:
            if "ORA-01466" not in error.message:
                raise
            return False
        found.append(moment)
        return True

    wait_until(readable, "a moment at which new tables can be read", 60)
    return found[0]


def write_dat(source: Source, query: str, path: Path) -> tuple[tuple[Column, ...], Mapping[str, Figures]]:
    """The query as a ``.dat`` file; its columns and their figures."""
    try:
        return _written(source, query, path, wide_numbers=False)
    except WiderNumbers:
        return _written(source, query, path, wide_numbers=True)


def _written(
    source: Source, query: str, path: Path, *, wide_numbers: bool
) -> tuple[tuple[Column, ...], Mapping[str, Figures]]:
    with path.open("wb") as file, source.open(query, batch_rows=100, wide_numbers=wide_numbers) as opened:
        writer = DatWriter(file, opened.columns)
        for batch in opened.batches:
            writer.write(batch)
    return opened.columns, writer.figures


def as_written(control: str) -> str:
    """A control file as `replicate table add` writes it."""
    return control


def control_of(
    table: str, columns: tuple[Column, ...], *, text_limit: int = 4000, edit: Callable[[str], str] = as_written
) -> ControlFile:
    """What `replicate table add` writes for these columns, with REPLACE."""
    names = Names(table, table, table, f"{table}_view")
    text = control_text(names, columns, text_limit=text_limit, for_oracle=True)
    return parse_control_file(edit(text.replace("TRUNCATE", "REPLACE")), f"{table}.ctl")


def load_file(
    target: OracleTarget,
    control: ControlFile,
    path: Path,
    *,
    method: str,
    columns: tuple[Column, ...] = (),
    measure: Mapping[str, Column | None] | None = None,
    max_rejected: int = 0,
    verify: Callable[[Loaded], None] = believed,
) -> list[Rejection]:
    """The file read, checked and loaded; what the database refused. What the file's reader refused fails the test.

    ``columns`` are the file's, where it was written with bare numbers.
    """
    base = {column.name: column for column in target.describe(control.table)}
    counts = LoadCounts(path.with_suffix(".rejected"), path.with_suffix(".discarded"), control.record_end, 1)
    written = columns or [column_from_oracle_type(field.name, "CLOB") for field in control.data_fields]
    refused: list[Rejection] = []
    with path.open("rb") as file:
        load = Load(
            table=control.table,
            control=control,
            file=path,
            batches=read_frames(file, control, match_fields(control, base), written, counts),
            expressions={one.name: one.expression for one in control.fields if one.expression and not one.filler},
            measure=measure or {},
            rejected=counts.rejected_records,
            max_rejected=max_rejected,
            reject=refused.append,
            work_prefix=path.with_suffix(".aside"),
            method=method,
        )
        target.replace(load, verify=verify, check=nothing)
    assert counts.rejects == []
    return refused


def carry(
    source: Source,
    target: OracleTarget,
    folder: Path,
    query: str,
    *,
    method: str,
    table: str = "tmp_copied",
    text_limit: int = 4000,
    edit: Callable[[str], str] = as_written,
) -> tuple[Mapping[str, Figures], Mapping[str, Figures]]:
    """Query to file to table; the file's and the table's figures of what is loaded as it stands."""
    path = folder / f"{table}.dat"
    columns, written = write_dat(source, query, path)
    control = control_of(table, columns, text_limit=text_limit, edit=edit)
    transformed = {one.name for one in control.fields if one.expression}
    measure = {column.name: column for column in columns if column.name not in transformed}
    found: list[Loaded] = []
    load_file(target, control, path, method=method, columns=columns, measure=measure, verify=found.append)
    return {name: written[name] for name in measure}, found[0].figures

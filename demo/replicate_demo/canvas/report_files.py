"""The file of a finished report: one CSV, or an archive of several (fact sheet 1.8)."""

from __future__ import annotations

import secrets
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import chain, islice
from pathlib import Path

from replicate_demo.canvas.csv_text import write_csv
from replicate_demo.canvas.faults import Fault
from replicate_demo.canvas.files import StoredFile, keep, keep_bytes
from replicate_demo.canvas.model import ACCOUNT_ZONE
from replicate_demo.canvas.report_model import Report
from replicate_demo.canvas.report_rows import HEADERS, Row, Scope, report_rows
from replicate_demo.canvas.site import Site

_CHUNK_BYTES = 64 * 1024


def keep_report(site: Site, report: Report, kinds: Sequence[str], scope: Scope, now: float) -> StoredFile:
    """Make the file of these kinds, at least one, and keep it among the site's files."""
    stem = f"{report.type}_{datetime.fromtimestamp(now, UTC).astimezone(ACCOUNT_ZONE):%d_%b_%Y}_{report.id}"
    if len(kinds) > 1:
        path = site.folder / f"{stem}.zip"
        _write_archive(path, {f"{kind}.csv": _write_csv(site, report, kind, scope) for kind in kinds})
        return keep(site, path.name, "application/zip", path.stat().st_size, lambda: _read_chunks(path), now)
    # Canvas writes it into a temporary file, whose digits show in the name.
    name = f"{stem}{secrets.randbelow(10**6):06d}.csv"
    return keep_bytes(site, name, "text/csv", b"".join(_write_csv(site, report, kinds[0], scope)), now)


def _write_csv(site: Site, report: Report, kind: str, scope: Scope) -> Iterator[bytes]:
    header: Sequence[str] = HEADERS[kind]
    rows: Iterable[Row] = () if report.empty else report_rows(site.state, kind, scope)
    for drift in report.drifts:
        header, rows = _apply_drift(drift, header, rows)
    return write_csv(header, rows)


def _apply_drift(drift: Fault, header: Sequence[str], rows: Iterable[Row]) -> tuple[Sequence[str], Iterable[Row]]:
    """A file without that column stays as it is."""
    if drift.name == "second_header":
        rest = iter(rows)
        return header, chain(islice(rest, 1), [list(header)], rest)
    if drift.name == "extra_column":
        return [drift.column, *header], ([None, *row] for row in rows)
    if drift.column not in header:
        return header, rows
    place = header.index(drift.column)
    if drift.name == "renamed_column":
        return [*header[:place], drift.to, *header[place + 1 :]], rows
    return [*header[:place], *header[place + 1 :]], ([*row[:place], *row[place + 1 :]] for row in rows)


def _write_archive(path: Path, members: dict[str, Iterator[bytes]]) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, chunks in members.items():
            with archive.open(name, "w", force_zip64=True) as member:
                member.writelines(chunks)


def _read_chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            yield chunk

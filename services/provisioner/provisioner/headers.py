"""Headers of report files: columns are matched by name, never by place (canvas-api facts, 2.0)."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from canvas_replicate.errors import DataError
from provisioner.csv_reader import normalize_name, read_records
from provisioner.report_schemas import KINDS


@dataclass(frozen=True)
class Header:
    """Differences from the expected header.

    Attributes:
        missing: wanted columns that are not there.
        extra: columns that no known Canvas writes into this kind of file.
        renamed: for a missing column the extra one with a similar name; a guess, only for the message.
    """

    missing: tuple[str, ...]
    extra: tuple[str, ...]
    renamed: Mapping[str, str] = field(default_factory=dict)


def read_header(path: Path, kind: str, wanted: Sequence[str]) -> Header:
    """``wanted``: names of the control file. Raises DataError as ``read_names`` does."""
    names = read_names(path, kind)
    missing = tuple(name for name in wanted if normalize_name(name) not in names)
    extra = tuple(name for name in names if name not in KINDS[kind].columns)
    likely = ((name, _find_similar(name, extra)) for name in missing)
    return Header(missing, extra, {name: near for name, near in likely if near})


def read_names(path: Path, kind: str) -> tuple[str, ...]:
    """The file's columns in their order, lower case and stripped. Raises DataError with code ``report.header`` for a
    missing header, a first line that names no column of this kind, a column without a name, a duplicate name.
    """
    with closing(read_records(path)) as found:
        _, header = next(found, (1, []))
    names = tuple(map(normalize_name, header))
    if not set(names) & set(KINDS[kind].columns):
        raise _build_refusal(path, f"the first line is not the header of a {kind} file")
    for place, name in enumerate(names):
        # The message has only places: a damaged first line may be a row.
        if not name:
            raise _build_refusal(path, f"column {place + 1} has no name")
        if name in names[:place]:
            raise _build_refusal(path, f"columns {names.index(name) + 1} and {place + 1} have the same name")
    return names


def _find_similar(name: str, names: Collection[str]) -> str | None:
    return next(iter(difflib.get_close_matches(normalize_name(name), names, n=1)), None)


def _build_refusal(path: Path, what: str) -> DataError:
    step = "Look at the file; Canvas's documentation of the provisioning report lists its columns."
    return DataError(f"{path}:1: {what}.", code="report.header", next_step=step)

"""The manifest: the facts about one published ``.dat`` file. Written last, never changed."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from canvas_replicate.datfile.columns import Column, Kind
from canvas_replicate.datfile.digest import RowDigest
from canvas_replicate.datfile.statistics import Figures
from canvas_replicate.errors import DataError
from canvas_replicate.names import RunId, TableName

if TYPE_CHECKING:
    from canvas_replicate.datfile.writer import DatWriter

# From which moment a file's rows are.
SnapshotKind = Literal["query", "run", "none"]
# What people read of a table whose schedule asks for one moment for the whole run, and that was read without.
NO_SNAPSHOT = "snapshot: none (read as of its own start, not of the run's moment)"


class ManifestColumn(BaseModel):
    """A column of the file, in file order.

    ``empty_strings`` counts values that were empty text in the source and are NULL here, as in Oracle.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: str
    type: str
    kind: Kind
    precision: int | None = None
    scale: int | None = None
    length: int | None = None
    empty_strings: int = 0
    figures: Figures

    def column(self) -> Column:
        return Column(self.name, self.kind, self.type, self.precision, self.scale, self.length)


class MissingColumn(BaseModel):
    """A column that Canvas's file lacks; ``renamed`` is the unknown one whose name looks like it: a guess."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: str
    renamed: str | None = None


class Manifest(BaseModel):
    """``snapshot`` is the moment of the rows: ``query`` (one statement's read consistency), ``run`` (the moment of the
    whole run; then ``scn`` is set), or ``none``: the run's moment was configured but not possible, for the reason in
    ``snapshot_refused``. ``notes`` are for people. ``missing_columns`` is written only if Canvas's file lacked some.
    ``digest`` is that of all rows.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    version: Literal[1] = 1
    run_id: RunId
    table: TableName
    source: str
    query: str
    query_sha256: str
    file: str
    rows: int
    bytes: int
    sha256: str
    snapshot: SnapshotKind = "query"
    scn: int | None = None
    snapshot_refused: str | None = None
    extracted_at: AwareDatetime
    seconds: float
    notes: tuple[str, ...] = ()
    # Left out where it is empty, because older readers refuse a key that they do not know.
    missing_columns: tuple[MissingColumn, ...] = Field(default=(), exclude_if=lambda columns: not columns)
    # Left out where there is none, as in files of earlier releases.
    digest: RowDigest | None = Field(default=None, exclude_if=lambda digest: digest is None)
    columns: tuple[ManifestColumn, ...]

    def list_notes(self) -> list[str]:
        """What people read about the file, in the message of its table."""
        return [*self.notes, *([NO_SNAPSHOT] if self.snapshot == "none" else [])]


@dataclass(frozen=True)
class Origin:
    """Where the rows of a file come from, in the words of the manifest."""

    run_id: str
    table: str
    source: str
    query: str
    extracted_at: datetime
    snapshot: SnapshotKind = "query"
    scn: int | None = None
    snapshot_refused: str | None = None


def build_manifest(
    origin: Origin,
    writer: DatWriter,
    *,
    file: str,
    seconds: float,
    notes: tuple[str, ...] = (),
    missing_columns: tuple[MissingColumn, ...] = (),
) -> Manifest:
    """The manifest of the file that ``writer`` wrote; ``file`` is the path below the storage's root."""
    return Manifest(
        **vars(origin),
        query_sha256=hashlib.sha256(origin.query.encode()).hexdigest(),
        file=file,
        rows=writer.rows,
        bytes=writer.bytes,
        sha256=writer.sha256,
        seconds=seconds,
        notes=notes,
        missing_columns=missing_columns,
        digest=writer.digest,
        columns=tuple(
            ManifestColumn(
                **{name: value for name, value in vars(column).items() if name != "nullable"},
                empty_strings=writer.empty_strings[column.name],
                figures=writer.figures[column.name],
            )
            for column in writer.columns
        ),
    )


def read_manifest(path: Path) -> Manifest:
    """Raises DataError when the manifest is missing or is not one."""
    again = f"Extract the table again: replicate rerun {path.name.partition('.')[0]}"
    try:
        return Manifest.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise DataError(f"{path} is not there.", code="manifest.missing", next_step=again) from None
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "content"
        raise DataError(f"{path}: {where}: {first['msg']}.", code="manifest.unreadable", next_step=again) from None

"""The manifest: what is known of one published ``.dat`` file. Written last, never changed."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from canvas_replicate.datfile.columns import Column, Kind
from canvas_replicate.datfile.statistics import Figures
from canvas_replicate.errors import DataError
from canvas_replicate.names import RunId, TableName

# What people are told of a table whose schedule asks for one moment for the whole run, and that was read without.
NO_SNAPSHOT = "snapshot: none (read by itself, not as of the run's moment)"


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


class Manifest(BaseModel):
    """``snapshot`` says from which moment the rows are: ``query`` (one statement's own read consistency), ``run`` (the
    moment the whole run reads as of; then ``scn`` is set), or ``none``: that moment was asked for and could not be had,
    for the reason in ``snapshot_refused``, so that the rows are consistent in themselves only. ``notes`` are what
    people should hear of the rows."""

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
    snapshot: Literal["query", "run", "none"] = "query"
    scn: int | None = None
    snapshot_refused: str | None = None
    extracted_at: AwareDatetime
    seconds: float
    notes: tuple[str, ...] = ()
    columns: tuple[ManifestColumn, ...]


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

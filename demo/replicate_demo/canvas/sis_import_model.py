"""One SIS import, with the texts that were uploaded."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar


@dataclass
class RowError:
    file: str
    row: int  # 1 is the first row below the header; 0: the file as a whole
    message: str
    fatal: bool = False  # an error rather than a warning


@dataclass
class SisImport:
    """States: created, importing, imported, imported_with_messages, failed_with_messages, aborted.

    An aborted one never gets ``ended_at`` (fact sheet 4.13). ``files`` are (name, bytes) as found in the upload.
    Instants are seconds since 1970.
    """

    batch_mode: ClassVar[bool] = False  # it is refused

    id: int
    account_id: int
    files: list[tuple[str, bytes]]
    created_at: float
    override_sis_stickiness: bool = False
    workflow_state: str = "created"
    started_at: float | None = None
    ended_at: float | None = None
    counts: dict[str, int] = field(default_factory=dict)
    errors: list[RowError] = field(default_factory=list)
    errors_file_id: int | None = None
    csv_file_ids: list[int] = field(default_factory=list)
    progress: int = 0
    # Accidents that were armed when it was sent.
    abort_after_rows: int | None = None
    extra_error: bool = False
    unnumbered_errors: bool = False
    lost_attachments: str | None = None  # the fault's name

    @property
    def finished(self) -> bool:
        return self.workflow_state not in ("created", "importing")

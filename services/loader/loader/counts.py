"""What a load counted, and the bad and discard files that it fills."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator
from pathlib import Path

from canvas_replicate.config.settings import DEFAULT_REJECTS_KEPT
from canvas_replicate.databases.ports import Rejection
from canvas_replicate.datfile.storage import build_part_path, written_aside
from canvas_replicate.ledger.records import Reject
from loader.record_splitter import split_records


class LoadCounts:
    """SQL*Loader's arithmetic: read = loaded + rejected + discarded.

    Bad and discard files hold the records byte for byte, each with its end, so that the same control file can
    load them. They belong to one run and appear, whole, once ``publish`` is called and there is something in them.

    ``rejected_records`` are their numbers, from 1; of ``rejects`` only the first ``kept`` are kept in detail. One
    thread may read the file and reject, while another loads and refuses.
    """

    def __init__(
        self, bad_file: Path, discard_file: Path, record_end: bytes, token: int, kept: int = DEFAULT_REJECTS_KEPT
    ) -> None:
        self.bad_file = bad_file
        self._discard_file = discard_file
        self._record_end = record_end
        self._token = token
        self._kept = kept
        self._lock = threading.Lock()
        self.clear()

    def clear(self) -> None:
        """Count from the start: the file is loaded in another way."""
        self.read = 0
        self.discarded = 0
        self.rejected_records: set[int] = set()
        self._rejects: list[Reject] = []
        self._refused_by_database = False
        for part in map(self._build_part, (self.bad_file, self._discard_file)):
            part.unlink(missing_ok=True)

    @property
    def rejected(self) -> int:
        return len(self.rejected_records)

    @property
    def rejects(self) -> list[Reject]:
        return sorted(self._rejects, key=lambda reject: reject.record_number)

    @property
    def loaded(self) -> int:
        return self.read - self.rejected - self.discarded

    @property
    def first_reject(self) -> str:
        if not self.rejects:
            return "none"
        first = self.rejects[0]
        where = f", column {first.column}" if first.column else ""
        return f"record {first.record_number}{where}: {first.reason}"

    def reject(self, number: int, column: str | None, reason: str, record: bytes, *, code: str | None = None) -> None:
        """``code`` is what Oracle itself would refuse the value with, where it would."""
        self._keep(Reject(number, column, f"{reason} (as {code})" if code else reason, code))
        self._append(self.bad_file, record)

    def refuse(self, rejection: Rejection) -> None:
        """Count a record that the database refused; ``publish`` finds it in the file again."""
        self._refused_by_database = True
        self._keep(Reject(rejection.record, rejection.column, rejection.reason, rejection.code))

    def _keep(self, reject: Reject) -> None:
        with self._lock:
            self.rejected_records.add(reject.record_number)
            if len(self._rejects) < self._kept:
                self._rejects.append(reject)

    def discard(self, record: bytes) -> None:
        self.discarded += 1
        self._append(self._discard_file, record)

    def read_left_out(self, file: Path) -> Iterator[bytes]:
        """The rejected and discarded records of ``file``, before ``publish``."""
        if self.rejected_records:
            yield from _read_numbered(file, self._record_end, self.rejected_records)
        if self.discarded:
            with self._build_part(self._discard_file).open("rb") as part:
                yield from split_records(part, self._record_end)

    def publish(self, file: Path) -> None:
        """``file`` is what was loaded."""
        if self._refused_by_database:
            self._build_part(self.bad_file).unlink(missing_ok=True)
            for record in _read_numbered(file, self._record_end, self.rejected_records):
                self._append(self.bad_file, record)
        for path in (self.bad_file, self._discard_file):
            if self._build_part(path).exists():
                with written_aside(path, self._token):
                    pass
            else:
                path.unlink(missing_ok=True)  # of an earlier try of this run

    def format_log(self) -> str:
        text = ""
        for reject in self.rejects:
            column = f"column {reject.column}: " if reject.column else ""
            text += f"Record {reject.record_number}: Rejected - {column}{reject.reason}\n"
        for what in ("read", "loaded", "rejected", "discarded"):
            text += f"{f'Records {what}:':<19}{getattr(self, what):>12,}\n"
        return text

    def _build_part(self, path: Path) -> Path:
        return build_part_path(path, self._token)

    def _append(self, path: Path, record: bytes) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        with self._build_part(path).open("ab") as file:
            file.write(record + self._record_end)


def _read_numbered(path: Path, record_end: bytes, numbers: Collection[int]) -> Iterator[bytes]:
    """The records of these numbers, in the file's order."""
    with path.open("rb") as file:
        records = enumerate(split_records(file, record_end), start=1)
        yield from (record for number, record in records if number in numbers)

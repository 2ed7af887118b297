"""What a load counted, and the bad and discard files that it fills."""

from __future__ import annotations

from pathlib import Path

from canvas_replicate.ledger import REJECTS_KEPT, Reject
from canvas_replicate.storage import part_of, written_aside


class Tally:
    """SQL*Loader's arithmetic: read = loaded + rejected + discarded.

    Bad and discard files hold the records byte for byte, each with its end, so that the same control file can
    load them. They belong to one run and appear, whole, once ``publish`` is called and there is something in them.
    """

    def __init__(self, bad_file: Path, discard_file: Path, record_end: bytes, token: int) -> None:
        self.read = 0
        self.rejected = 0
        self.discarded = 0
        self.rejects: list[Reject] = []
        self.bad_file = bad_file
        self._discard_file = discard_file
        self._record_end = record_end
        self._token = token
        for part in map(self._part, (bad_file, discard_file)):
            part.unlink(missing_ok=True)

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

    def reject(self, number: int, column: str | None, reason: str, record: bytes) -> None:
        self.rejected += 1
        if len(self.rejects) < REJECTS_KEPT:
            self.rejects.append(Reject(number, column, reason))
        self._append(self.bad_file, record)

    def discard(self, record: bytes) -> None:
        self.discarded += 1
        self._append(self._discard_file, record)

    def publish(self) -> None:
        for path in (self.bad_file, self._discard_file):
            if self._part(path).exists():
                with written_aside(path, self._token):
                    pass
            else:
                path.unlink(missing_ok=True)  # of an earlier try of this run

    def log(self) -> str:
        lines = [
            *(
                f"Record {r.record_number}: Rejected - {f'column {r.column}: ' if r.column else ''}{r.reason}"
                for r in self.rejects
            ),
            f"Records read:      {self.read:>12,}",
            f"Records loaded:    {self.loaded:>12,}",
            f"Records rejected:  {self.rejected:>12,}",
            f"Records discarded: {self.discarded:>12,}",
        ]
        return "\n".join(lines) + "\n"

    def _part(self, path: Path) -> Path:
        return part_of(path, self._token)

    def _append(self, path: Path, record: bytes) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        with self._part(path).open("ab") as file:
            file.write(record + self._record_end)

"""Shared storage: the only place that knows the paths of files, and how a file is written there.

dat/<run_id>/<table>.dat               the rows
dat/<run_id>/<table>.manifest.json     written last: without it the file is not there
bad/<run_id>/<table>.bad               rejected records, byte for byte
bad/<run_id>/<table>.dsc               discarded records
logs/<run_id>/<table>.log              the log of the load
reports/<run_id>/<table>.<part>.report what Canvas sent
pushes/<run_id>/<process>.plan.json    what a push is to change
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import datetime
from glob import escape
from pathlib import Path

from canvas_replicate.datfile.manifest import Manifest, read_manifest
from canvas_replicate.errors import ConfigError, DataError, ReplicateError, TransientError
from canvas_replicate.names import RUN_ID_PATTERN, TABLE_PATTERN

KINDS = ("dat", "bad", "logs", "reports", "pushes")
_SUFFIX = {
    "dat": ("dat", ".dat"),
    "manifest": ("dat", ".manifest.json"),
    "bad": ("bad", ".bad"),
    "discard": ("bad", ".dsc"),
    "log": ("logs", ".log"),
    "plan": ("pushes", ".plan.json"),
}
_PERMANENT = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENAMETOOLONG}
_CHUNK_BYTES = 4 * 1024 * 1024


class Storage:
    """Paths below one root. Names are checked, because run ids and tables also come out of messages."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def require_writable(self, *, make: bool = True) -> None:
        """Raises ConfigError where this user cannot make files. ``make``: the folder is made where it is missing."""
        for folder in (self.root, *(self.root / kind for kind in KINDS)):
            there = folder.absolute()
            while not os.path.lexists(there):
                there = there.parent
            if not os.path.isdir(there) or not os.access(there, os.W_OK | os.X_OK):
                what = "cannot be written to" if os.path.isdir(there) else "is no folder: it cannot be written to"
                step = "Let this user write there, or name another folder."
                raise ConfigError(f"REPLICATE_DATA_DIR is {self.root}, and {there} {what}.", next_step=step)
        if make:
            try:  # what rights do not show: a file system that takes no folders
                self.root.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                text = f"REPLICATE_DATA_DIR is {self.root}, which cannot be made: {error.strerror}."
                raise ConfigError(text, next_step="Name another folder.") from error

    def path(self, what: str, run_id: str, table: str) -> Path:
        """The file of a table, or the plan of a push process; ``what`` is a key of _SUFFIX. Raises ValueError."""
        if not re.match(RUN_ID_PATTERN, run_id) or not re.match(TABLE_PATTERN, table):
            raise ValueError(f"{run_id!r} / {table!r} cannot be part of a path")
        folder, suffix = _SUFFIX[what]
        return self.root / folder / run_id / f"{table}{suffix}"

    def report_path(self, run_id: str, table: str, part: str) -> Path:
        """A report's file; ``part`` is a term's Canvas id or ``all``. Raises ValueError for a bad name."""
        if not re.match(r"^[a-z0-9]{1,32}$", part):
            raise ValueError(f"{part!r} cannot be part of a path")
        beside = self.path("manifest", run_id, table)
        return self.root / "reports" / beside.parent.name / f"{table}.{part}.report"

    def relative(self, path: Path) -> str:
        return path.relative_to(self.root).as_posix()

    def absolute(self, relative: str) -> Path:
        """The file that a message or a ledger row names. Raises DataError for a path that leaves the storage."""
        path = (self.root / relative).resolve()
        if not path.is_relative_to(self.root.resolve()):
            raise DataError(f"{relative!r} is not on the shared storage.", code="storage.outside")
        return path

    def verified(self, run_id: str, table: str) -> Manifest | None:
        """The manifest of this table's complete, unaltered file; None when it is missing or altered."""
        try:
            manifest = read_manifest(self.path("manifest", run_id, table))
            self.verify(manifest)
        except DataError:
            return None
        own = (run_id, table, self.relative(self.path("dat", run_id, table)))
        return manifest if (manifest.run_id, manifest.table, manifest.file) == own else None

    def verify(self, manifest: Manifest) -> Path:
        """Return the manifest's file after checking its size and sha256. Raises DataError."""
        path = self.absolute(manifest.file)
        again = f"Extract the table again: replicate rerun {manifest.table}"
        try:
            size = path.stat().st_size
        except FileNotFoundError:
            raise DataError(f"{manifest.file} is gone.", code="file.missing", next_step=again) from None
        if size != manifest.bytes:
            message = f"{manifest.file} has {size} bytes, but its manifest has {manifest.bytes}."
            raise DataError(message, code="file.size", next_step=again)
        if compute_sha256(path) != manifest.sha256:
            message = f"{manifest.file} is not the file that was extracted (sha256 differs)."
            raise DataError(message, code="file.sha256", next_step=again)
        return path

    def expire(self, before: datetime, keep: Collection[str]) -> list[str]:
        """Remove the folders of runs opened before ``before``, except the run ids in ``keep``. Repeatable."""
        limit = f"{before:%Y%m%dT%H%M%SZ}"
        removed = set()
        for kind in KINDS:
            for folder in (self.root / kind).glob("*Z-*"):
                if re.match(RUN_ID_PATTERN, folder.name) and folder.name < limit and folder.name not in keep:
                    shutil.rmtree(folder, ignore_errors=True)
                    removed.add(folder.name)
        return sorted(removed)


@contextmanager
def written_aside(path: Path, token: int | str) -> Iterator[Path]:
    """Yield a ``.part`` file next to ``path``; when the block succeeds it is synced and renamed to ``path``.

    The token separates two writers of the same file. After any error the part is removed and ``path`` is unchanged.
    A number is the token of a lease: then the parts of earlier holders, who died or are late, are removed as well.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = build_part_path(path, token)
    try:
        yield part
        with part.open("rb") as file:
            os.fsync(file.fileno())
        part.replace(path)
        _sync_folder(path.parent)
    finally:
        part.unlink(missing_ok=True)
    if isinstance(token, int):
        _remove_earlier_parts(path, token)


def _remove_earlier_parts(path: Path, token: int) -> None:
    for part in path.parent.glob(f"{escape(path.name)}.*.part"):
        earlier = part.name.removeprefix(f"{path.name}.").removesuffix(".part")
        if earlier.isdecimal() and int(earlier) < token:
            part.unlink(missing_ok=True)


def translate_os_error(error: OSError) -> ReplicateError:
    """A failure of the shared storage. What depends on a folder or on rights stays as it is until a person acts."""
    reason = f"{error.strerror or type(error).__name__}: {error.filename or 'the shared storage'}."
    if error.errno in _PERMANENT:
        step = "Let this user write there, or name another folder: REPLICATE_DATA_DIR"
        return ConfigError(reason, code="storage", next_step=step)
    return TransientError(reason, code="storage")


def build_part_path(path: Path, token: int | str) -> Path:
    """Where a file is written until it is whole."""
    return path.with_name(f"{path.name}.{token}.part")


def write_manifest(path: Path, manifest: Manifest, token: int | str) -> None:
    with written_aside(path, token) as part:
        part.write_text(manifest.model_dump_json(indent=2) + "\n", encoding="utf-8")


def compute_sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

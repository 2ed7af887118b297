"""Finds the CSV of one kind in the file that Canvas sent, by the file's first bytes.

Canvas sends a plain CSV for one selected kind and an archive for several (canvas-api facts, 1.8). Neither the number
of flags that were sent nor the file's name shows which one it is.
"""

from __future__ import annotations

import codecs
import errno
import os
import shutil
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from canvas_replicate.errors import DataError

_ARCHIVE = (b"PK\x03\x04", b"PK\x05\x06")  # with members, and without any
_BEGINNING_BYTES = 1024
# RuntimeError: a member is encrypted, or packed in an unknown way. OSError: a damaged directory points nowhere.
_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, OSError)
_AGAIN = "Fetch the report again."


def extract_csv(path: Path, kind: str, folder: Path) -> Path:
    """The file itself, or the archive's ``<kind>.csv``, written below ``folder`` under a name made of both.

    The whole archive is tested. Raises DataError: ``report.zip``, ``report.html``, ``report.empty``, ``report.cut``
    for a CSV without a line end at its end, which Canvas always writes.
    """
    with path.open("rb") as file:
        is_archive = file.read(4) in _ARCHIVE
    found = _extract(path, f"{kind}.csv", folder) if is_archive else path
    _check(found)
    return found


def _extract(path: Path, member: str, folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"{path.stem}.{member}"
    with _open_archive(path) as archive:
        names = archive.namelist()
        if names.count(member) != 1:
            there = ", ".join(sorted(map(repr, names))[:12]) or "nothing"
            text = f"{path}: the archive has {names.count(member)} members {member!r}; in it: {there}."
            raise DataError(text, code="report.zip", next_step="Check that Canvas knows the report's parameters.")
        with archive.open(member) as packed, target.open("wb") as plain:
            shutil.copyfileobj(packed, plain)
    return target


@contextmanager
def _open_archive(path: Path) -> Iterator[zipfile.ZipFile]:
    """Every member read once, and its CRC found right."""
    try:
        with zipfile.ZipFile(path) as archive:
            broken = archive.testzip()
            if broken is not None:
                raise zipfile.BadZipFile(f"{broken!r} is damaged")
            yield archive
    except _BROKEN as error:
        if isinstance(error, OSError) and error.errno != errno.EINVAL:
            raise  # a full disk, for one, is no fault of the archive
        text = f"{path}: the archive cannot be read ({type(error).__name__}); it is cut short or damaged."
        raise DataError(text, code="report.zip", next_step=_AGAIN) from None


def _check(path: Path) -> None:
    with path.open("rb") as file:
        beginning = file.read(_BEGINNING_BYTES).removeprefix(codecs.BOM_UTF8).lstrip()
        if not beginning:
            raise DataError(f"{path}: the file is empty, without even a header.", code="report.empty", next_step=_AGAIN)
        if beginning.startswith(b"<"):
            text = f"{path}: this is a web page and not a CSV, most likely the login or an error."
            raise DataError(text, code="report.html", next_step=_AGAIN)
        file.seek(-1, os.SEEK_END)
        if file.read(1) != b"\n":
            text = f"{path}: the file does not end with a line end, so it is cut short."
            raise DataError(text, code="report.cut", next_step=_AGAIN)

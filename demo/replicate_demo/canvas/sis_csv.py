"""The files of a SIS import: out of the upload, told apart by their headers, read into rows (fact sheet 4.13)."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass

from replicate_demo.canvas.sis_import_model import RowError, SisImport

# In the order in which Canvas imports them, so that what a row names is there already, whatever the files' order.
# A file is of the first kind all of whose columns it has.
KINDS: dict[str, set[str]] = {
    "courses": {"course_id", "short_name", "long_name", "status"},
    "sections": {"section_id", "course_id", "name", "status"},
    "xlists": {"xlist_course_id", "section_id", "status"},
    "users": {"user_id", "login_id", "status"},
    "enrollments": {"user_id", "status"},  # and a course or a section, and a role
}

_MOST_EXPANDED = 100  # times the archive's size
_ARCHIVE = b"PK\x03\x04"


class BadUpload(Exception):
    """The upload as a whole is of no use."""


@dataclass(frozen=True)
class SisRow:
    file: str
    number: int  # 1 is the first row below the header
    values: dict[str, str]

    def get(self, name: str) -> str:
        """Stripped; empty where the column is missing."""
        return self.values.get(name, "").strip()


def unpack(name: str, content: bytes) -> list[tuple[str, bytes]]:
    """The upload as (name, content) of its CSV files. Raises BadUpload."""
    if not content.startswith(_ARCHIVE):
        return [(name, content)]
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = [member for member in archive.infolist() if not member.is_dir()]
            if sum(member.file_size for member in members) > _MOST_EXPANDED * len(content):
                raise BadUpload("The archive expands more than a hundredfold.")
            return [(member.filename, archive.read(member)) for member in members]
    except zipfile.BadZipFile:
        raise BadUpload("The archive cannot be read.") from None


def read_rows(batch: SisImport) -> dict[str, list[SisRow]]:
    """Kind -> rows, in the order of import. What cannot be read is noted in the batch's errors."""
    found: dict[str, list[SisRow]] = {kind: [] for kind in KINDS}
    supplied = set()
    for name, content in batch.files:
        try:
            kind, rows = _read(name, content)
        except BadUpload as error:
            batch.errors.append(RowError(name, 0, str(error), fatal=True))
            continue
        supplied.add(kind)
        found[kind] += rows
    return {kind: rows for kind, rows in found.items() if kind in supplied}


def _read(name: str, content: bytes) -> tuple[str, list[SisRow]]:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise BadUpload("Invalid UTF-8") from None
    lines = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = [column.strip().lower() for column in next(lines, [])]
        return _find_kind(header), list(_build_rows(name, header, lines))
    except csv.Error:
        raise BadUpload(f"Malformed CSV near line {lines.line_num}") from None


def _build_rows(name: str, header: list[str], lines: Iterator[list[str]]) -> Iterator[SisRow]:
    filled = (line for line in lines if any(line))
    for number, line in enumerate(filled, start=1):
        if len(line) != len(header):
            raise BadUpload(f"Row {number} has {len(line)} fields, the header {len(header)}")
        yield SisRow(name, number, dict(zip(header, line, strict=True)))


def _find_kind(header: list[str]) -> str:
    columns = set(header)
    for kind, needed in KINDS.items():
        if kind != "enrollments" and needed <= columns:
            return kind
    member = KINDS["enrollments"] | ({"role"} if "role" in columns else {"role_id"})
    if member <= columns and columns & {"course_id", "section_id"}:
        return "enrollments"
    raise BadUpload("Couldn't find Canvas CSV import headers")

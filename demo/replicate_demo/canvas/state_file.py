"""The campus and the SIS imports as one JSON file, written aside and renamed."""

from __future__ import annotations

import base64
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from replicate_demo.campus import CampusError
from replicate_demo.canvas.model import (
    Account,
    Course,
    Enrollment,
    Login,
    Observation,
    Role,
    Section,
    State,
    Term,
    User,
)
from replicate_demo.canvas.sis_import_model import RowError, SisImport

VERSION = 1
_TABLES: dict[str, type] = {
    "accounts": Account,
    "terms": Term,
    "users": User,
    "logins": Login,
    "courses": Course,
    "sections": Section,
    "enrollments": Enrollment,
    "observations": Observation,
    "roles": Role,
}


@dataclass(frozen=True)
class Saved:
    """What outlives the process. Reports and their files do not: only the last report's id is kept."""

    path: Path

    def write(self, state: State, imports: dict[int, SisImport], last_report: int) -> None:
        content: dict[str, Any] = {"version": VERSION, "last_report": last_report}
        for name in _TABLES:
            content[name] = [asdict(record) for record in getattr(state, name).values()]
        content["imports"] = [_write_import(batch) for batch in imports.values()]
        part = self.path.with_name(f"{self.path.name}.part")
        self.path.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
        part.replace(self.path)

    def read(self) -> tuple[State, dict[int, SisImport], int]:
        """Raises CampusError for a file that ``write`` did not write."""
        try:
            content = json.loads(self.path.read_text(encoding="utf-8"))
            version = content["version"]
            if version != VERSION:
                raise CampusError(f"{self.path} is a state of version {version}, not {VERSION}; remove it.")
            state = State()
            for name, kind in _TABLES.items():
                getattr(state, name).update({record["id"]: kind(**record) for record in content.get(name, [])})
            imports = {each["id"]: _read_import(each) for each in content["imports"]}
            return state, imports, int(content["last_report"])
        except (ValueError, KeyError, TypeError) as error:
            raise CampusError(f"{self.path} is no state of the Canvas simulator; name another file.") from error


def _write_import(batch: SisImport) -> dict[str, Any]:
    """With the uploads of those that still wait."""
    files = [(name, base64.b64encode(content).decode()) for name, content in batch.files]
    return {**asdict(batch), "files": files, "errors_file_id": None, "csv_file_ids": []}


def _read_import(content: dict[str, Any]) -> SisImport:
    files = [(name, base64.b64decode(text)) for name, text in content["files"]]
    return SisImport(**{**content, "files": files, "errors": [RowError(**each) for each in content["errors"]]})

"""Changes of files: shown as a diff, written together."""

from __future__ import annotations

import difflib
import os
import shutil
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from canvas_replicate.datfile.storage import written_aside
from canvas_replicate.errors import ConfigError, PermanentError, Place

_BOM = "\ufeff"


@dataclass(frozen=True)
class FileChange:
    """``before`` is None for a new file. Texts have the file's line ends, and its BOM."""

    file: Path
    before: str | None
    after: str


def read_text(path: Path) -> str | None:
    """The whole file, None for a missing one. Raises ConfigError for a file that is not UTF-8."""
    try:
        return path.read_bytes().decode("utf-8")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}.", place=Place(path)) from None
    except UnicodeDecodeError:
        raise ConfigError("not UTF-8 text.", place=Place(path), next_step="Save the file as UTF-8.") from None


def strip_bom(text: str) -> str:
    return text.removeprefix(_BOM)


def format_diff(change: FileChange) -> list[str]:
    before = "/dev/null" if change.before is None else str(change.file)
    old, new = (change.before or "").splitlines(), change.after.splitlines()
    return list(difflib.unified_diff(old, new, before, str(change.file), lineterm=""))


def write_together(changes: Sequence[FileChange]) -> None:
    """Write and sync all changes to temporary files, then move these into place in the given order.

    A new file can be read by those who can read the first changed one: the service may be another user. Raises
    ConfigError where a file has changed since the plan, PermanentError where one cannot be written. No file is changed
    then.
    """
    for change in changes:
        if read_text(change.file) != change.before:
            raise ConfigError(
                "changed while this was planned.", place=Place(change.file), next_step="Repeat the command."
            )
    configuration = next((change.file for change in changes if change.before is not None), None)
    try:
        with ExitStack() as parts:
            for change in reversed(changes):
                path = change.file.resolve()  # a link stays a link
                part = parts.enter_context(written_aside(path, str(os.getpid())))
                part.write_bytes(change.after.encode("utf-8"))
                if rights := path if change.before is not None else configuration:
                    shutil.copymode(rights, part)
    except OSError as error:
        step = "Let this user write there, or give the diff to a person who may."
        raise PermanentError(f"{error.filename}: cannot be written: {error.strerror}.", next_step=step) from None

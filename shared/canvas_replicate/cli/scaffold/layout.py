"""What `replicate table ctl` writes: control files with the layout of our data files."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from canvas_replicate.cli.scaffold.changes import FileChange, read_text, strip_bom
from canvas_replicate.control_file import rewrite_layout
from canvas_replicate.errors import ConfigError


def plan_layout(files: Iterable[Path]) -> tuple[list[FileChange], list[ConfigError]]:
    """The changes of files with another layout, and the problems of those that cannot be rewritten."""
    changes, problems = list[FileChange](), list[ConfigError]()
    for file in files:
        try:
            change = _plan_file(file)
        except ConfigError as error:
            problems.append(error)
            continue
        if change.after != change.before:
            changes.append(change)
    return changes, problems


def _plan_file(file: Path) -> FileChange:
    before = read_text(file)
    if before is None:
        raise ConfigError(f"There is no control file {file}.")
    text = strip_bom(before)
    is_windows = "\r\n" in text
    after = rewrite_layout(text.replace("\r\n", "\n"), file)
    return FileChange(file, before, before.removesuffix(text) + (after.replace("\n", "\r\n") if is_windows else after))

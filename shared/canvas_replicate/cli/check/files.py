"""Whether the shared storage takes files, found out without leaving one."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from canvas_replicate.cli.check.findings import Finding, build_finding
from canvas_replicate.config.settings import Settings
from canvas_replicate.datfile.storage import Storage
from canvas_replicate.errors import ConfigError

# Below this a single night's files fill the disk of most schools. It is a figure to think at, not a limit.
_LITTLE_BYTES = 1024**3


def check_files(settings: Settings) -> list[Finding]:
    return _check_storage(settings.data_dir) + _check_secrets(settings.secrets_dir)


def _check_storage(data_dir: Path) -> list[Finding]:
    """Check the nearest existing folder: the first run creates the storage folder in it."""
    try:
        Storage(data_dir).require_writable(make=False)
    except ConfigError as error:
        return [build_finding("files", error)]
    folder = data_dir.absolute()
    while not os.path.exists(folder):  # Path.exists raises where it may not look
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    message = f"{free / 1024**3:.1f} GB are free for files in {data_dir}."
    if free < _LITTLE_BYTES:
        return [
            Finding("warning", "files", message, "Make room, or keep files for fewer days: REPLICATE_RETENTION_DAYS")
        ]
    return [Finding("note", "files", message)]


def _check_secrets(folder: Path | None) -> list[Finding]:
    """Check only that the folder exists: an unreadable file in it ends every command before this check."""
    if folder is None or os.path.isdir(folder):
        return []
    message = f"REPLICATE_SECRETS_DIR is {folder}, and there is no such folder: no secret comes from a file."
    return [Finding("warning", "files", message, "Mount it, or remove the variable.")]

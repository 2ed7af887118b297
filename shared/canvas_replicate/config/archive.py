"""One archive with all the files of an installation: what a cluster's pods read in place of three folders."""

from __future__ import annotations

import io
import lzma
import tarfile
from collections.abc import Mapping
from pathlib import Path

from canvas_replicate.errors import ConfigError, Place

# A ConfigMap holds 1 MiB. `kubectl apply` also keeps what it applied in an annotation, which holds 256 KiB of base64.
MOST_BYTES = 1_000_000
MOST_BYTES_APPLIED = 190_000
# Its passwords would be readable for everyone who may read a ConfigMap; in a cluster they come from Secrets.
_LEFT_OUT = ("appconf.yaml",)


def find_archive_files(conf_dir: Path, ctl_dir: Path, ddl_dir: Path) -> dict[str, Path]:
    """The files by their names in the archive, such as ``ctls/tmp_terms.ctl``, sorted."""
    folders = (("conf", conf_dir, "*.yaml"), ("ctls", ctl_dir, "*.ctl"), ("ddl", ddl_dir, "*.sql"))
    found = {f"{name}/{path.name}": path for name, folder, pattern in folders for path in folder.glob(pattern)}
    return {name: path for name, path in sorted(found.items()) if path.is_file() and path.name not in _LEFT_OUT}


def build_archive(files: Mapping[str, Path]) -> bytes:
    """A ``.tar.xz``; the same files give the same bytes. Raises ConfigError above the size of a ConfigMap."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, path in files.items():
            content = path.read_bytes()
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    packed = lzma.compress(raw.getvalue(), preset=9)
    if len(packed) > MOST_BYTES:
        largest = max(files.values(), key=lambda path: path.stat().st_size)
        message = f"the archive has {len(packed):,} bytes, and a ConfigMap holds {MOST_BYTES:,}."
        step = f"The largest file is {largest}. Remove the files of tables that are no longer copied."
        raise ConfigError(message, place=Place(largest.parent), next_step=step)
    return packed

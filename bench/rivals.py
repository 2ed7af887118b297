"""The rivals, in a virtual environment of their own that the project never sees."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parents[1] / ".bench"
# pandas, polars, DuckDB, requests and python-oracledb are the project's own; dlt and ADBC need the last four.
PACKAGES = {
    "dlt": "dlt[sql_database,filesystem]",
    "adbc-driver-oracle": "adbc-driver-oracle",
    "sling-linux-amd64": "sling-linux-amd64==1.4.11",
    "canvasapi": "canvasapi",
    "oracledb": "oracledb",
    "pyarrow": "pyarrow",
    "sqlalchemy": "sqlalchemy",
    "numpy": "numpy",
}
_VERSIONS = """
import importlib.metadata, json, sys
found = {}
for name in sys.argv[1:]:
    try:
        found[name] = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        pass
print(json.dumps(found))
"""


@dataclass(frozen=True)
class Rivals:
    """``python`` runs them; ``versions`` has those that are installed."""

    python: Path
    versions: dict[str, str]

    def find_sling(self) -> Path | None:
        found = sorted(self.python.parents[1].glob("lib/python*/site-packages/sling_linux_amd64/bin/sling*"))
        return found[0] if found else None


def install_rivals(*, offline: bool) -> Rivals:
    """Install what is missing; a package that cannot be installed is one that is not measured."""
    python = FOLDER / "venv" / "bin" / "python"
    if not offline:
        if not python.exists():
            subprocess.run([sys.executable, "-m", "venv", str(FOLDER / "venv")], check=True)
        for name in PACKAGES.keys() - _read_versions(python).keys():
            print(f"installing {name} into {FOLDER.name}/venv", flush=True)
            _install(python, PACKAGES[name])
    return Rivals(python, _read_versions(python))


def _install(python: Path, package: str) -> None:
    uv = shutil.which("uv")
    pip = [uv, "pip", "install", "--python", str(python)] if uv else [str(python), "-m", "pip", "install"]
    done = subprocess.run([*pip, "--quiet", package], capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"  {package} cannot be installed: {done.stderr.strip().splitlines()[-1][:160]}", flush=True)


def _read_versions(python: Path) -> dict[str, str]:
    if not python.exists():
        return {}
    done = subprocess.run([str(python), "-c", _VERSIONS, *PACKAGES], capture_output=True, text=True, check=True)
    found: dict[str, str] = json.loads(done.stdout)
    return found

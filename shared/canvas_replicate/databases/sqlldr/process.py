"""Running SQL*Loader: the password in a private file, the process under watch, its end judged with its log."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from canvas_replicate.databases.sqlldr import launcher
from canvas_replicate.databases.sqlldr.control_text import require_plain_path
from canvas_replicate.databases.sqlldr.log_file import LoadLog, find_coded_lines
from canvas_replicate.databases.sqlldr.login import Login, hide_secret, write_userid
from canvas_replicate.databases.sqlldr.outcome import decide_outcome
from canvas_replicate.errors import TransientError

_POLL_SECONDS = 1.0
_GRACE_SECONDS = 5.0
_OUTPUT_BYTES = 64 * 1024
_FILES = {"control": ".ctl", "log": ".log", "bad": ".bad", "discard": ".dsc"}
_MEMORY = Path("/dev/shm")  # noqa: S108  # a private folder is made in it
# The log is English, numbers have a point, and dates without a mask are as in a .dat file (DESIGN section 8).
_NLS = {
    "NLS_LANG": "AMERICAN_AMERICA.AL32UTF8",
    "NLS_DATE_FORMAT": "YYYY-MM-DD HH24:MI:SS",
    "NLS_TIMESTAMP_FORMAT": "YYYY-MM-DD HH24:MI:SS.FF",
    "NLS_TIMESTAMP_TZ_FORMAT": "YYYY-MM-DD HH24:MI:SS.FFTZH:TZM",
    "NLS_NUMERIC_CHARACTERS": ".,",
}


@dataclass(frozen=True)
class Program:
    """Where ``sqlldr`` is, and the environment that its Oracle client runs in."""

    path: Path
    environ: Mapping[str, str]


def find_sqlldr(environ: Mapping[str, str]) -> Path | None:
    found = shutil.which("sqlldr", path=environ.get("PATH", ""))
    return Path(found) if found else None


def run_sqlldr(
    program: Program,
    login: Login,
    control_text: str,
    *,
    work_prefix: Path,
    options: Mapping[str, str],
    timeout_seconds: float,
    keep_going: Callable[[], None],
) -> LoadLog:
    """Load once; leaves ``<work_prefix>.ctl`` and ``.log``, and ``.bad`` and ``.dsc`` if they have records.

    ``keep_going`` is called about every second; its error stops the load and is raised. Rows that are committed by
    then stay in the table. Raises TransientError after ``timeout_seconds``, DataError for a log that contradicts
    itself, and the errors of ``outcome.decide_outcome``.
    """
    files = {name: Path(f"{work_prefix}{suffix}") for name, suffix in _FILES.items()}
    parameters = {
        **options,
        "userid": write_userid(login),
        **{name: require_plain_path(path) for name, path in files.items()},
        # Header and feedback go to the screen only; rejections and discards must stay in the log.
        "silent": "(header,feedback,partitions)",
    }
    doing = f"loading {work_prefix.name}"
    for path in files.values():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)  # SQL*Loader writes some of them only when needed
    files["control"].write_text(control_text, encoding="ascii")
    with _write_parameters(parameters) as parfile:
        output = parfile.with_name("output")
        with _start(program, parfile, output) as process:
            status = _wait(process, doing, timeout_seconds, keep_going)
        screen = _read_end(output)
    log = files["log"].read_text("utf-8", "replace") if files["log"].exists() else ""
    lines = [hide_secret(login, line) for text in (log, screen) for line in find_coded_lines(text)]
    shown = " ".join(hide_secret(login, line.strip()) for line in screen.splitlines() if line.strip())
    return decide_outcome(status, log, lines, doing, str(files["log"]), screen=shown)


@contextmanager
def _write_parameters(parameters: Mapping[str, str]) -> Iterator[Path]:
    """In memory where possible, so that the password never reaches a disk."""
    with TemporaryDirectory(prefix="sqlldr-", dir=_MEMORY if os.access(_MEMORY, os.W_OK) else None) as folder:
        parfile = Path(folder, "run.par")
        parfile.touch(mode=0o600)
        parfile.write_text("".join(f"{name}={value}\n" for name, value in parameters.items()), encoding="utf-8")
        yield parfile


@contextmanager
def _start(program: Program, parfile: Path, output: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Start a separate process group without a terminal for passwords; it is killed when the block ends."""
    # Our settings hold secrets, which the Oracle client never needs.
    kept = {name: v for name, v in program.environ.items() if not name.upper().startswith(("REPLICATE_", "NLS_"))}
    own = [sys.executable, "-I", "-S", str(Path(launcher.__file__)), str(os.getpid())]
    with output.open("wb") as screen:
        process = subprocess.Popen(
            [*own, str(program.path.absolute()), f"parfile={parfile}"],
            stdin=subprocess.DEVNULL,
            stdout=screen,
            stderr=subprocess.STDOUT,
            env=kept | _NLS,
            start_new_session=True,
            umask=0o077,  # bad and discard files hold rows
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            _end_group(process)


def _wait(process: subprocess.Popen[bytes], doing: str, timeout_seconds: float, keep_going: Callable[[], None]) -> int:
    deadline = time.monotonic() + timeout_seconds
    while True:
        with suppress(subprocess.TimeoutExpired):
            return process.wait(max(0.0, min(_POLL_SECONDS, deadline - time.monotonic())))
        keep_going()
        if time.monotonic() >= deadline:
            text = f"{doing}: SQL*Loader was not done after {timeout_seconds:g} seconds and was ended."
            step = "See what the session waits for in the database, or give it more time."
            raise TransientError(text, code="sqlldr.timeout", next_step=step)


def _end_group(process: subprocess.Popen[bytes]) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE_SECONDS)


def _read_end(path: Path) -> str:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _OUTPUT_BYTES))
        return file.read().decode(errors="replace")

"""SQL*Loader and SQL*Plus for the tests: those of this machine, else those in the database's container."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

import oracledb
from tests.real_oracle.real_oracle import Server, code_of, rows_of

_INNER = "localhost:1521/FREEPDB1"
# Of the group that owns Oracle's home, so that its programs may be run; as ourselves, so that we may read what they
# write. The parameter file goes in on standard input, with the address that holds in there.
_WRAPPER = """#!/bin/sh
exec docker exec -i -u {user}:54321 -e HOME=/tmp -e NLS_LANG -e NLS_DATE_FORMAT -e NLS_TIMESTAMP_FORMAT \\
  -e NLS_TIMESTAMP_TZ_FORMAT -e NLS_NUMERIC_CHARACTERS {container} sh -c '
    umask 077
    parameters=$(mktemp)
    trap "rm -f $parameters" EXIT
    sed "s#@{outer}#@{inner}#" > "$parameters"
    sqlldr parfile="$parameters"
  ' < "${{1#parfile=}}"
"""
_DEFINE = re.compile(r"^DEFINE (\w+) += (\w+)$", re.MULTILINE)
_USE = re.compile(r"&(\w+)\.?")


def find_sqlldr(server: Server) -> Path | None:
    """A program that takes ``parfile=``, with files below ``server.folder``."""
    found = shutil.which("sqlldr")
    if found:
        return Path(found)
    if not _is_in_container(server, "sqlldr"):
        return None
    program = server.folder / "bin" / "sqlldr"
    program.parent.mkdir(exist_ok=True)
    program.write_text(
        _WRAPPER.format(user=os.getuid(), container=server.container, outer=server.dsn, inner=_INNER), encoding="ascii"
    )
    program.chmod(0o755)
    return program


def has_sqlplus(server: Server) -> bool:
    return shutil.which("sqlplus") is not None or _is_in_container(server, "sqlplus")


def sqlplus(server: Server, user: str, password: str, file: Path, *before: str) -> str:
    """What SQL*Plus prints when this user runs the file."""
    inside = shutil.which("sqlplus") is None
    program = [*(["docker", "exec", "-i", str(server.container)] if inside else []), "sqlplus", "-S", "/nolog"]
    as_dba = " AS SYSDBA" if user.lower() == "sys" else ""
    connect = f'CONNECT {user}/"{password}"@{_INNER if inside else server.dsn}{as_dba}'
    script = "\n".join([connect, *before, file.read_text("ascii"), "EXIT", ""])
    done = subprocess.run(program, input=script, capture_output=True, text=True, timeout=300)
    return done.stdout + done.stderr


def _is_in_container(server: Server, program: str) -> bool:
    if server.container is None:
        return False
    asked = ["docker", "exec", server.container, "sh", "-c", f"command -v {program}"]
    return subprocess.run(asked, capture_output=True, timeout=60).returncode == 0


# -- files for SQL*Plus, through the driver ----------------------------------------------------------------


def statements(file: Path) -> list[str]:
    """As SQL*Plus sends them: its own commands gone, the defined names in place, a block up to its ``/``."""
    text = file.read_text("utf-8")
    defined = dict(_DEFINE.findall(text))
    lines = [line for line in text.splitlines() if not line.startswith(("SET ", "DEFINE ", "SHOW ", "--"))]
    found: list[str] = []
    made: list[str] = []
    for line in _USE.sub(lambda use: defined[use[1]], "\n".join(lines)).splitlines():
        is_block = bool(made) and made[0].startswith("CREATE OR REPLACE PROCEDURE")
        if is_block and line.strip() == "/":
            found.append("\n".join(made))
            made = []
        elif not is_block and line.rstrip().endswith(";"):
            found.append("\n".join([*made, line.rstrip().removesuffix(";")]))
            made = []
        elif line.strip() or made:
            made.append(line)
    return found


def refused(connection: oracledb.Connection, wanted: Iterable[str]) -> list[str]:
    """Run all statements as SQL*Plus does, going on after an error; what was refused, with its code."""
    told = []
    for statement in wanted:
        try:
            rows_of(connection, statement)
        except oracledb.DatabaseError as error:
            told.append(f"{code_of(error)}: {statement.strip().splitlines()[0]}")
    return told

"""A small installation in a folder of its own: configuration, control files, a source and a target database."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from contextlib import nullcontext
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
import yaml
from tests.forking import start_module
from tests.repository import ROOT
from typer.testing import CliRunner

from canvas_pusher import __main__ as canvas_pusher
from canvas_replicate.cli import app, entry
from canvas_replicate.databases.duckdb.connecting import DuckDb
from canvas_replicate.errors import ReplicateError
from extractor import __main__ as extractor
from loader import __main__ as loader
from provisioner import __main__ as provisioner

if TYPE_CHECKING:
    from tests.postgresql_fixtures import Database

APPS: dict[str, typer.Typer] = {
    "replicate": app.app,
    "extractor": extractor.app,
    "loader": loader.app,
    "provisioner": provisioner.app,
    "canvas-pusher": canvas_pusher.app,
}

STUDENTS_SQL = "SELECT id, name, gpa, born FROM sis.students"
STUDENTS_CTL = """
LOAD DATA
CHARACTERSET AL32UTF8
INFILE 'students.dat' "STR '#EOR#\\n'"
TRUNCATE
INTO TABLE tmp_students
FIELDS TERMINATED BY '|' OPTIONALLY ENCLOSED BY '"'
TRAILING NULLCOLS
(
  id   CHAR,
  name CHAR(4000),
  gpa  DECIMAL EXTERNAL,
  born DATE "YYYY-MM-DD HH24:MI:SS"
)
"""
STUDENTS_DDL = """
CREATE TABLE tmp_students (
  id   VARCHAR2(9 CHAR) NOT NULL PRIMARY KEY,
  name VARCHAR2(4000 CHAR),
  gpa  NUMBER(4,2),
  born DATE
);
CREATE MATERIALIZED VIEW campus_students AS SELECT id, name, gpa, born FROM tmp_students;
"""

# What init-db made of a configuration's files in this process.
_made_targets: dict[tuple[tuple[str, bytes], ...], bytes] = {}


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    error: ReplicateError | None

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Workplace:
    """``run`` calls a command inside this process; ``start`` as a process of its own."""

    def __init__(
        self,
        folder: Path,
        *,
        source: Database | None = None,
        target: Database | None = None,
        bus_url: str = "memory://",
    ) -> None:
        """Databases are DuckDB files where none is given."""
        self.folder = folder
        self.source = source
        for name in ("conf", "ctls", "ddl"):
            (folder / name).mkdir()
        self.data = folder / "data"
        self.source_file = folder / "campus.duckdb"
        self.target_file = folder / "reporting.duckdb"
        self.environment = {
            "REPLICATE_CONF_DIR": str(folder / "conf"),
            "REPLICATE_CTL_DIR": str(folder / "ctls"),
            "REPLICATE_DDL_DIR": str(folder / "ddl"),
            "REPLICATE_DATA_DIR": str(self.data),
            "REPLICATE_DATABASES__CAMPUS__URL": f"duckdb:///{self.source_file}",
            "REPLICATE_DATABASES__REPORTING__URL": f"duckdb:///{self.target_file}",
            "REPLICATE_TARGET": "reporting",
            "REPLICATE_BUS_URL": bus_url,
            "REPLICATE_BUS_ALLOW_INSECURE": "true",  # a given test server may be on another machine
        }
        for alias, database in (("CAMPUS", source), ("REPORTING", target)):
            if database is not None:
                self.environment[f"REPLICATE_DATABASES__{alias}__URL"] = database.server.url_of(database.name)
                self.environment[f"REPLICATE_DATABASES__{alias}__ALLOW_INSECURE"] = "true"
                self.environment[f"REPLICATE_DATABASES__{alias}__PASSWORD"] = database.server.password or ""
        self._tables: dict[str, Any] = {}
        self._schedules: dict[str, list[str]] = {}

    def add_table(
        self, name: str, *, sql: str, ctl: str, ddl: str | None, schedule: str = "hourly", **options: Any
    ) -> None:
        (self.folder / "ctls" / f"{name}.ctl").write_text(ctl, "utf-8")
        if ddl is not None:
            (self.folder / "ddl" / f"{name}.sql").write_text(ddl, "utf-8")
        view = options.pop("mvtable", name.replace("tmp_", "campus_"))
        self._tables[name] = {
            "cstable": name,
            "mvtable": view,
            "dctable": "sis.source",
            "varbl1": "",
            "sql": sql,
            "toggle": "on",
            **options,
        }
        self._schedules.setdefault(schedule, []).append(name)
        self.write_conf()

    def add_students(self, **options: Any) -> None:
        moment = "TIMESTAMP(0)" if self.source else "TIMESTAMP_S"
        self.source_sql(
            "CREATE SCHEMA IF NOT EXISTS sis",
            f"CREATE TABLE sis.students (id VARCHAR, name VARCHAR, gpa DECIMAL(4,2), born {moment})",
        )
        self.add_table(
            "tmp_students",
            **{"sql": STUDENTS_SQL, "ctl": STUDENTS_CTL, "ddl": STUDENTS_DDL, **options},
        )

    def add_canvas(self, url: str, token: str, conf: str) -> None:
        """Canvas as ``conf`` (provisions.yaml) says, with the repository's own control and ddl files."""
        (self.folder / "conf" / "provisions.yaml").write_text(conf, "utf-8")
        for kind in ("ctls", "ddl"):
            for file in (ROOT / kind).glob("tmp_cnv_*"):
                (self.folder / kind / file.name).write_text(file.read_text("utf-8"), "utf-8")
        self.environment |= {
            "REPLICATE_CANVAS__BASE_URL": url,
            "REPLICATE_CANVAS__TOKEN": token,
            "REPLICATE_CANVAS__POLL_SECONDS": "0.05",
        }

    def configure(self, name: str, **options: Any) -> None:
        self._tables[name] |= options
        self.write_conf()

    def write_conf(self) -> None:
        conf = self.folder / "conf"
        (conf / "tablesconf.yaml").write_text(yaml.safe_dump({"terms": {"now": "'2201'"}, **self._tables}), "utf-8")
        (conf / "tablelist.yaml").write_text(yaml.safe_dump(self._schedules), "utf-8")

    def students(self, count: int, *, first: int = 0) -> None:
        """Replace the source's students by ``count`` of them."""
        self.source_sql(
            "DELETE FROM sis.students",
            "INSERT INTO sis.students SELECT lpad(i::varchar, 9, '0'), 'name ' || i, i % 400 / 100.0,"
            " TIMESTAMP '2000-01-01 10:00:00' + i * INTERVAL '1 hour'"
            f" FROM generate_series({first}, {first + count - 1}) r(i)",
        )

    def source_sql(self, *statements: str) -> list[tuple[Any, ...]]:
        if self.source is not None:
            return self.source.sql(*statements)
        return self._sql(self.source_file, *statements)

    def target_sql(self, *statements: str) -> list[tuple[Any, ...]]:
        return self._sql(self.target_file, *statements)

    def copy_from(self, other: Workplace) -> None:
        """Take the configuration, the data and the databases of another workplace, whose databases are closed."""
        shutil.copytree(other.folder, self.folder, dirs_exist_ok=True)
        self._tables, self._schedules = deepcopy((other._tables, other._schedules))

    def init_db(self) -> None:
        """Call ``replicate init-db`` on a new DuckDB target. A workplace with the same files gets a copy of it."""
        assert not self.target_file.exists(), "only a new target can be copied"
        files = sorted(path for name in ("conf", "ctls", "ddl") for path in (self.folder / name).iterdir())
        key = tuple((path.name, path.read_bytes()) for path in files)
        if (made := _made_targets.get(key)) is not None:
            self.target_file.write_bytes(made)
            return
        assert self.run("replicate", "init-db").code == 0
        self.close()
        _made_targets[key] = self.target_file.read_bytes()

    def run(self, *words: str) -> Done:
        program, *arguments = words
        result = CliRunner().invoke(APPS[program], entry.normalize_legacy_options(arguments))
        error = result.exception
        if isinstance(error, ReplicateError):
            return Done(int(error.exit_code), result.output, error)
        if error is not None and not isinstance(error, SystemExit):
            raise error
        return Done(result.exit_code, result.output, None)

    def start(
        self, *words: str, log: Path | None = None, quick: bool = False, **environment: str
    ) -> subprocess.Popen[str]:
        """A command as a process of its own; DuckDB files are closed here first.

        ``log`` takes what it prints. ``quick``: a worker with short waiting times (tests/quick_worker.py).
        """
        program, *arguments = words
        module = {"replicate": "canvas_replicate.cli"}.get(program, program.replace("-", "_"))
        if quick:
            return self.start_module("tests.quick_worker", module, *arguments, log=log, **environment)
        return self.start_module(module, *arguments, log=log, **environment)

    def start_module(
        self, module: str, *arguments: str, log: Path | None = None, **environment: str
    ) -> subprocess.Popen[str]:
        """As ``start``, for a module of this repository."""
        self.close()
        environment["PYTHONPATH"] = str(ROOT)
        with log.open("a") if log else nullcontext() as file:
            return start_module(
                [module, *arguments],
                env={**os.environ, **self.environment, **environment},
                cwd=self.folder,
                stdout=file or subprocess.PIPE,
                stderr=file or subprocess.PIPE,
            )

    def close(self) -> None:
        DuckDb.close_all()

    def _sql(self, file: Path, *statements: str) -> list[tuple[Any, ...]]:
        cursor = DuckDb.open(file, create=True).cursor()
        try:
            for statement in statements:
                rows = cursor.execute(statement).fetchall()
        finally:
            cursor.close()
        return rows

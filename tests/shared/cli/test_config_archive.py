"""`replicate config archive`: the files of an installation for the pods of a cluster."""

from __future__ import annotations

import io
import random
import tarfile
from pathlib import Path

import pytest
from tests.workplace import Workplace

from canvas_replicate.config.archive import MOST_BYTES_APPLIED, build_archive, find_archive_files
from canvas_replicate.errors import ConfigError, ExitCode


def read_archive(file: Path) -> dict[str, str]:
    with tarfile.open(file) as archive:
        return {entry.name: (archive.extractfile(entry) or io.BytesIO()).read().decode() for entry in archive}


def test_the_archive_has_every_file_but_the_passwords(workplace: Workplace, tmp_path: Path) -> None:
    workplace.add_students()
    (tmp_path / "conf/appconf.yaml").write_text("campus: {user: u, password: aGVsbG8=, dsn: 'h:1521/s'}\n")
    (tmp_path / "ddl/notes.txt").write_text("not SQL")
    done = workplace.run("replicate", "config", "archive", str(tmp_path / "site.tar.xz"), "--json")
    assert done.code == ExitCode.OK
    found = read_archive(tmp_path / "site.tar.xz")
    assert sorted(found) == done.json["files"]
    wanted = {"ctls/tmp_students.ctl", "ddl/tmp_students.sql", "conf/tablelist.yaml", "conf/tablesconf.yaml"}
    assert found.keys() == wanted
    assert all(text == (tmp_path / name).read_text("utf-8") for name, text in found.items())


def test_a_broken_control_file_writes_no_archive(workplace: Workplace, tmp_path: Path) -> None:
    workplace.add_students()
    (tmp_path / "ctls/tmp_students.ctl").write_text("LOAD NOTHING", "utf-8")
    done = workplace.run("replicate", "config", "archive", str(tmp_path / "site.tar.xz"))
    assert done.code == ExitCode.USAGE
    assert "tmp_students.ctl:1" in str(done.error)
    assert not (tmp_path / "site.tar.xz").exists()


def test_the_same_files_make_the_same_archive(tmp_path: Path) -> None:
    names = [write_files(tmp_path / number, tables=3) for number in ("1", "2")]
    assert build_archive(names[0]) == build_archive(names[1])


def test_hundreds_of_wide_tables_fit_a_configmap_as_kubectl_applies_it(tmp_path: Path) -> None:
    assert len(build_archive(write_files(tmp_path, tables=300))) < MOST_BYTES_APPLIED


def test_an_archive_above_a_configmap_is_refused_with_its_largest_file(tmp_path: Path) -> None:
    files = write_files(tmp_path, tables=1)
    (tmp_path / "conf/noise.yaml").write_bytes(random.Random(1).randbytes(1_100_000))
    with pytest.raises(ConfigError, match=r"conf: the archive has 1,.*noise\.yaml"):
        build_archive(files | {"conf/noise.yaml": tmp_path / "conf/noise.yaml"})


def write_files(folder: Path, *, tables: int) -> dict[str, Path]:
    """Control files, DDL and queries of tables with 25 columns, whose names share 2,000 words."""
    draw = random.Random(7)
    words = ["".join(draw.choices("abcdefghijklmnoprstuv", k=draw.randint(3, 9))) for _ in range(2000)]
    for name in ("conf", "ctls", "ddl"):
        (folder / name).mkdir(parents=True)
    conf = []
    for number in range(tables):
        table, columns = f"tmp_{number}", ["_".join(draw.choices(words, k=2)) for _ in range(25)]
        fields = ",\n".join(f"  {column} CHAR({draw.randint(1, 400)})" for column in columns)
        (folder / f"ctls/{table}.ctl").write_text(f"LOAD DATA\nTRUNCATE INTO TABLE {table}\n(\n{fields}\n)\n", "utf-8")
        typed = ",\n".join(f"  {column} VARCHAR2({draw.randint(1, 400)} CHAR)" for column in columns)
        (folder / f"ddl/{table}.sql").write_text(f"CREATE TABLE {table} (\n{typed}\n);\n", "utf-8")
        conf.append(f"{table}:\n  cstable: {table}\n  sql: |\n    SELECT {', '.join(columns)}\n    FROM sis.{table}\n")
    (folder / "conf/tablesconf.yaml").write_text("".join(conf), "utf-8")
    return find_archive_files(folder / "conf", folder / "ctls", folder / "ddl")

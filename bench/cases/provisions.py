"""Canvas's report of enrollments into its table, against downloading it and loading it with DuckDB alone.

The simulated Canvas, in this process, hands out a file that was written before.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.pushing import TOKEN, prepared
from tests.workplace import Workplace

from bench.harness import OURS, Case, Sample, Scale, Way, run_command
from replicate_demo.canvas import CanvasSimulator, Options, reports
from replicate_demo.canvas.files import StoredFile, keep
from replicate_demo.canvas.report_rows import HEADERS
from replicate_demo.canvas.site import Site

ALONE = "download, and DuckDB read_csv into a table"
PROVISIONS = (
    "terms: [fa19]\nregular: {enrollments: {scope: term, cstable: tmp_cnv_enrollments, mvtable: canvas_enrollments}}\n"
)
REPORT = """COPY (SELECT {columns} FROM (SELECT
    10000000000 + i // 100 AS canvas_course_id, 'course ' || i // 100 AS course_id,
    20000000000 + i % 50000 AS canvas_user_id, lpad((i % 50000)::VARCHAR, 9, '0') AS user_id, 'student' AS role,
    3 AS role_id, 30000000000 + i // 100 AS canvas_section_id, 'fa19-' || i // 100 AS section_id,
    CASE hash(i) % 20 WHEN 0 THEN 'deleted' ELSE 'active' END AS status, NULL AS canvas_associated_user_id,
    NULL AS associated_user_id, true AS created_by_sis, 'StudentEnrollment' AS base_role_type,
    false AS limit_section_privileges, 9007199254740993 + i AS canvas_enrollment_id FROM range({rows}) r(i))
    ) TO '{file}' (HEADER)"""
PLAIN = """
import sys, time, duckdb, requests
url, token, folder = sys.argv[1:]
session = requests.Session()
session.headers["Authorization"] = f"Bearer {token}"
path = f"{url}/api/v1/accounts/self/reports/provisioning_csv"
report = session.post(path, data={"parameters[enrollments]": "true"}).json()
while report["status"] != "complete":
    time.sleep(0.05)
    report = session.get(f"{path}/{report['id']}").json()
with session.get(report["attachment"]["url"], stream=True) as answer, open(f"{folder}/plain.csv", "wb") as file:
    answer.raise_for_status()
    for part in answer.iter_content(1 << 20):
        file.write(part)
with duckdb.connect(f"{folder}/plain.duckdb") as target:
    target.execute(f"CREATE TABLE t AS FROM read_csv('{folder}/plain.csv', all_varchar = true)")
"""


@contextmanager
def prepare(scale: Scale) -> Iterator[Sequence[Way]]:
    import duckdb

    with tempfile.TemporaryDirectory() as name:
        file = Path(name, "enrollments.csv")
        columns = ", ".join(HEADERS["enrollments"])
        duckdb.sql(REPORT.format(columns=columns, rows=scale.of(1_000_000, 5_000), file=file))
        yield [Way(OURS, lambda: measure(OURS, file)), Way(ALONE, lambda: measure(ALONE, file))]


def measure(way: str, file: Path) -> Sample:
    """In a new installation: a report that did not change is not loaded again."""

    def keep_file(site: Site, *_: object) -> StoredFile:
        return keep(site, file.name, "text/csv", file.stat().st_size, lambda: read_chunks(file), site.options.clock())

    options = Options(token=TOKEN, report_seconds=0.05)
    patch = pytest.MonkeyPatch()
    with tempfile.TemporaryDirectory() as folder, CanvasSimulator(options=options) as canvas:
        try:
            patch.setattr(reports, "keep_report", keep_file)
            prepared(Workplace(Path(folder)), canvas, patch, PROVISIONS).place.close()
            plain = [sys.executable, "-c", PLAIN, canvas.url, TOKEN, folder]
            return run_command([sys.executable, "-m", "provisioner", "run"] if way == OURS else plain, os.environ)
        finally:
            patch.undo()


def read_chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            yield chunk


CASES = (
    Case(
        "provisions",
        "Canvas's report of 1,000,000 enrollments, fetched into its table and view",
        prepare,
        targets={ALONE: 1 / 1.3},
        most_megabytes=400,
        times=1,
    ),
)

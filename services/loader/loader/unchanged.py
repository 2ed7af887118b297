"""A table whose new file is what is published already: nothing is loaded and no view is refreshed."""

from __future__ import annotations

import hashlib
import json
import time

from canvas_replicate import metrics
from canvas_replicate.control_file import read_control_file
from canvas_replicate.databases.ports import Digested
from canvas_replicate.ledger.records import Outcome
from loader import gates
from loader.job import LoadJob


def name_content(job: LoadJob) -> str | None:
    """A hash of the file's rows and of all that makes a table and its view of them; None where the file has no digest.

    It covers the digest, the row count, the columns, the query, the control file, the DDL and the names.
    """
    manifest, settings = job.manifest, job.runtime.settings
    if manifest.digest is None:
        return None
    texts = [settings.ctl_dir / f"{job.table.name}.ctl", settings.ddl_dir / f"{job.table.name}.sql"]
    facts = [
        *(manifest.digest.algorithm, manifest.digest.value, manifest.rows, manifest.query_sha256, manifest.source),
        [[column.name, column.type] for column in manifest.columns],
        [path.read_text("utf-8", errors="replace") if path.is_file() else None for path in texts],
        *(job.table.base_table, job.table.view),
    ]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def find_unchanged(job: LoadJob) -> Outcome | None:
    """A success without a load, where the file is what was published and the base table still has its rows.

    None wherever that is not certain, for a forced run and for a replay.
    """
    started, manifest = time.monotonic(), job.manifest
    published, content = job.published, name_content(job)
    if job.run.forced or job.row.replay or published is None or content is None:
        return None
    if published.content_sha256 != content or published.loaded != manifest.rows:
        return None
    control = read_control_file(job.runtime.settings.ctl_dir / f"{job.table.name}.ctl")
    base = {column.name for column in job.loader.describe(job.table.base_table)}
    if any(field.name not in base and not field.filler for field in control.data_fields):
        return None
    job.views.require_view(job.table.view)
    if job.views.count_rows(job.table.view) != published.view_rows:
        return None
    job.runtime.progress.report(job.table.name, "verifying", 0)
    fingerprint = _verify_table(job, gates.choose_digested(manifest, control.data_fields), published.fingerprint)
    if fingerprint is None:
        return None
    job.check(None)
    metrics.tables_unchanged.labels(job.table.name).inc()
    return Outcome(
        "successful",
        "loader",
        message=" ".join([f"unchanged, {manifest.rows:,} rows verified.", *manifest.list_notes()]),
        loaded=manifest.rows,
        rejected=0,
        load_seconds=time.monotonic() - started,
        verified="rows",
        content_sha256=content,
        fingerprint=fingerprint,
        view_rows=published.view_rows,
    )


def _verify_table(job: LoadJob, digested: Digested, known: str | None) -> str | None:
    """The fingerprint of a base table that has the file's rows; None for another table.

    Where the table has the fingerprint that it had when gate 2 verified it, the digest need not be computed again.
    """
    manifest, table = job.manifest, job.table.base_table
    found = job.loader.measure(table, digested, quickly=True)
    if not gates.covers_all(manifest, found) or found.rows != manifest.rows:
        return None
    if found.fingerprint != known:
        found = found if found.digest else job.loader.measure(table, digested)
        if (found.rows, found.digest) != (manifest.rows, manifest.digest):
            return None
    return found.fingerprint

"""Checks of pushes: the target parses the SQL, the SQL reads loaded tables, and a report exists to compare with."""

from __future__ import annotations

from canvas_replicate.cli.check.findings import Finding, attempted
from canvas_replicate.cli.check.reached import Reached
from canvas_replicate.config.catalogue import Catalogue
from canvas_replicate.config.push_tables import find_push_tables
from canvas_replicate.config.pushes import PushProcess
from canvas_replicate.databases.ports import Source
from canvas_replicate.datfile.columns import Column
from canvas_replicate.errors import PermanentError
from canvas_replicate.sql.tables_read import bare

# The report of provisioning_csv that has a kind's objects, where it is called otherwise.
_REPORTS = {"xlists": "xlist"}


def push_findings(catalogue: Catalogue, reached: Reached) -> list[Finding]:
    findings: list[Finding] = []
    for group, processes in catalogue.pushes.items():
        for process in processes:
            if process.enabled:
                findings += _check_process(group, process, catalogue, reached)
    return findings


def _check_process(group: str, process: PushProcess, catalogue: Catalogue, reached: Reached) -> list[Finding]:
    what = f"push {process.name}"
    findings: list[Finding] = []
    source = reached.sources.get(reached.target or "")
    if source is not None:
        attempted(findings, what, lambda: _describe(process, source))
    reads = find_push_tables(process, catalogue)
    for need in process.needs:
        if bare(need) in reads.others:
            message = f"{process.place}: needs: {need} is no table or view of tablesconf.yaml or provisions.yaml."
            findings.append(Finding("error", what, message, "Nothing loads it, so nothing would ever stop this push."))
    if not process.needs and not reads.tables:
        message = "its SQL reads nothing that is loaded here, so no failed load would stop it."
        findings.append(Finding("warning", what, message, "Name the tables that it depends on under needs:."))
    report = _REPORTS.get(process.kind, process.kind)
    mode = catalogue.provisions.modes.get(group)
    if mode is None:
        message = f"provisions.yaml has no {group} reports, and nothing is pushed without good ones."
        findings.append(Finding("error", what, message, f"List some there under {group}:."))
    elif all(each.kind != report or not each.enabled for each in mode.reports):
        message = f"provisions.yaml has no {report} under {group}: every row counts as new, and no percentage holds it."
        findings.append(Finding("warning", what, message, "Add that report."))
    return findings


def _describe(process: PushProcess, source: Source) -> tuple[Column, ...]:
    """The columns of the SQL, which the target parses and does not run."""
    try:
        return source.describe(process.query)
    except PermanentError as error:
        message = f"{process.place}: the target refuses the query: {error.message}"
        raise PermanentError(message, code=error.code, next_step=error.next_step or "Mend the sql there.") from error

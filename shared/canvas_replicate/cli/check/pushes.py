"""Checks of pushes: the target parses the SQL, the SQL reads loaded tables, and a report exists to compare with."""

from __future__ import annotations

from canvas_replicate.cli.check.connections import Connections
from canvas_replicate.cli.check.findings import Finding, describe_query
from canvas_replicate.config.catalogue import Catalogue
from canvas_replicate.config.push_tables import find_push_tables
from canvas_replicate.config.pushes import PushProcess
from canvas_replicate.sql.tables_read import bare

# The report of provisioning_csv that has a kind's objects, where it is called otherwise.
_REPORTS = {"xlists": "xlist"}


def check_pushes(catalogue: Catalogue, connections: Connections) -> list[Finding]:
    findings: list[Finding] = []
    for group, process in ((group, each) for group, processes in catalogue.pushes.items() for each in processes):
        if process.enabled:
            findings += _check_process(group, process, catalogue, connections)
    return findings


def _check_process(group: str, process: PushProcess, catalogue: Catalogue, connections: Connections) -> list[Finding]:
    what = f"push {process.name}"
    findings: list[Finding] = []
    source = connections.sources.get(connections.target or "")
    if source is not None:
        describe_query(findings, what, "the target", source, process)
    reads = find_push_tables(process, catalogue)
    for need in process.needs:
        if bare(need) in reads.others:
            message = f"{process.place}: needs: {need} is no table or view of tablesconf.yaml or provisions.yaml."
            findings.append(Finding("error", what, message, "Correct the name: no failed load can stop this push."))
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

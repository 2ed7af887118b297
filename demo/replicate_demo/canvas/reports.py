"""Account reports: started, queued, run one after the other, looked at (fact sheet 1)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from replicate_demo.canvas.addresses import find_account, find_by_number, find_term
from replicate_demo.canvas.answers import Answer, Refused, answer_json, build_not_found, build_refusal
from replicate_demo.canvas.files import build_attachment_json
from replicate_demo.canvas.model import Account, State, Term, format_stamp, make_id
from replicate_demo.canvas.paging import answer_page
from replicate_demo.canvas.parameters import is_true, split_texts
from replicate_demo.canvas.report_files import keep_report
from replicate_demo.canvas.report_model import Report
from replicate_demo.canvas.report_rows import HEADERS, Scope
from replicate_demo.canvas.site import Call, Site

PROVISIONING = "provisioning_csv"
_ERROR_REPORT = "The report failed to generate a file. Error report 4711 was filed."
_DRIFTS = ("renamed_column", "missing_column", "extra_column", "second_header")


def start(call: Call) -> Answer:
    account = find_account(call.state, call.ids["account"])
    _require_known_type(call)
    parameters = call.group("parameters")
    report = _make_report(call, account, parameters)
    _arm(call.site, report)
    if call.site.faults.take("other_admin"):
        _make_report(call, account, {"users": "true", "courses": "true"})
    return answer_json(_build_report_json(call, report))


def list_reports(call: Call) -> Answer:
    """Whoever started them, newest first."""
    account = find_account(call.state, call.ids["account"])
    return answer_page(
        call, _find_runs(call, account, _require_known_type(call)), lambda report: _build_report_json(call, report)
    )


def show(call: Call) -> Answer:
    return answer_json(_build_report_json(call, _find_report(call)))


def delete(call: Call) -> Answer:
    report = _find_report(call)
    _end(report, "deleted", call.now)
    return answer_json(_build_report_json(call, report))


def abort(call: Call) -> Answer:
    """Only what runs can be aborted."""
    report = _find_report(call)
    if report.status != "running":
        raise build_not_found()
    _end(report, "aborted", call.now)
    return answer_json(_build_report_json(call, report))


def advance_reports(site: Site, now: float) -> None:
    """Let the jobs run up to ``now``: one at a time, in the order in which they were started."""
    free_since = 0.0
    for report in site.reports.values():
        if report.status == "created" and max(report.created_at, free_since) <= now:
            _begin(report, max(report.created_at, free_since))
        if report.status == "running" and (ends := _find_end(site, report)) is not None and ends <= now:
            _finish(site, report, ends)
        if report.finished:
            free_since = max(free_since, report.ended_at or 0.0)
        elif _find_end(site, report) is not None:
            return  # the others wait; a job whose worker was killed keeps nobody waiting


def _begin(report: Report, at: float) -> None:
    """Progress stays 0 until it is 100 (fact sheet 1.2), unless the report is to be stuck."""
    report.status, report.started_at, report.current_line = "running", at, 0
    report.progress = report.stuck.percent if report.stuck else 0


def _find_end(site: Site, report: Report) -> float | None:
    """When the job ends; None: never."""
    started = report.created_at if report.started_at is None else report.started_at
    if report.stuck is None:
        return started + site.options.report_seconds
    return None if report.stuck.seconds is None else started + report.stuck.seconds


def _finish(site: Site, report: Report, at: float) -> None:
    """Without a selected file it ends in ``error``; progress is 100 even then."""
    kinds = [kind for kind in HEADERS if is_true(report.parameters.get(kind))]
    _end(report, "complete" if kinds and not report.fails else "error", at)
    report.progress = 100
    if report.status == "error":
        report.parameters["extra_text"] = _ERROR_REPORT
        return
    scope = _build_scope(site.state, report, format_stamp(at))
    report.file_id = keep_report(site, report, kinds, scope, at).id


def _end(report: Report, status: str, at: float) -> None:
    report.status, report.ended_at = status, at


def _build_scope(state: State, report: Report, now: str) -> Scope:
    given = report.parameters
    by_sis = given.get("created_by_sis")  # any text switches it on, even "false" (fact sheet 1.5)
    return Scope(
        account_id=report.account_id,
        tree=frozenset(state.in_tree(report.account_id)),
        whole=report.account_id == state.root.id,
        now=now,
        term_id=report.term_id,
        include_deleted=is_true(given.get("include_deleted")),
        created_by_sis=by_sis is not None and by_sis is not False,
        enrollment_types=frozenset(split_texts(given.get("enrollment_filter"))),
        enrollment_states=frozenset(split_texts(given.get("enrollment_states"))),
    )


def _find_term(call: Call, parameters: Mapping[str, Any]) -> Term | None:
    """None: all terms. ``enrollment_term`` is the old name, still read."""
    text = str(parameters.get("enrollment_term_id") or parameters.get("enrollment_term") or "")
    try:
        return find_term(call.state, text, call.stamp) if text else None
    except Refused:
        raise build_refusal(400, {"error": f"invalid enrollment_term_id '{text}'"}) from None


def _make_report(call: Call, account: Account, parameters: Mapping[str, Any]) -> Report:
    term = _find_term(call, parameters)
    kinds = " ".join(kind for kind in HEADERS if is_true(parameters.get(kind)))
    added = {"extra_text": f"Term: {term.name if term else 'All Terms'}; Reports: {kinds} ", "locale": "en"}
    given = {**parameters, **added}
    report = Report(
        make_id(call.site.reports), PROVISIONING, account.id, given, call.now, term_id=term.id if term else None
    )
    call.site.reports[report.id] = report
    return report


def _arm(site: Site, report: Report) -> None:
    """What was armed for the next report becomes this one's."""
    report.stuck = site.faults.take("stuck_report")
    report.fails = site.faults.take("report_error") is not None
    report.empty = site.faults.take("empty_report") is not None
    report.drifts = [fault for name in _DRIFTS if (fault := site.faults.take(name))]


def _require_known_type(call: Call) -> str:
    if call.ids["type"] != PROVISIONING:
        raise build_not_found()
    return PROVISIONING


def _find_report(call: Call) -> Report:
    """Only under the account and the type with which it was started."""
    account = find_account(call.state, call.ids["account"])
    report = find_by_number(call.site.reports, call.ids["report"])
    if report.account_id != account.id or report.type != call.ids["type"] or report.status == "deleted":
        raise build_not_found()
    return report


def _find_runs(call: Call, account: Account, kind: str) -> list[Report]:
    mine = (each for each in call.site.reports.values() if each.account_id == account.id and each.type == kind)
    return sorted((each for each in mine if each.status != "deleted"), key=lambda each: -each.id)


def _build_report_json(call: Call, report: Report) -> dict[str, Any]:
    """The key ``attachment`` is absent until there is a file (fact sheet 1.4)."""
    shown = {
        "id": report.id,
        "progress": report.progress,
        "current_line": report.current_line,
        "parameters": report.parameters,
        "status": report.status,
        "report": report.type,
        "created_at": format_stamp(report.created_at),
        "started_at": None if report.started_at is None else format_stamp(report.started_at),
        "ended_at": None if report.ended_at is None else format_stamp(report.ended_at),
        "file_url": None,
    }
    if report.file_id is not None:
        file = call.site.files[report.file_id]
        shown["file_url"] = f"{call.origin}/accounts/{report.account_id}/files/{file.id}/download"
        shown["attachment"] = build_attachment_json(file, call.origin)
    return shown

"""The verdict on a person: whether they are in Canvas, which link broke first, and the next command."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from canvas_replicate.cli.why.person import Link, PersonFacts, PlannedChange, ProcessFacts, TableChain
from canvas_replicate.cli.why.rows import PersonRow, format_count
from canvas_replicate.suggest import suggest_decision

_DELETED = "deleted"
# The report's word for a status of a SIS import, where they differ (canvas-api.md 2.2 and 4.13).
_REPORTED = {"completed": "concluded", "deleted_last_completed": _DELETED}


@dataclass(frozen=True)
class PersonVerdict:
    """``in_canvas``: by the last report; None if no report can be read. ``reason`` is the first broken link, or why
    there is none; ``disagreement`` is empty if report and journal agree.
    """

    in_canvas: bool | None
    answer: str
    reason: str
    disagreement: str
    next_step: str


@dataclass(frozen=True)
class _Break:
    reason: str
    next_step: str


def decide_verdict(facts: PersonFacts) -> PersonVerdict:
    report = _find_deciding_report(facts)
    there = None if report is None else _is_there(report)
    found = next(_find_breaks(facts, bool(there)), None) or _explain_no_break(facts)
    answer, disagreement = _describe_answer(facts, report), _describe_disagreement(facts)
    return PersonVerdict(there, answer, found.reason, disagreement, found.next_step)


def _find_deciding_report(facts: PersonFacts) -> Link | None:
    """The report of enrollments for a course, else the report of users; one that has the person, if any."""
    links = _list_reports(facts, "enrollments" if facts.course else "users")
    return next((link for link in links if _is_there(link)), links[0] if links else None)


def _list_reports(facts: PersonFacts, kind: str) -> list[Link]:
    """The reports of a kind that could be read."""
    return [report.link for report in facts.reports if report.kind == kind and report.link.count is not None]


def _is_there(report: Link) -> bool:
    return any(row.get("status") != _DELETED for row in report.values)


def _describe_answer(facts: PersonFacts, report: Link | None) -> str:
    if report is None:
        kind = "enrollments" if facts.course else "users"
        return f"Whether {facts.who} is in Canvas is not known: no report of {kind} can be asked."
    statuses = ", ".join(sorted({row["status"] for row in report.values if "status" in row}))
    shown = f" ({statuses})" if statuses else ""
    negation = "" if _is_there(report) else "not "
    return f"{facts.who} is {negation}in Canvas{shown}, according to the report of {_format_moment(report.as_of)}."


def _is_reported(facts: PersonFacts, kind: str, wanted: PersonRow) -> bool:
    """Whether the reports show the wanted row. A row that they do not have counts as deleted."""
    rows = [row for report in _list_reports(facts, kind) for row in report.values if _is_same(wanted, row)]
    status = wanted.get("status", "active")
    status = _REPORTED.get(status, status)
    if status == _DELETED:
        return all(row.get("status") == _DELETED for row in rows)
    return any(row.get("status") == status for row in rows)


def _is_same(wanted: PersonRow, row: PersonRow) -> bool:
    """An enrollment names its section, or else its course, and its role; a user's row names none of them."""
    if "role" in wanted and row.get("role", wanted["role"]) != wanted["role"]:
        return False
    for place in ("section_id", "course_id"):
        if place in wanted:
            return row.get(place) == wanted[place]
    return True


def _to_row(planned: PlannedChange) -> PersonRow:
    line = planned.line
    values = {"section_id": line.section_id, "course_id": line.course_id, "status": line.wanted}
    return {name: value for name, value in values.items() if value}


def _describe_disagreement(facts: PersonFacts) -> str:
    """How the last accepted change and the report differ; empty where they agree."""
    planned, report = _find_contradiction(facts)
    if planned is None or report is None:
        return ""
    when = _format_moment(planned.line.answered_at)
    accepted = f"{planned.line.wanted} of {planned.plan.process}, which Canvas accepted {when}"
    if _is_older(report, planned):
        return f"That report is older than the change to {accepted}: it cannot show it."
    return f"Report and journal disagree about {accepted}: the later report does not have it. Who changed it in Canvas?"


def _find_contradiction(facts: PersonFacts) -> tuple[PlannedChange | None, Link | None]:
    planned = next((each for each in facts.planned if each.line.state == "applied" and each.line.wanted), None)
    reports = _list_reports(facts, planned.plan.kind) if planned else []
    if planned is None or not reports or _is_reported(facts, planned.plan.kind, _to_row(planned)):
        return None, None
    return planned, reports[0]


def _is_older(report: Link, planned: PlannedChange) -> bool:
    answered = planned.line.answered_at
    return report.as_of is None or answered is None or report.as_of <= answered


def _find_breaks(facts: PersonFacts, there: bool) -> Iterator[_Break]:
    kinds = ("enrollments",) if facts.course else ("users", "enrollments")
    processes = [process for process in facts.processes if process.kind in kinds]
    if not processes:
        yield _Break(f"No process of pushes.yaml pushes {' or '.join(kinds)} to Canvas.", "replicate check")
        return
    names = {process.process for process in processes}
    chains = [chain for chain in facts.chains if names & {*chain.processes}]
    for chain in chains:
        yield from _check_chain(chain, facts.who)
    if not there and not _is_spelled_differently(processes, chains):
        yield from _check_first_answers(facts, chains)
    yield from _check_sql(facts, processes, chains, there)
    for process in processes:
        yield from _check_sent(facts, process)


def _check_chain(chain: TableChain, who: str) -> Iterator[_Break]:
    """The link between the source and the view that has no row any more."""
    source, file, table, view = chain.links
    again = chain.table_next or f"replicate rerun {chain.table}"
    if source.count and (file.count == 0 or (file.count is None and table.count == 0)):
        loaded = f"of {_format_moment(file.as_of)} does not" if file.as_of else "never was"
        yield _Break(f"The source has {who} now ({chain.table}), the last load {loaded}.", again)
    elif file.count and table.count == 0:
        reason = f"The file of {chain.table} has {who}, the base table does not: rejected, or changed since."
        yield _Break(reason, f"replicate rejects {chain.table}")
    elif table.count and view.count == 0:
        yield _Break(f"The base table of {chain.table} has {who}, the view {chain.view} does not.", again)


def _is_spelled_differently(processes: list[ProcessFacts], chains: list[TableChain]) -> bool:
    """Whether the SQL builds the ids, such as a course_id of crse_id and strm, so that no table has them."""
    asked_for = any(process.link.count for process in processes)
    return asked_for and not any(link.count for chain in chains for link in chain.links)


def _check_first_answers(facts: PersonFacts, chains: list[TableChain]) -> Iterator[_Break]:
    """A break where no table has the person at its source, or at the first link that answers."""
    answers = [(chain, [link for link in chain.links if link.count is not None]) for chain in chains]
    firsts = [(chain, links[0]) for chain, links in answers if links]
    if facts.course:
        firsts = [(chain, link) for chain, link in firsts if link.of_courses]
    if not firsts or any(link.count for _, link in firsts):
        return
    asked = ", ".join(f"{chain.table} ({link.step} {link.where})" for chain, link in firsts)
    others = sum(link.elsewhere for _, link in firsts)
    also = f" {facts.name} has {format_count(others)} there about other courses." if others else ""
    if any(link.count for chain, _ in firsts for link in chain.links):
        also += " What was loaded before still has one."
    step = f"Correct it in the student system, then: replicate rerun {firsts[0][0].table}"
    yield _Break(f"There is no row of {facts.who} to begin with: {asked}.{also}", step)


def _check_sql(
    facts: PersonFacts, processes: list[ProcessFacts], chains: list[TableChain], there: bool
) -> Iterator[_Break]:
    """A break where the SQL of no process returns the person."""
    if any(process.link.count is None or process.link.count for process in processes):
        return
    names, place = ", ".join(process.process for process in processes), processes[0].place
    gone = [chain.table for chain in chains if chain.find_link("source").count == 0]
    if there and gone:
        reason = f"{gone[0]} has no such row at its source any more, but absence is never a removal"
        step = f"Let the SQL return the row with a status that ends it: {place}"
        yield _Break(f"{reason}, and {names} asks for none.", step)
    elif not there:
        others = sorted({name for process in processes for name in process.others})
        hint = f" It reads {', '.join(others)}, which tablesconf.yaml does not have." if others else ""
        yield _Break(f"The SQL of {names} returns no row of {facts.who}.{hint}", f"Look at its conditions: {place}")


def _check_sent(facts: PersonFacts, process: ProcessFacts) -> Iterator[_Break]:
    """A break for each row that the process wants and Canvas does not have, or keeps otherwise."""
    for row in process.link.values:
        of_process = (each for each in facts.planned if each.plan.process == process.process)
        planned = next((each for each in of_process if _is_same(row, _to_row(each))), None)
        if not _is_reported(facts, process.kind, row) or _is_sticky_now(process, planned):
            yield from _check_journal(facts, process, planned)


def _is_sticky_now(process: ProcessFacts, planned: PlannedChange | None) -> bool:
    """Whether the newest plan has the row as sticky: its status is reported, and Canvas keeps other fields of it."""
    newest = process.latest.file_sha256 if process.latest else None
    return planned is not None and planned.line.state == "sticky" and planned.plan.sha256 == newest


def _check_journal(facts: PersonFacts, process: ProcessFacts, planned: PlannedChange | None) -> Iterator[_Break]:
    name, held = process.process, process.held
    state = planned.line.state if planned else "never planned"
    if not process.enabled:
        step = f"Switch it on in {process.place}, then: canvas-pusher plan --tablename {name}"
        yield _Break(f"{name} asks for {facts.who}, but it is switched off.", step)
    elif held is not None and state in ("never planned", "planned"):
        step = suggest_decision(held.artifact_id)
        yield _Break(f"The plan of {name} is held: {held.reason}", step)
    elif planned is None:
        reason = f"{name} asks for {facts.who}, but that was never planned.{_describe_newest_run(process)}"
        yield _Break(reason, f"canvas-pusher plan --tablename {name}")
    elif state in ("planned", "sent"):
        sent = f"sent {_format_moment(planned.line.sent_at)}, without an answer yet"
        progress = "it was not sent" if state == "planned" else sent
        reason = f"{name} planned it ({planned.plan.plan_id}), {progress}.{_describe_newest_run(process)}"
        yield _Break(reason, f"canvas-pusher run --tablename {name}")
    elif state == "sticky" or (state == "rejected" and planned.line.sent_at is None):
        reason = f"{name} did not send it ({planned.plan.plan_id}): {planned.line.answer or 'no reason given'}"
        step = f"Correct that, then: canvas-pusher plan --tablename {name}"
        if state == "sticky":
            step = f"Correct it in Canvas, or see override_stickiness in {process.place}"
        yield _Break(reason, step)
    elif state == "rejected":
        when, answer = _format_moment(planned.line.answered_at), planned.line.answer or "no reason given"
        reason = f"Canvas refused it {when} ({planned.plan.plan_id}): {answer}"
        yield _Break(reason, f"Correct that, then: canvas-pusher plan --tablename {name}")


def _describe_newest_run(process: ProcessFacts) -> str:
    """The end of the process in its newest run, unless it was successful."""
    latest = process.latest
    if latest is None:
        return " The process never ran."
    if latest.state == "successful":
        return ""
    return f" In run {latest.run_id} it is {latest.state}: {latest.message or 'no reason given'}"


def _explain_no_break(facts: PersonFacts) -> _Break:
    planned, report = _find_contradiction(facts)
    if planned is not None and report is not None:
        plan = f"canvas-pusher plan --tablename {planned.plan.process}"
        again = "provisioner run" if _is_older(report, planned) else plan
        return _Break("No link is broken up to Canvas.", again)
    unasked = [link for chain in facts.chains for link in chain.links if link.trouble and link.step != "file"]
    unasked += [process.link for process in facts.processes if process.link.trouble]
    if unasked:
        return _Break(f"No break was found, but {unasked[0].where} {unasked[0].trouble}", "replicate check")
    if _find_deciding_report(facts) is None:
        return _Break("No link is broken up to Canvas.", "provisioner run")
    return _Break("No link is broken.", "Nothing.")


def _format_moment(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC" if moment else "at an unknown time"

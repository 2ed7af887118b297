"""What follows from the facts about a person: are they in Canvas, which link broke first, and what to type."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from canvas_replicate.cli.why.person import Link, PersonFacts, Planned, ProcessFacts, TableChain
from canvas_replicate.cli.why.rows import Row, counted

_DELETED = "deleted"
# The report's word for a status of a SIS import, where they differ (canvas-api.md 2.2 and 4.13).
_REPORTED = {"completed": "concluded", "deleted_last_completed": _DELETED}


@dataclass(frozen=True)
class Verdict:
    """``in_canvas``: what the last report says, None where none could be asked. ``reason`` is the first break, or
    why there is none; ``disagreement`` is empty where report and journal say the same."""

    in_canvas: bool | None
    answer: str
    reason: str
    disagreement: str
    next_step: str


@dataclass(frozen=True)
class _Break:
    reason: str
    next_step: str


def verdict(facts: PersonFacts) -> Verdict:
    report = _deciding_report(facts)
    there = None if report is None else _is_there(report)
    found = next(_breaks(facts, bool(there)), None) or _no_break(facts)
    return Verdict(there, _answer(facts, report), found.reason, _disagreement(facts), found.next_step)


# -- what Canvas says ------------------------------------------------------------------------------------------


def _deciding_report(facts: PersonFacts) -> Link | None:
    """Of the enrollments, where a course was asked about, else of the users; one that has the person, if any."""
    links = _reports(facts, "enrollments" if facts.course else "users")
    return next((link for link in links if _is_there(link)), links[0] if links else None)


def _reports(facts: PersonFacts, kind: str) -> list[Link]:
    """Those that could be asked."""
    return [report.link for report in facts.reports if report.kind == kind and report.link.count is not None]


def _is_there(report: Link) -> bool:
    return any(row.get("status") != _DELETED for row in report.values)


def _answer(facts: PersonFacts, report: Link | None) -> str:
    if report is None:
        kind = "enrollments" if facts.course else "users"
        return f"Whether {facts.who} is in Canvas is not known: no report of {kind} can be asked."
    statuses = ", ".join(sorted({row["status"] for row in report.values if "status" in row}))
    said = f" ({statuses})" if statuses else ""
    return f"{facts.who} is {'' if _is_there(report) else 'not '}in Canvas{said}, says the report of {_time(report)}."


def _is_reported(facts: PersonFacts, kind: str, wanted: Row) -> bool:
    """Whether Canvas has it as wanted, as far as the reports tell; what they do not have is deleted."""
    rows = [row for report in _reports(facts, kind) for row in report.values if _is_same(wanted, row)]
    status = wanted.get("status", "active")
    status = _REPORTED.get(status, status)
    if status == _DELETED:
        return all(row.get("status") == _DELETED for row in rows)
    return any(row.get("status") == status for row in rows)


def _is_same(wanted: Row, row: Row) -> bool:
    """An enrollment names its section, or else its course, and its role; what names none is about the person alone."""
    if "role" in wanted and row.get("role", wanted["role"]) != wanted["role"]:
        return False
    for place in ("section_id", "course_id"):
        if place in wanted:
            return row.get(place) == wanted[place]
    return True


def _row_of(planned: Planned) -> Row:
    line = planned.line
    values = {"section_id": line.section_id, "course_id": line.course_id, "status": line.wanted}
    return {name: value for name, value in values.items() if value}


# -- report and journal ----------------------------------------------------------------------------------------


def _disagreement(facts: PersonFacts) -> str:
    """The last that Canvas accepted against what it reports."""
    planned, report = _contradicted(facts)
    if planned is None or report is None:
        return ""
    accepted = (
        f"{planned.line.wanted} of {planned.plan.process}, which Canvas accepted {_moment(planned.line.answered_at)}"
    )
    if _is_older(report, planned):
        return f"That report is older than the change to {accepted}: it cannot show it."
    return f"Report and journal disagree about {accepted}: the later report does not have it. Who changed it in Canvas?"


def _contradicted(facts: PersonFacts) -> tuple[Planned | None, Link | None]:
    planned = next((each for each in facts.planned if each.line.state == "applied" and each.line.wanted), None)
    reports = _reports(facts, planned.plan.kind) if planned else []
    if planned is None or not reports or _is_reported(facts, planned.plan.kind, _row_of(planned)):
        return None, None
    return planned, reports[0]


def _is_older(report: Link, planned: Planned) -> bool:
    answered = planned.line.answered_at
    return report.as_of is None or answered is None or report.as_of <= answered


# -- the first break -------------------------------------------------------------------------------------------


def _breaks(facts: PersonFacts, there: bool) -> Iterator[_Break]:
    kinds = ("enrollments",) if facts.course else ("users", "enrollments")
    processes = [process for process in facts.processes if process.kind in kinds]
    if not processes:
        yield _Break(f"No process of pushes.yaml pushes {' or '.join(kinds)} to Canvas.", "replicate check")
        return
    names = {process.process for process in processes}
    chains = [chain for chain in facts.chains if names & {*chain.processes}]
    for chain in chains:
        yield from _in_chain(chain, facts.who)
    if not there and not _spelt_otherwise(processes, chains):
        yield from _nowhere(facts, chains)
    yield from _asked_for(facts, processes, chains, there)
    for process in processes:
        yield from _sent(facts, process)


def _in_chain(chain: TableChain, who: str) -> Iterator[_Break]:
    """Where a row stops on its way from the source to the view."""
    source, file, table, view = chain.links
    again = chain.table_next or f"replicate rerun {chain.table}"
    if source.count and (file.count == 0 or (file.count is None and table.count == 0)):
        loaded = f"of {_time(file)} does not" if file.as_of else "never was"
        yield _Break(f"The source has {who} now ({chain.table}), the last load {loaded}.", again)
    elif file.count and table.count == 0:
        reason = f"The file of {chain.table} has {who}, the base table does not: rejected, or changed since."
        yield _Break(reason, f"replicate rejects {chain.table}")
    elif table.count and view.count == 0:
        yield _Break(f"The base table of {chain.table} has {who}, the view {chain.view} does not.", again)


def _spelt_otherwise(processes: list[ProcessFacts], chains: list[TableChain]) -> bool:
    """The SQL makes a row of what no table has under that name, such as a course_id of crse_id and strm."""
    asked_for = any(process.link.count for process in processes)
    return asked_for and not any(link.count for chain in chains for link in chain.links)


def _nowhere(facts: PersonFacts, chains: list[TableChain]) -> Iterator[_Break]:
    """No table has the person, each asked where its rows come from, or as near to there as anybody answers."""
    firsts = [(chain, link) for chain in chains if (link := _first_answer(chain)) is not None]
    if facts.course:
        firsts = [(chain, link) for chain, link in firsts if link.of_courses]
    if not firsts or any(link.count for _, link in firsts):
        return
    asked = ", ".join(f"{chain.table} ({link.step} {link.where})" for chain, link in firsts)
    others = sum(link.elsewhere for _, link in firsts)
    also = f" {facts.user} has {counted(others)} there about other courses." if others else ""
    if any(link.count for chain, _ in firsts for link in chain.links):
        also += " What was loaded before still has one."
    step = f"Mend it in the student system, then: replicate rerun {firsts[0][0].table}"
    yield _Break(f"There is no row of {facts.who} to begin with: {asked}.{also}", step)


def _first_answer(chain: TableChain) -> Link | None:
    return next((link for link in chain.links if link.count is not None), None)


def _asked_for(
    facts: PersonFacts, processes: list[ProcessFacts], chains: list[TableChain], there: bool
) -> Iterator[_Break]:
    """Whether the SQL of a process asks for the person now."""
    if any(process.link.count is None or process.link.count for process in processes):
        return
    names, place = ", ".join(process.process for process in processes), processes[0].place
    gone = [chain.table for chain in chains if chain.link("source").count == 0]
    if there and gone:
        reason = f"{gone[0]} has no such row at its source any more, but absence is never a removal"
        step = f"Let the SQL return the row with a status that ends it: {place}"
        yield _Break(f"{reason}, and {names} asks for none.", step)
    elif not there:
        others = sorted({name for process in processes for name in process.others})
        hint = f" It reads {', '.join(others)}, which tablesconf.yaml does not have." if others else ""
        yield _Break(f"The SQL of {names} returns no row of {facts.who}.{hint}", f"Look at its conditions: {place}")


def _sent(facts: PersonFacts, process: ProcessFacts) -> Iterator[_Break]:
    """What became of each row that the process asks for and Canvas does not have."""
    for row in process.link.values:
        if _is_reported(facts, process.kind, row):
            continue
        planned = [
            each for each in facts.planned if each.plan.process == process.process and _is_same(row, _row_of(each))
        ]
        yield from _in_journal(facts, process, planned[0] if planned else None)


def _in_journal(facts: PersonFacts, process: ProcessFacts, planned: Planned | None) -> Iterator[_Break]:
    name, held = process.process, process.held
    state = planned.line.state if planned else "never planned"
    if not process.enabled:
        step = f"Switch it on in {process.place}, then: canvas-pusher plan --tablename {name}"
        yield _Break(f"{name} asks for {facts.who}, but it is switched off.", step)
    elif held is not None and state in ("never planned", "planned"):
        step = f"replicate approve {held.artifact_id}   or   replicate discard {held.artifact_id}"
        yield _Break(f"The plan of {name} is held: {held.reason}", step)
    elif planned is None:
        reason = f"{name} asks for {facts.who}, but that was never planned.{_in_newest_run(process)}"
        yield _Break(reason, f"canvas-pusher plan --tablename {name}")
    elif state in ("planned", "sent"):
        told = (
            "it was not sent" if state == "planned" else f"sent {_moment(planned.line.sent_at)}, without an answer yet"
        )
        reason = f"{name} planned it ({planned.plan.plan_id}), {told}.{_in_newest_run(process)}"
        yield _Break(reason, f"canvas-pusher run --tablename {name}")
    elif state == "rejected":
        when, answer = _moment(planned.line.answered_at), planned.line.answer or "no reason given"
        reason = f"Canvas refused it {when} ({planned.plan.plan_id}): {answer}"
        yield _Break(reason, f"Mend that, then: canvas-pusher plan --tablename {name}")


def _in_newest_run(process: ProcessFacts) -> str:
    """What became of the process there, if that was not good."""
    latest = process.latest
    if latest is None:
        return " The process never ran."
    if latest.state == "successful":
        return ""
    return f" In run {latest.run_id} it is {latest.state}: {latest.message or 'no reason given'}"


def _no_break(facts: PersonFacts) -> _Break:
    planned, report = _contradicted(facts)
    if planned is not None and report is not None:
        again = (
            "provisioner run"
            if _is_older(report, planned)
            else f"canvas-pusher plan --tablename {planned.plan.process}"
        )
        return _Break("No link is broken up to Canvas.", again)
    unasked = [link for chain in facts.chains for link in chain.links if link.trouble and link.step != "file"]
    unasked += [process.link for process in facts.processes if process.link.trouble]
    if unasked:
        return _Break(f"No break was found, but {unasked[0].where} {unasked[0].trouble}", "replicate check")
    if _deciding_report(facts) is None:
        return _Break("No link is broken up to Canvas.", "provisioner run")
    return _Break("No link is broken.", "Nothing.")


def _time(link: Link) -> str:
    return _moment(link.as_of)


def _moment(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC" if moment else "at an unknown time"

"""SIS imports: queued, applied one at a time, reported (fact sheet 4.13)."""

from __future__ import annotations

from itertools import islice
from typing import Any

from replicate_demo.canvas.addresses import find_account, find_by_number
from replicate_demo.canvas.answers import Answer, answer_json, build_not_found, build_refusal
from replicate_demo.canvas.csv_text import Cell, write_csv
from replicate_demo.canvas.files import build_attachment_json, keep_bytes
from replicate_demo.canvas.model import Account, format_stamp, make_id
from replicate_demo.canvas.paging import answer_page
from replicate_demo.canvas.parameters import find_charset, is_true
from replicate_demo.canvas.sis_csv import BadUpload, read_rows, unpack
from replicate_demo.canvas.sis_import_model import RowError, SisImport
from replicate_demo.canvas.sis_rows import RowRefused, Work, apply_row
from replicate_demo.canvas.site import Call, Site

MOST_SHOWN = 50  # messages inside the JSON; all of them are in the errors' file
_EXTRA_FILE = "import.csv"
_ERROR_COLUMNS = ("sis_import_id", "file", "message", "row")


def create_import(call: Call) -> Answer:
    account = _require_root_account(call)
    _check_options(call)
    name, content = _read_upload(call)
    try:
        files = unpack(name, content)
    except BadUpload as error:
        files, problems = [], [RowError(name, 0, str(error), fatal=True)]
    else:
        problems = []
    batch = SisImport(
        make_id(call.site.imports),
        account.id,
        files,
        call.now,
        override_sis_stickiness=is_true(call.parameters.get("override_sis_stickiness")),
        errors=problems,
    )
    _arm(call.site, batch)
    keep_uploads(call.site, batch)
    call.site.imports[batch.id] = batch
    call.site.changed = True
    return answer_json(_build_import_json(call, batch))


def list_imports(call: Call) -> Answer:
    """Newest first, in a wrapper, without the messages."""
    account = _require_root_account(call)
    mine = [each for each in reversed(call.site.imports.values()) if each.account_id == account.id]
    wanted = set(call.list("workflow_state"))
    kept = [each for each in mine if not wanted or each.workflow_state in wanted]
    return answer_page(call, kept, lambda batch: _build_import_json(call, batch), wrapper="sis_imports")


def show_import(call: Call) -> Answer:
    return answer_json({**_build_import_json(call, batch := _find_import(call)), **_build_messages(batch)})


def abort_import(call: Call) -> Answer:
    batch = _find_import(call)
    if not batch.finished:
        _abort(call.site, batch, call.now)
    return answer_json({**_build_import_json(call, batch), **_build_messages(batch)})


def abort_all_pending(call: Call) -> Answer:
    _require_root_account(call)
    for batch in call.site.imports.values():
        if not batch.finished:
            _abort(call.site, batch, call.now)
    return answer_json({"aborted": True})


def advance_imports(site: Site, now: float) -> None:
    """One at a time, in the order of their arrival; the rows are applied when an import ends."""
    free_since = site.imports_wait_until
    for batch in site.imports.values():
        if batch.finished:
            free_since = max(free_since, batch.ended_at or 0.0)
            continue
        begins = max(batch.created_at, free_since) if batch.started_at is None else batch.started_at
        if begins > now:
            return
        batch.started_at, batch.workflow_state = begins, "importing"
        free_since = begins + site.options.import_seconds
        if free_since > now:
            return
        if batch.abort_after_rows is None:
            _finish(site, batch, free_since)
        else:
            _abort(site, batch, free_since)
            free_since = site.imports_wait_until


def _apply_rows(site: Site, batch: SisImport, at: float, most: int | None = None) -> None:
    """All rows, or the first ``most`` ones in the order of import."""
    work, by_kind = Work(site.state, batch, format_stamp(at)), read_rows(batch)
    batch.counts = dict.fromkeys(by_kind, 0)
    for kind, row in islice(((kind, row) for kind, rows in by_kind.items() for row in rows), most):
        try:
            apply_row(work, kind, row)
            batch.counts[kind] += 1
        except RowRefused as error:
            batch.errors.append(RowError(row.file, row.number, str(error)))


def _finish(site: Site, batch: SisImport, at: float) -> None:
    _apply_rows(site, batch, at)
    if batch.extra_error:
        batch.errors.append(RowError(_EXTRA_FILE, 0, "An error occurred while importing; it is about no row."))
    batch.ended_at, batch.progress, batch.files = at, 100, []
    batch.workflow_state = _outcome(batch)
    keep_errors(site, batch, at)
    site.changed = True


def _outcome(batch: SisImport) -> str:
    """A file that could not be read, or a guard that held, is a failure; refused rows are only messages."""
    if any(error.fatal for error in batch.errors):
        return "failed_with_messages"
    return "imported_with_messages" if batch.errors else "imported"


def keep_uploads(site: Site, batch: SisImport) -> None:
    kept = [keep_bytes(site, name, "text/csv", content, batch.created_at) for name, content in batch.files]
    batch.csv_file_ids = [file.id for file in kept]


def keep_errors(site: Site, batch: SisImport, at: float) -> None:
    if batch.errors:
        rows: list[list[Cell]] = [
            [batch.id, error.file, error.message, None if batch.unnumbered_errors or not error.row else error.row + 1]
            for error in batch.errors
        ]
        content = b"".join(write_csv(_ERROR_COLUMNS, rows))
        batch.errors_file_id = keep_bytes(site, f"sis_errors_{batch.id}.csv", "text/csv", content, at).id


def _abort(site: Site, batch: SisImport, now: float) -> None:
    """Only the state changes. After a running one was stopped, the next waits about ten minutes."""
    if batch.workflow_state == "importing":
        site.imports_wait_until = now + site.options.abort_wait_seconds
        batch.progress = _measure_progress(site, batch, now)
        if batch.abort_after_rows is not None:
            _apply_rows(site, batch, now, batch.abort_after_rows)
    batch.workflow_state, batch.files = "aborted", []
    site.changed = True


def _arm(site: Site, batch: SisImport) -> None:
    """What was armed for the next import becomes this one's."""
    aborted = site.faults.take("aborted_import")
    batch.abort_after_rows = aborted.rows if aborted else None
    batch.extra_error = site.faults.take("extra_error") is not None
    batch.unnumbered_errors = site.faults.take("unnumbered_errors") is not None
    lost = site.faults.take("empty_csv_attachments") or site.faults.take("missing_csv_attachments")
    batch.lost_attachments = lost.name if lost else None


def _require_root_account(call: Call) -> Account:
    account = find_account(call.state, call.ids["account"])
    if account.parent_id is not None:
        raise build_refusal(400, {"errors": ["SIS imports can only be executed on root accounts"]})
    return account


def _find_import(call: Call) -> SisImport:
    account = _require_root_account(call)
    batch = find_by_number(call.site.imports, call.ids["import"])
    if batch.account_id != account.id:
        raise build_not_found()
    return batch


def _check_options(call: Call) -> None:
    given = call.parameters
    if str(given.get("import_type", "instructure_csv")) != "instructure_csv":
        raise build_refusal(400, {"errors": ["import_type is not known"]})
    if find_charset(call.content_type) not in (None, "utf-8", "utf8"):
        raise build_refusal(400, {"errors": ["The charset must be UTF-8"]})
    for name in ("batch_mode", "multi_term_batch_mode", "diffing_data_set_identifier", "skip_deletes"):
        if given.get(name):
            raise build_refusal(400, {"errors": [f"This simulator has no {name}"]})


def _read_upload(call: Call) -> tuple[str, bytes]:
    """(name, content), of the multipart part or of the raw body."""
    if call.upload is not None:
        return call.upload.filename, call.upload.content
    if not call.body:
        raise build_refusal(400, {"errors": ["No file was uploaded"]})
    return "attachment", call.body


def _build_import_json(call: Call, batch: SisImport) -> dict[str, Any]:
    site, uploads = call.site, batch.csv_file_ids
    if batch.finished and batch.lost_attachments:
        uploads = []
    errors_file = site.files.get(batch.errors_file_id) if batch.errors_file_id is not None else None
    shown = {
        "id": batch.id,
        "created_at": format_stamp(batch.created_at),
        "started_at": None if batch.started_at is None else format_stamp(batch.started_at),
        "ended_at": None if batch.ended_at is None else format_stamp(batch.ended_at),
        "updated_at": format_stamp(batch.ended_at or batch.started_at or batch.created_at),
        "progress": _measure_progress(site, batch, call.now),
        "workflow_state": batch.workflow_state,
        "data": {
            "import_type": "instructure_csv",
            "supplied_batches": list(batch.counts),
            "counts": batch.counts,
            "statistics": {},
        },
        "batch_mode": None,
        "override_sis_stickiness": batch.override_sis_stickiness,
        "errors_attachment": build_attachment_json(errors_file, call.origin) if errors_file else None,
        "user": {"id": next(iter(site.state.users))},
        "csv_attachments": [build_attachment_json(site.files[number], call.origin) for number in uploads],
    }
    if batch.finished and batch.lost_attachments == "missing_csv_attachments":
        del shown["csv_attachments"]
    return shown


def _measure_progress(site: Site, batch: SisImport, now: float) -> int:
    """An aborted one stays where it was."""
    if batch.workflow_state != "importing" or batch.started_at is None or site.options.import_seconds <= 0:
        return batch.progress
    return min(99, int(100 * (now - batch.started_at) / site.options.import_seconds))


def _build_messages(batch: SisImport) -> dict[str, list[list[str]]]:
    """Cut; absent where there are none."""
    shown = {
        "processing_warnings": [[each.file, each.message] for each in batch.errors if not each.fatal],
        "processing_errors": [[each.file, each.message] for each in batch.errors if each.fatal],
    }
    return {name: pairs[:MOST_SHOWN] for name, pairs in shown.items() if pairs}

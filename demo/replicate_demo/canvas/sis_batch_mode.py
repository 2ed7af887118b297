"""Batch mode: whatever the SIS made in a term and this import does not name is deleted. Only when asked for."""

from __future__ import annotations

from collections.abc import Collection

from replicate_demo.canvas.model import Record
from replicate_demo.canvas.sis_import_model import RowError
from replicate_demo.canvas.sis_rows import Work


def remove_missing(work: Work, supplied: Collection[str]) -> None:
    """Only of the kinds that were supplied. A change threshold that is passed keeps all of them, and is an error."""
    missing, all_of_them = [], 0
    for table in ("courses", "sections", "enrollments"):
        if table in supplied:
            found = _made_by_sis(work, table)
            all_of_them += len(found)
            missing += [each for each in found if (table, each.id) not in work.touched]
    limit = work.batch.change_threshold
    if limit is not None and len(missing) * 100 > limit * all_of_them:
        text = f"{len(missing)} of {all_of_them} would be deleted, which is more than {limit} %"
        work.batch.errors.append(RowError("batch mode", 0, text, fatal=True))
        return
    for record in missing:
        record.workflow_state, record.updated_at = "deleted", work.stamp


def _made_by_sis(work: Work, table: str) -> list[Record]:
    state, term_id = work.state, work.batch.batch_mode_term_id
    courses = {each.id for each in state.courses.values() if each.term_id == term_id}
    alive = [
        each
        for each in getattr(state, table).values()
        if each.sis_batch_id is not None and each.workflow_state != "deleted"
    ]
    return [each for each in alive if (each.id if table == "courses" else each.course_id) in courses]

"""Enrollment terms and accounts (fact sheet 3.1)."""

from __future__ import annotations

from typing import Any

from replicate_demo.canvas.addresses import find_account, find_term
from replicate_demo.canvas.answers import Answer, answer_json, build_message
from replicate_demo.canvas.model import Account, Term
from replicate_demo.canvas.paging import answer_page
from replicate_demo.canvas.site import Call


def list_terms(call: Call) -> Answer:
    """In a wrapper. Start descending, then end, then id; those without dates come first, as nulls do in PostgreSQL."""
    _require_root(call)
    wanted = set(call.list("workflow_state")) or {"active"}
    found = [each for each in call.state.terms.values() if "all" in wanted or each.workflow_state in wanted]
    found.sort(key=lambda each: each.id)
    found.sort(key=lambda each: each.end_at or "~", reverse=True)
    found.sort(key=lambda each: each.start_at or "~", reverse=True)
    overrides = "overrides" in call.list("include")
    return answer_page(call, found, lambda term: build_term_json(term, overrides=overrides), wrapper="enrollment_terms")


def show_term(call: Call) -> Answer:
    _require_root(call)
    return answer_json(build_term_json(find_term(call.state, call.ids["term"], call.stamp), overrides=True))


def build_term_json(term: Term, *, overrides: bool = False) -> dict[str, Any]:
    shown = {
        "id": term.id,
        "name": term.name,
        "start_at": term.start_at,
        "end_at": term.end_at,
        "created_at": term.created_at,
        "workflow_state": term.workflow_state,
        "grading_period_group_id": None,
        "sis_term_id": term.sis_id,
        "sis_import_id": term.sis_batch_id,
    }
    return {**shown, "overrides": {}} if overrides else shown


def show_account(call: Call) -> Answer:
    return answer_json(build_account_json(call, find_account(call.state, call.ids["account"])))


def build_account_json(call: Call, account: Account) -> dict[str, Any]:
    return {
        "id": account.id,
        "name": account.name,
        "workflow_state": account.workflow_state,
        "parent_account_id": account.parent_id,
        "root_account_id": None if account.parent_id is None else call.state.root.id,
        "sis_account_id": account.sis_id,
        "integration_id": account.integration_id,
        "sis_import_id": account.sis_batch_id,
    }


def _require_root(call: Call) -> None:
    if find_account(call.state, call.ids["account"]).parent_id is not None:
        raise build_message("Terms only belong to root_accounts.")

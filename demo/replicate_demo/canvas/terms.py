"""Enrollment terms and accounts (fact sheet 3.1)."""

from __future__ import annotations

from typing import Any

from replicate_demo.canvas.addresses import account_at, term_at
from replicate_demo.canvas.answers import Answer, json_answer, message
from replicate_demo.canvas.model import Account, Term
from replicate_demo.canvas.paging import paged
from replicate_demo.canvas.site import Call


def list_terms(call: Call) -> Answer:
    """In a wrapper. Start descending, then end, then id; those without dates come first, as nulls do in PostgreSQL."""
    _root_only(call)
    wanted = set(call.list("workflow_state")) or {"active"}
    found = [each for each in call.state.terms.values() if "all" in wanted or each.workflow_state in wanted]
    found.sort(key=lambda each: each.id)
    found.sort(key=lambda each: each.end_at or "~", reverse=True)
    found.sort(key=lambda each: each.start_at or "~", reverse=True)
    overrides = "overrides" in call.list("include")
    return paged(call, found, lambda term: term_json(term, overrides=overrides), wrapper="enrollment_terms")


def show_term(call: Call) -> Answer:
    _root_only(call)
    return json_answer(term_json(term_at(call.state, call.ids["term"], call.stamp), overrides=True))


def term_json(term: Term, *, overrides: bool = False) -> dict[str, Any]:
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
    return json_answer(account_json(call, account_at(call.state, call.ids["account"])))


def account_json(call: Call, account: Account) -> dict[str, Any]:
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


def _root_only(call: Call) -> None:
    if account_at(call.state, call.ids["account"]).parent_id is not None:
        raise message("Terms only belong to root_accounts.")

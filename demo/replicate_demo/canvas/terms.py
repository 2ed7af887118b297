"""Enrollment terms and accounts (fact sheet 3.1)."""

from __future__ import annotations

from typing import Any

from replicate_demo.canvas.addresses import account_at, term_at
from replicate_demo.canvas.answers import Answer, json_answer, message
from replicate_demo.canvas.edits import dates, make_sticky, set_fields, text_or_none
from replicate_demo.canvas.model import Account, Term, new_id
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


def create_term(call: Call) -> Answer:
    _root_only(call)
    given = call.group("enrollment_term")
    term = Term(
        id=new_id(call.state.terms),
        name=str(given.get("name", "")),
        sis_id=text_or_none(given.get("sis_term_id")),
        created_at=call.stamp,
    )
    set_fields(call, term, dates(given))
    make_sticky(term, ["name"])
    call.state.terms[term.id] = term
    return json_answer(term_json(term))


def edit_term(call: Call) -> Answer:
    _root_only(call)
    term = term_at(call.state, call.ids["term"], call.stamp)
    given = call.group("enrollment_term")
    named = {"name": given["name"]} if "name" in given else {}
    sis = {"sis_id": text_or_none(given["sis_term_id"])} if "sis_term_id" in given else {}
    set_fields(call, term, {**named, **dates(given), **sis})
    return json_answer(term_json(term))


def delete_term(call: Call) -> Answer:
    """Not the default term, nor one with active courses; the sheet has the status, the sentences are ours."""
    _root_only(call)
    term = term_at(call.state, call.ids["term"], call.stamp)
    if term.id == term_at(call.state, "default", call.stamp).id:
        raise message("Cannot delete the default term")
    if any(each.term_id == term.id and each.workflow_state != "deleted" for each in call.state.courses.values()):
        raise message("Cannot delete a term with active courses")
    set_fields(call, term, {"workflow_state": "deleted"})
    return json_answer(term_json(term))


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


def list_accounts(call: Call) -> Answer:
    """Those where the token's user is an administrator: the root account."""
    return paged(call, [call.state.root], lambda account: account_json(call, account))


def show_account(call: Call) -> Answer:
    return json_answer(account_json(call, account_at(call.state, call.ids["account"])))


def list_sub_accounts(call: Call) -> Answer:
    parent = account_at(call.state, call.ids["account"])
    found = [each for each in call.state.accounts.values() if each.parent_id == parent.id]
    alive = [each for each in found if each.workflow_state != "deleted"]
    return paged(call, alive, lambda account: account_json(call, account))


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

"""Ids in paths and parameters: plain numbers, ``sis_course_id:…`` and their kin, a few words (fact sheet 3.2)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TypeVar

from replicate_demo.canvas.answers import build_not_found
from replicate_demo.canvas.model import Account, Course, Record, Section, State, Term, User, WithSisId

T = TypeVar("T")
R = TypeVar("R", bound=Record)
S = TypeVar("S", bound=WithSisId)


def find_account(state: State, text: str) -> Account:
    """Raises Refused (404), as all of these do; a deleted one is not found."""
    if text in ("self", "default"):
        return state.root
    return _require_alive(_find_by_sis_id(state.accounts, text, "sis_account_id"))


def find_term(state: State, text: str, now: str) -> Term:
    """``default`` is the term that came with the account, the first; ``current`` the one in which ``now`` lies."""
    if text == "default":
        return next(iter(state.terms.values()))
    if text == "current":
        dated = (each for each in state.terms.values() if each.start_at and each.end_at)
        return _take_first(each for each in dated if str(each.start_at) <= now <= str(each.end_at))
    return _require_alive(_find_by_sis_id(state.terms, text, "sis_term_id"))


def find_course(state: State, text: str, *, deleted: bool = False) -> Course:
    found = _find_by_sis_id(state.courses, text, "sis_course_id")
    return found if deleted else _require_alive(found)


def find_section(state: State, text: str) -> Section:
    return _require_alive(_find_by_sis_id(state.sections, text, "sis_section_id"))


def find_user(state: State, text: str) -> User:
    """SIS ids and logins belong to a user's logins; ``self`` is the first user, whose token it is."""
    if text == "self":
        return next(iter(state.users.values()))
    kind, value = _split(text)
    if kind == "":
        return _require_alive(_find_number(state.users, value))
    usable = (login for login in state.logins.values() if login.workflow_state != "deleted")
    if kind == "sis_user_id":
        login = _take_first(each for each in usable if each.sis_id == value)
    elif kind == "sis_login_id":
        login = _take_first(each for each in usable if each.unique_id.lower() == value.lower())
    else:
        raise build_not_found()
    return _require_alive(state.users[login.user_id])


def find_by_number(table: dict[int, T], text: str) -> T:
    """For what has no SIS id: enrollments, reports, imports."""
    kind, value = _split(text)
    if kind:
        raise build_not_found()
    return _find_number(table, value)


def _find_by_sis_id(table: dict[int, S], text: str, prefix: str) -> S:
    kind, value = _split(text)
    if kind == "":
        return _find_number(table, value)
    if kind == prefix:
        return _take_first(each for each in table.values() if each.sis_id == value)
    raise build_not_found()


def _split(text: str) -> tuple[str, str]:
    """(prefix, value); the prefix of a plain id is empty. Raises Refused (404) for anything else."""
    text = text.strip()
    if re.fullmatch("[0-9]+", text):
        return "", text
    prefix, colon, value = text.partition(":")
    if not colon or not prefix:
        raise build_not_found()
    return prefix, value


def _find_number(table: dict[int, T], text: str) -> T:
    if int(text) not in table:
        raise build_not_found()
    return table[int(text)]


def _take_first(found: Iterable[T]) -> T:
    for each in found:
        return each
    raise build_not_found()


def _require_alive(record: R) -> R:
    if record.workflow_state == "deleted":
        raise build_not_found()
    return record

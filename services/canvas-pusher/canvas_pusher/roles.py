"""Roles of enrollments: built-in names in any spelling that Canvas takes, and the account's own roles."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from functools import lru_cache

import pandas as pd

from canvas_pusher.query_rows import clean_text
from canvas_replicate.canvas import CanvasClient, api_path
from canvas_replicate.errors import DataError
from canvas_replicate.suggest import did_you_mean

BUILT_IN = ("student", "teacher", "ta", "designer", "observer")
_BUILT_IN = re.compile(rf"({'|'.join(BUILT_IN)})(enrollment)?", re.IGNORECASE)


@lru_cache(maxsize=1000)  # a term has few roles and a million rows
def fold_role(role: str) -> str:
    """A built-in role as reports write it (fact sheet on Canvas's API, 2.2); any other role unchanged."""
    found = _BUILT_IN.fullmatch(role)
    return found[1].lower() if found else role


def check_roles(
    process: str, wanted: pd.DataFrame, report: pd.DataFrame | None, list_roles: Callable[[], Collection[str]]
) -> None:
    """Raises DataError for a role that is not built in, not in the report, and not among the account's roles.

    ``list_roles`` asks Canvas for the account's roles; it is called only for a role that the report does not have.
    """
    rows = clean_text(wanted)
    if "role" not in rows:
        return
    asked = rows["role"].map(fold_role)
    known = {*BUILT_IN, ""}
    if report is not None and "role" in report:
        known |= set(clean_text(report[["role"]])["role"])
    if set(asked) <= known:
        return
    known |= set(list_roles())
    unknown = asked[~asked.isin(known)]
    if not unknown.empty:
        role, first = unknown.iloc[0], int(unknown.index[0]) + 1
        text = (
            f"{process}: Canvas has no role {role!r}, as in row {first} of the query's result ({len(unknown):,} rows)."
        )
        raise DataError(text, next_step=did_you_mean(role, known - {""}), code="push.role")


def list_roles(client: CanvasClient) -> set[str]:
    """The names of the account's roles, as reports and SIS imports write them (``GET accounts/self/roles``)."""
    found = client.pages(api_path("accounts", "self", "roles"))
    return {str(role[name]) for role in found for name in ("role", "label") if role.get(name)}

"""Which path of the API does what. What is not listed is a 404, as a path that Canvas does not have."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import unquote

from replicate_demo.canvas import courses, enrollments, reports, sections, sis_imports, terms, users
from replicate_demo.canvas.answers import Answer, build_not_found
from replicate_demo.canvas.roles import list_roles
from replicate_demo.canvas.site import Call

Handler = Callable[[Call], Answer]

PREFIX = "/api/v1/"

_ROUTES: tuple[tuple[str, str, Handler], ...] = (
    ("GET", "accounts/:account", terms.show_account),
    ("GET", "accounts/:account/roles", list_roles),
    ("POST", "accounts/:account/reports/:type", reports.start),
    ("GET", "accounts/:account/reports/:type", reports.list_reports),
    ("GET", "accounts/:account/reports/:type/:report", reports.show),
    ("DELETE", "accounts/:account/reports/:type/:report", reports.delete),
    ("PUT", "accounts/:account/reports/:type/:report/abort", reports.abort),
    ("GET", "accounts/:account/terms", terms.list_terms),
    ("GET", "accounts/:account/terms/:term", terms.show_term),
    ("POST", "accounts/:account/courses", courses.create_course),
    ("GET", "courses/:course", courses.show_course),
    ("PUT", "courses/:course", courses.edit_course),
    ("DELETE", "courses/:course", courses.delete_course),
    ("POST", "courses/:course/sections", sections.create_section),
    ("GET", "sections/:section", sections.show_section),
    ("PUT", "sections/:section", sections.edit_section),
    ("DELETE", "sections/:section", sections.delete_section),
    ("POST", "sections/:section/crosslist/:course", sections.crosslist),
    ("DELETE", "sections/:section/crosslist", sections.uncrosslist),
    ("GET", "courses/:course/enrollments", enrollments.list_of_course),
    ("POST", "courses/:course/enrollments", enrollments.create_in_course),
    ("DELETE", "courses/:course/enrollments/:enrollment", enrollments.end_enrollment),
    ("GET", "sections/:section/enrollments", enrollments.list_of_section),
    ("POST", "sections/:section/enrollments", enrollments.create_in_section),
    ("POST", "accounts/:account/users", users.create_user),
    ("DELETE", "accounts/:account/users/:user", users.delete_user),
    ("GET", "users/:user", users.show_user),
    ("PUT", "users/:user", users.edit_user),
    ("GET", "users/:user/logins", users.list_logins),
    ("DELETE", "users/:user/logins/:login", users.delete_login),
    ("PUT", "accounts/:account/logins/:login", users.edit_login),
    ("GET", "accounts/:account/sis_imports", sis_imports.list_imports),
    ("POST", "accounts/:account/sis_imports", sis_imports.create_import),
    ("PUT", "accounts/:account/sis_imports/abort_all_pending", sis_imports.abort_all_pending),
    ("GET", "accounts/:account/sis_imports/:import", sis_imports.show_import),
    ("PUT", "accounts/:account/sis_imports/:import/abort", sis_imports.abort_import),
)


def route(method: str, path: str) -> tuple[Handler, dict[str, str]]:
    """The handler and the named parts of the path, percent-decoded. Raises Refused (404)."""
    parts = path.removeprefix(PREFIX).rstrip("/").split("/")
    for known, template, handler in _ROUTES:
        ids = _match(template.split("/"), parts) if known == method else None
        if ids is not None:
            return handler, ids
    raise build_not_found()


def _match(template: list[str], parts: list[str]) -> dict[str, str] | None:
    if len(template) != len(parts):
        return None
    ids = {}
    for wanted, part in zip(template, parts, strict=True):
        if wanted.startswith(":"):
            ids[wanted[1:]] = unquote(part)
        elif wanted != part:
            return None
    return ids

"""The files of Canvas's provisioning report: their columns, and the columns that identify a row.

Source: canvas-api facts, section 2.1 (columns of modern Canvas, and which of them the tree of 2017 lacks) and 2.2.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """One kind of file.

    Attributes:
        always: columns that every known Canvas writes.
        varies: columns of newer versions, or of a feature that the account uses.
        key: columns whose values make two rows the same row; NULL equals NULL, but the first is an id that Canvas
            gives to every row.
        older_key: the same for files that lack a column of ``key``.
    """

    always: tuple[str, ...]
    varies: tuple[str, ...]
    key: tuple[str, ...]
    older_key: tuple[str, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        return self.always + self.varies


def _build_kind(always: str, key: str, *, varies: str = "", older_key: str = "") -> Kind:
    return Kind(tuple(always.split()), tuple(varies.split()), tuple(key.split()), tuple(older_key.split()))


# A row without an id of its own has its status in the key where a person may be in the file
# twice, once as deleted and once as present: of such two, none may displace the other.
KINDS: Mapping[str, Kind] = {
    # A row is a login, and a user may have several (2.2).
    "users": _build_kind(
        "canvas_user_id user_id integration_id authentication_provider_id login_id first_name last_name full_name "
        "sortable_name short_name email status created_by_sis",
        "canvas_user_id user_id login_id authentication_provider_id",
        varies="pronouns",
    ),
    "accounts": _build_kind(
        "canvas_account_id account_id canvas_parent_id parent_account_id name status created_by_sis",
        "canvas_account_id",
    ),
    "terms": _build_kind("canvas_term_id term_id name status start_date end_date created_by_sis", "canvas_term_id"),
    "courses": _build_kind(
        "canvas_course_id course_id integration_id short_name long_name canvas_account_id account_id canvas_term_id "
        "term_id status start_date end_date course_format created_by_sis",
        "canvas_course_id",
        varies="canvas_blueprint_course_id blueprint_course_id",
    ),
    "sections": _build_kind(
        "canvas_section_id section_id canvas_course_id course_id integration_id name status start_date end_date "
        "canvas_account_id account_id created_by_sis",
        "canvas_section_id",
    ),
    # The older key is that by which Canvas itself finds an enrollment, deleted ones included (4.1). A role belongs to
    # one type, and a section to one course.
    "enrollments": _build_kind(
        "canvas_course_id course_id canvas_user_id user_id role role_id canvas_section_id section_id status "
        "canvas_associated_user_id associated_user_id created_by_sis base_role_type limit_section_privileges",
        "canvas_enrollment_id",
        varies="canvas_enrollment_id canvas_temporary_enrollment_source_user_id temporary_enrollment_source_user_id "
        "root_account",
        older_key="canvas_section_id canvas_user_id role_id canvas_associated_user_id",
    ),
    # Trap (2.1): group_category_id is the SIS id, but the Canvas id in a file without canvas_group_category_id.
    "groups": _build_kind(
        "canvas_group_id group_id group_category_id canvas_account_id account_id name status created_by_sis "
        "context_id context_type max_membership",
        "canvas_group_id",
        varies="canvas_group_category_id canvas_course_id course_id",
    ),
    "group_categories": _build_kind(
        "canvas_group_category_id context_id context_type name role self_signup group_limit auto_leader",
        "canvas_group_category_id",
        varies="group_category_id status",
    ),
    "group_membership": _build_kind(
        "canvas_group_id group_id canvas_user_id user_id status created_by_sis", "canvas_group_id canvas_user_id status"
    ),
    # A section is cross-listed into one course at a time.
    "xlist": _build_kind(
        "canvas_xlist_course_id xlist_course_id canvas_section_id section_id status canvas_nonxlist_course_id "
        "nonxlist_course_id",
        "canvas_section_id",
    ),
    # Several rows where either side has several logins (2.2).
    "user_observers": _build_kind(
        "canvas_observer_id observer_id canvas_student_id student_id status created_by_sis",
        "canvas_observer_id observer_id canvas_student_id student_id status",
    ),
    "admins": _build_kind(
        "admin_user_name canvas_user_id user_id canvas_account_id account_id role_id role status created_by_sis",
        "canvas_user_id user_id canvas_account_id role_id status",
        varies="root_account",
    ),
}

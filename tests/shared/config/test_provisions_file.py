"""provisions.yaml: what it says, where in it a mistake is, and which terms its words mean."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.repository import ROOT

from canvas_replicate.config.provisions import (
    EMPTY,
    KINDS,
    MODES,
    CanvasTerm,
    Mode,
    Provisions,
    find_terms,
)
from canvas_replicate.config.provisions_file import PARAMETERS, ReportEntry, load_provisions
from canvas_replicate.errors import ConfigError, ExitCode, Place

CONF = Path("conf")
FILE = CONF / "provisions.yaml"
GUIDE = ROOT / "docs" / "configuration.md"
USERS = "{scope: account, cstable: tmp_cnv_users, mvtable: canvas_users}"
COURSES = "{scope: term, cstable: tmp_cnv_courses, mvtable: canvas_courses}"


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    CONF.mkdir()


def load(text: str, *taken: str) -> Provisions:
    FILE.write_text(text, encoding="utf-8", newline="")
    return load_provisions(CONF, taken=taken)


def refusal(text: str, *taken: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load(text, *taken)
    assert caught.value.exit_code is ExitCode.USAGE
    return str(caught.value)


def enrollments(parameters: str, kind: str = "enrollments") -> str:
    """A report whose parameters start in line 3, column 18."""
    return f"regular:\n  {kind}: {{scope: account, cstable: t, mvtable: v,\n    parameters: {{{parameters}}}}}\n"


def sent(parameters: str) -> dict[str, str]:
    (report,) = load(enrollments(parameters)).modes["regular"].reports
    return dict(report.parameters)


def test_the_whole_file_is_understood() -> None:
    provisions = load("""\
terms: [sp20, fa19, 2199]
regular:
  users: {scope: account, cstable: SCHEMA_A.TMP_CNV_USERS, mvtable: schema_b.Canvas_Users, max_shrink: 20%, toggle: off}
  enrollments:
    scope: term
    cstable: tmp_cnv_enrollments
    mvtable: canvas_enrollments
    max_rejected: 5
    parameters: {include_deleted: true, enrollment_states: [active, completed]}
historical:
  courses: {scope: term, cstable: tmp_cnv_courses_hist, mvtable: canvas_courses_hist}
orgs:
  account: "sis_account_id:ORGS"
  terms: ["id:44"]
  courses: {scope: term, cstable: tmp_cnv_org_courses, mvtable: canvas_org_courses}
""")
    regular, historical, orgs = (provisions.modes[name] for name in MODES)
    users, enrolled = regular.reports
    assert (regular.name, regular.account, regular.terms) == ("regular", None, ("sp20", "fa19", "2199"))
    assert (users.kind, users.table, users.base_table) == ("users", "tmp_cnv_users", "schema_a.tmp_cnv_users")
    assert (users.scope, users.view, users.parameters) == ("account", "schema_b.canvas_users", {})
    assert (users.max_shrink, users.max_rejected, users.enabled) == (0.2, None, False)
    assert (enrolled.scope, enrolled.max_shrink, enrolled.max_rejected, enrolled.enabled) == ("term", None, 5, True)
    assert enrolled.parameters == {"include_deleted": "true", "enrollment_states": "active,completed"}
    assert enrolled.place == Place(FILE, 4, 3)
    assert (historical.terms, [report.table for report in historical.reports]) == ((), ["tmp_cnv_courses_hist"])
    assert (orgs.account, orgs.terms) == ("sis_account_id:ORGS", ("id:44",))
    assert (regular.term_places["fa19"], orgs.term_places["id:44"]) == (Place(FILE, 1, 15), Place(FILE, 14, 11))


def test_without_the_file_there_are_no_modes() -> None:
    assert load_provisions(CONF) == EMPTY
    assert load_provisions(Path("nowhere")) == EMPTY


def test_a_link_that_leads_nowhere_is_not_taken_for_no_file() -> None:
    FILE.symlink_to("gone.yaml")
    with pytest.raises(ConfigError, match=r"^conf/provisions\.yaml: the file does not exist\."):
        load_provisions(CONF)


def test_a_map_under_terms_is_the_report_and_a_list_are_the_terms() -> None:
    report = "{scope: account, cstable: tmp_cnv_terms, mvtable: canvas_terms}"
    by_report = load(f"terms: [fa19]\nregular: {{terms: {report}}}").modes["regular"]
    assert ([each.kind for each in by_report.reports], by_report.terms) == (["terms"], ("fa19",))
    by_list = load(f"terms: [fa19]\nregular: {{terms: [sp20], courses: {COURSES}}}").modes["regular"]
    assert ([each.kind for each in by_list.reports], by_list.terms) == (["courses"], ("sp20",))


def test_historical_takes_no_terms_from_the_top_and_needs_none() -> None:
    assert load(f"terms: [fa19]\nhistorical: {{courses: {COURSES}}}").modes["historical"].terms == ()
    assert load(f"historical: {{courses: {COURSES}}}").modes["historical"].terms == ()


@pytest.mark.parametrize("account", ["self", "42", "7~42", "sis_account_id:CS/1.0", "sis_account_id:Arts, Letters"])
def test_an_account_is_what_canvas_takes_in_an_address(account: str) -> None:
    mode = load(f'orgs: {{account: "{account}", users: {USERS}}}').modes["orgs"]
    assert mode.account == account


# --- Parameters ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("off", ["false", '"false"', "off", "no"])
def test_what_is_off_is_left_out_as_canvas_takes_any_text_for_on(off: str) -> None:
    assert sent(f"created_by_sis: {off}, include_deleted: {off}") == {}


@pytest.mark.parametrize("on", ["true", "on", '"yes"'])
def test_what_is_on_is_sent_as_true(on: str) -> None:
    assert sent(f"created_by_sis: {on}, include_deleted: {on}") == {"created_by_sis": "true", "include_deleted": "true"}


def test_a_choice_is_a_list_or_a_text_with_commas() -> None:
    both = {"enrollment_filter": "StudentEnrollment,TaEnrollment"}
    assert sent("enrollment_filter: [StudentEnrollment, TaEnrollment]") == both
    assert sent('enrollment_filter: "StudentEnrollment , TaEnrollment"') == both


@pytest.mark.parametrize(
    ("kind", "parameters", "message"),
    [
        (
            "enrollments",
            "include_deletd: true",
            "3:18: regular.enrollments.parameters has a key 'include_deletd' that is not known. "
            "Did you mean 'include_deleted'?",
        ),
        (
            "enrollments",
            "include_deleted: 1",
            "3:35: regular.enrollments.parameters.include_deleted must be on or off, not '1'.",
        ),
        (
            "enrollments",
            "enrollment_term_id: 44",
            "3:18: regular.enrollments.parameters: enrollment_term_id is not set here. "
            "The term follows from scope and terms.",
        ),
        (
            "users",
            "users: true",
            "3:18: regular.users.parameters: users is not set here. The file follows from the report's own key.",
        ),
        (
            "users",
            "skip_message: false",
            "3:18: regular.users.parameters: skip_message is not set here. It is always sent.",
        ),
        (
            "users",
            "enrollment_states: active",
            "3:18: regular.users.parameters: in users Canvas ignores enrollment_states. Take it out.",
        ),
        (
            "admins",
            "created_by_sis: true",
            "3:18: regular.admins.parameters: in admins Canvas ignores created_by_sis. Take it out.",
        ),
        (
            "enrollments",
            "enrollment_filter: [TAEnrollment]",
            "3:38: regular.enrollments.parameters.enrollment_filter[1]: Canvas does not know 'TAEnrollment'. "
            "Did you mean 'TaEnrollment'?",
        ),
        (
            "enrollments",
            "enrollment_states: concluded",
            "3:37: regular.enrollments.parameters.enrollment_states: Canvas does not know 'concluded'. "
            "Known: active, completed, creation_pending, deleted, inactive, invited, rejected.",
        ),
        (
            "enrollments",
            "enrollment_states: []",
            "3:37: regular.enrollments.parameters.enrollment_states must not be empty.",
        ),
        (
            "enrollments",
            "enrollment_states: [active, completed, deleted]",
            "3:37: regular.enrollments.parameters: without include_deleted Canvas leaves completed and deleted "
            "enrollments out, states or not. Add include_deleted: true.",
        ),
        (
            "enrollments",
            "enrollment_states: deleted, include_deleted: off",
            "3:37: regular.enrollments.parameters: without include_deleted Canvas leaves deleted "
            "enrollments out, states or not. Add include_deleted: true.",
        ),
    ],
)
def test_a_parameter_that_would_not_do_what_it_says_is_refused(kind: str, parameters: str, message: str) -> None:
    assert refusal(enrollments(parameters, kind)) == f"conf/provisions.yaml:{message}"


# --- Mistakes -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("regulr: {}\n", "1:1: the file has a key 'regulr' that is not known. Did you mean 'regular'?"),
        ("- regular\n", "1:1: the file must be a map of keys, not a list."),
        ("regular:\n", "1:1: regular lists no report. List some, or take regular out."),
        ("orgs: {account: self}\n", "1:1: orgs lists no report. List some, or take orgs out."),
        (
            f"regular:\n  course: {COURSES}\n  users: {USERS}\n",
            "2:3: regular has a key 'course' that is not known. Did you mean 'courses'?",
        ),
        (
            "regular:\n  users: {scope: account, cstable: t, mvtable: v, sql: SELECT}\n",
            "2:51: regular.users has a key 'sql' that is not known. "
            "Known: cstable, max_rejected, max_shrink, mvtable, parameters, scope, toggle.",
        ),
        ("regular:\n  users: {scope: account, cstable: t}\n", "2:3: regular.users has no key 'mvtable', which it needs."),
        (
            "regular:\n  users: {scope: accounts, cstable: t, mvtable: v}\n",
            "2:18: regular.users.scope cannot be 'accounts'. Did you mean 'account'?",
        ),
        (
            "regular:\n  users: {scope: account, cstable: a b, mvtable: v}\n",
            "2:36: regular.users.cstable: 'a b' is not a name like tmp_cnv_users or schema_a.tmp_cnv_users.",
        ),
        (
            "regular:\n  users: {scope: account, cstable: t, mvtable: v, max_shrink: 50}\n",
            "2:63: regular.users.max_shrink must be like 50% or 0.5, not '50'.",
        ),
        (
            f"regular:\n  courses: {COURSES}\n",
            "1:1: regular has reports of scope term, but no terms. List some: terms: [fa19].",
        ),
        (f"terms: []\nregular: {{courses: {COURSES}}}\n", "2:1: regular has reports of scope term, but no terms. List some: terms: [fa19]."),
        (f"terms: fa19\nregular: {{courses: {COURSES}}}\n", "1:8: terms must be a list, not text."),
        (
            f"terms: [fa19, fa-19]\nregular: {{courses: {COURSES}}}\n",
            "1:15: terms[2]: 'fa-19' cannot name a term. "
            "Write how its sis_term_id begins, in letters and digits, or its Canvas id as id:44.",
        ),
        (
            f"regular:\n  terms: ['id:fa19']\n  courses: {COURSES}\n",
            "2:11: regular.terms[1]: 'id:fa19' cannot name a term. "
            "Write how its sis_term_id begins, in letters and digits, or its Canvas id as id:44.",
        ),
        (
            f"regular:\n  terms: fa19\n  courses: {COURSES}\n",
            "2:10: regular.terms must be a list of terms, or the keys of the report terms.",
        ),
        (
            f"historical:\n  terms: [fa19]\n  courses: {COURSES}\n",
            "2:3: historical has every term that Canvas has. Take its terms out.",
        ),
        (
            f"orgs:\n  account: ORGS\n  users: {USERS}\n",
            "2:12: orgs.account must be like sis_account_id:ORGS, 42 or self, not 'ORGS'.",
        ),
        (
            f"orgs:\n  account: 'sis_acount_id:ORGS'\n  users: {USERS}\n",
            "2:12: orgs.account must be like sis_account_id:ORGS, 42 or self, not 'sis_acount_id:ORGS'.",
        ),
    ],
)  # fmt: skip
def test_a_mistake_is_told_at_its_place(text: str, message: str) -> None:
    assert refusal(text) == f"conf/provisions.yaml:{message}"


@pytest.mark.parametrize("kind", sorted({*KINDS} - {"courses", "sections", "enrollments", "xlist"}))
def test_a_report_in_which_canvas_ignores_the_term_cannot_be_fetched_by_term(kind: str) -> None:
    text = f"terms: [fa19]\nregular:\n  {kind}: {{scope: term, cstable: t, mvtable: v}}\n"
    column = len(f"  {kind}: {{scope: ") + 1
    assert refusal(text) == (
        f"conf/provisions.yaml:3:{column}: regular.{kind}.scope: in {kind} Canvas ignores the term. "
        "Write scope: account."
    )


@pytest.mark.parametrize("kind", ["courses", "sections", "enrollments", "xlist"])
def test_a_report_by_term_can_be_fetched_whole_as_well(kind: str) -> None:
    (report,) = load(f"regular: {{{kind}: {{scope: account, cstable: t, mvtable: v}}}}").modes["regular"].reports
    assert report.scope == "account"


@pytest.mark.parametrize(
    ("cstable", "mvtable", "message"),
    [
        ("TMP_CNV_USERS", "v", "cstable 'tmp_cnv_users' is the one of regular.users already."),
        ("schema_x.tmp_cnv_users", "v", "cstable 'tmp_cnv_users' is the one of regular.users already."),
        ("t", "Canvas_Users", "mvtable 'canvas_users' is the one of regular.users already."),
        ("tmp_students", "v", "cstable 'tmp_students' is the one of a table in tablesconf.yaml already."),
        ("schema_a.tmp_terms", "v", "cstable 'tmp_terms' is the one of a table in tablesconf.yaml already."),
        ("t", "campus_students", "mvtable 'campus_students' is the one of a table in tablesconf.yaml already."),
    ],
)
def test_a_table_or_view_has_one_owner_among_all_modes_and_tables(cstable: str, mvtable: str, message: str) -> None:
    text = (
        f"orgs:\n  accounts: {{scope: account, cstable: {cstable}, mvtable: {mvtable}}}\nregular:\n  users: {USERS}\n"
    )
    taken = ("tmp_students", "CAMPUS_STUDENTS", "schema_b.tmp_terms")
    assert refusal(text, *taken) == f"conf/provisions.yaml:2:3: orgs.accounts: {message}"


def test_all_problems_are_told_together_in_the_order_of_the_file() -> None:
    text = f"""\
orgs:
  account: ORGS
  terms: [fa-19]
  courses: {{scope: trm, cstable: a, mvtable: b}}
histrical: {{}}
terms: [fa_19]
regular:
  users: {{scope: account, cstable: t}}
  accounts: {{scope: account, cstable: t t, mvtable: v}}
  courses: {COURSES}
"""
    assert [line.split(": ")[0] for line in refusal(text).splitlines()] == [
        f"conf/provisions.yaml:{place}" for place in ("2:12", "3:11", "4:20", "5:1", "6:9", "8:3", "9:39")
    ]


# --- Terms --------------------------------------------------------------------------------------------------------

DEFAULT, FALL, FALL_LAW, SPRING, ORGS, DIGITS = CANVAS = (
    CanvasTerm(1, None, "Default Term"),
    CanvasTerm(11, "fa19", "Fall 2019"),
    CanvasTerm(12, "fa19-law", "Fall 2019, Law"),
    CanvasTerm(13, "sp20", "Spring 2020"),
    CanvasTerm(44, None, "Organizations"),
    CanvasTerm(2199, "0044", "By digits"),
)


def wanted(*words: str) -> tuple[CanvasTerm, ...]:
    return find_terms(Mode("regular", None, words, (), {}), CANVAS)


@pytest.mark.parametrize(
    ("words", "terms"),
    [
        (("fa19",), (FALL, FALL_LAW)),
        (("sp20", "fa19"), (SPRING, FALL, FALL_LAW)),
        (("fa19", "id:11", "fa", "id:011"), (FALL, FALL_LAW)),
        (("id:12", "fa19"), (FALL_LAW, FALL)),
        (("id:44",), (ORGS,)),
        (("0044",), (DIGITS,)),  # a SIS id, with its zeros: never the Canvas id 44
        ((), ()),
    ],
)
def test_a_word_means_every_term_whose_sis_id_begins_with_it(
    words: tuple[str, ...], terms: tuple[CanvasTerm, ...]
) -> None:
    assert wanted(*words) == terms


def test_historical_means_every_term_that_canvas_has() -> None:
    assert find_terms(Mode("historical", None, (), ()), CANVAS) == CANVAS


def test_words_that_mean_no_term_are_told_with_their_places_and_the_nearest() -> None:
    mode = load(f"terms: [sp20, FA19, 'id:4', '2199']\nregular: {{courses: {COURSES}}}").modes["regular"]
    with pytest.raises(ConfigError) as caught:
        find_terms(mode, CANVAS)
    assert str(caught.value).splitlines() == [
        "conf/provisions.yaml:1:15: term 'FA19': no sis_term_id in Canvas starts with it. Did you mean 'fa19'?",
        "conf/provisions.yaml:1:21: Canvas has no term 'id:4'. Did you mean 'id:44'?",
        "conf/provisions.yaml:1:29: term '2199': no sis_term_id in Canvas starts with it. "
        "Known: 0044, fa19, fa19-law, sp20.",
    ]


def test_a_user_who_sees_no_sis_ids_is_suspected_before_the_words_are() -> None:
    with pytest.raises(ConfigError) as caught:
        find_terms(Mode("regular", None, ("fa19",), ()), [DEFAULT, ORGS])
    assert str(caught.value) == (
        "term 'fa19': no sis_term_id in Canvas starts with it. Canvas shows none at all: may its user read SIS data?"
    )


# --- The guide, and anything at all -------------------------------------------------------------------------------


def test_the_guide_names_every_mode_kind_key_and_parameter_and_no_other() -> None:
    section = re.split(r"^## ", GUIDE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    text = next(part for part in section if part.startswith("provisions.yaml"))
    named = re.findall(r"^\| (`[^|]+`) +\|", text, flags=re.MULTILINE)
    assert sorted(word for words in named for word in re.findall("`([^`]+)`", words)) == sorted(
        [
            *MODES,
            *KINDS,
            *(field.alias or name for name, field in ReportEntry.model_fields.items()),
            *PARAMETERS,
            "account",
            "terms",
        ]
    )


NEARLY = st.lists(
    st.sampled_from([
        "terms: [fa19]\n", "terms:\n", "regular:\n", "orgs:\n", "historical:\n", "  account: self\n",
        "  users:\n", "  courses:\n", "  terms: [a]\n", "    scope: term\n", "    scope: account\n", "    cstable: a\n",
        "    cstable: b\n", "    mvtable: v\n", "    mvtable: w\n", "    parameters: {include_deleted: on}\n",
        "    parameters: [x]\n", "    toggle: x\n", "  - a\n", "\t", "  users: '\n", f"  courses: {COURSES}\n",
    ]),
    max_size=12,
).map("".join)  # fmt: skip


@given(text=NEARLY | st.text("ab:- |>\"'[]{}#&*!%@\n\t?,$", max_size=80) | st.text())
@example(text=f"terms: [fa19]\nregular:\n  courses: {COURSES}\n")
def test_no_text_however_broken_gives_anything_but_provisions_or_a_config_error(text: str) -> None:
    message = complaint(text)
    assert message is None or message.startswith("conf/provisions.yaml")


def complaint(text: str) -> str | None:
    try:
        load(text)
    except ConfigError as error:
        return str(error)
    return None

"""Users, courses, sections and cross-listings in Canvas, one by one over REST, and all five kinds in one run."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import pytest
import yaml
from pydantic import SecretStr
from tests.quick_reports import show_reports
from tests.workplace import Done, Workplace

from canvas_pusher.resources import courses, sections, users, xlists
from canvas_pusher.resources.resource import Resource
from canvas_replicate.canvas import CanvasClient
from canvas_replicate.errors import PermanentError
from replicate_demo.canvas import CanvasSimulator, Options
from replicate_demo.canvas.model import Course, Login, Section, User

Row = dict[str, str]

PROVISIONS = """
terms: [fa19, sp20]
regular:
  users:       {scope: account, cstable: tmp_cnv_users,       mvtable: canvas_users}
  courses:     {scope: term, cstable: tmp_cnv_courses,     mvtable: canvas_courses,     parameters: {include_deleted: true}}
  sections:    {scope: term, cstable: tmp_cnv_sections,    mvtable: canvas_sections,    parameters: {include_deleted: true}}
  enrollments: {scope: term, cstable: tmp_cnv_enrollments, mvtable: canvas_enrollments, parameters: {include_deleted: true}}
  xlist:       {scope: term, cstable: tmp_cnv_xlist,       mvtable: canvas_xlist,       parameters: {include_deleted: true}}
"""
ADA = {
    "user_id": "000900001",
    "login_id": "ada.new",
    "first_name": "Ada",
    "last_name": "New",
    "short_name": "Ada",
    "email": "ada@example.edu",
    "status": "active",
}
COURSE = {
    "course_id": "NEW-1",
    "short_name": "NEW 1",
    "long_name": "A new course",
    "account_id": "PROVOST",
    "term_id": "sp20",
    "status": "published",
    "start_date": "2020-01-13T08:00:00-05:00",
    "end_date": "2040-05-15",
}
SECTION = {
    "section_id": "2201-NEW",
    "course_id": "NEW-1",
    "name": "0001",
    "status": "active",
    "start_date": "",
    "end_date": "",
}
OTHER = {**COURSE, "course_id": "NEW-2", "short_name": "NEW 2", "long_name": "Where both meet"}
XLIST = {"xlist_course_id": "NEW-2", "section_id": "2201-NEW", "status": "active"}
ENROLLED = {"section_id": "2201-NEW", "user_id": "000900001", "role": "student", "status": "active"}
# In the wrong order: each needs one that is listed after it.
ALL_KINDS: dict[str, list[Row]] = {
    "enrollments": [{**ENROLLED, "limit_section_privileges": ""}],
    "xlists": [XLIST],
    "sections": [SECTION],
    "courses": [COURSE, OTHER],
    "users": [ADA],
}
IN_ORDER = ["users", "courses", "sections", "xlists", "enrollments"]


@dataclass(frozen=True)
class Site:
    """A Canvas, and what it has by SIS id."""

    canvas: CanvasSimulator
    client: CanvasClient

    def login(self, sis_id: str) -> Login:
        [found] = [each for each in self.canvas.snapshot().logins.values() if each.sis_id == sis_id]
        return found

    def user(self, sis_id: str) -> User:
        return self.canvas.snapshot().users[self.login(sis_id).user_id]

    def course(self, sis_id: str) -> Course:
        [found] = [each for each in self.canvas.snapshot().courses.values() if each.sis_id == sis_id]
        return found

    def section(self, sis_id: str) -> Section:
        [found] = [each for each in self.canvas.snapshot().sections.values() if each.sis_id == sis_id]
        return found

    def course_of(self, section: str) -> str | None:
        return self.canvas.snapshot().courses[self.section(section).course_id].sis_id

    def counts(self) -> dict[str, int]:
        state = self.canvas.snapshot()
        return {name: len(getattr(state, name)) for name in ("users", "logins", "courses", "sections", "enrollments")}

    def sent(self) -> list[str]:
        """What was sent to change something."""
        written = [each for each in self.canvas.requests if each.method != "GET" and "/reports/" not in each.path]
        return [f"{each.method} {each.path.removeprefix('/api/v1/')}" for each in written]

    def body(self) -> dict[str, Any]:
        """Of the last write."""
        return dict(json.loads([each for each in self.canvas.requests if each.method in ("POST", "PUT")][-1].body))

    def apply(self, resource: Resource, row: Mapping[str, str]) -> None:
        """As the sender does it; then it is so by what was answered, and by what Canvas has."""
        seen = resource.apply(self.client, row, resource.find(self.client, row))
        assert resource.matches(row, seen)
        assert resource.matches(row, resource.find(self.client, row))
        sent = len(self.sent())
        if row["status"] != "deleted":
            resource.apply(self.client, row, None)
            assert resource is xlists or len(self.sent()) == sent

    def refuses(self, resource: Resource, row: Mapping[str, str], words: str) -> None:
        """With these words, and with nothing changed."""
        before = repr(self.canvas.snapshot())
        with pytest.raises(PermanentError, match=words):
            resource.apply(self.client, row, resource.find(self.client, row))
        assert repr(self.canvas.snapshot()) == before


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")


@pytest.fixture
def site() -> Iterator[Site]:
    options = Options(token="7~secret-of-tests", report_seconds=0.05, import_seconds=0.1)
    with (
        CanvasSimulator(options=options) as canvas,
        closing(CanvasClient(canvas.url, SecretStr(canvas.token), user_agent="tests/1")) as client,
    ):
        yield Site(canvas, client)


# --- Users --------------------------------------------------------------------------------------------------------


def test_a_new_user_is_made_with_login_and_address_and_gets_no_mail(site: Site) -> None:
    site.apply(users, {**ADA, "integration_id": "int-1"})
    user, login = site.user("000900001"), site.login("000900001")
    assert (user.name, user.sortable_name, user.short_name, user.email) == ("Ada New", "New, Ada", "Ada", ADA["email"])
    assert (login.unique_id, login.integration_id, login.workflow_state) == ("ada.new", "int-1", "active")
    body = site.body()
    assert body["user"]["skip_registration"] is True
    assert body["pseudonym"]["send_confirmation"] is False
    assert body["communication_channel"]["skip_confirmation"] is True


def test_a_deleted_user_comes_back_as_the_same_person(site: Site) -> None:
    gone = site.user("000000666").id
    site.apply(users, {**ADA, "user_id": "000000666"})
    assert (site.user("000000666").id, site.user("000000666").workflow_state) == (gone, "registered")


def test_only_what_differs_of_a_user_is_sent(site: Site) -> None:
    site.apply(users, ADA)
    site.apply(users, {**ADA, "login_id": "ada.old"})
    assert [each.split("/")[0] + " " + each.split("/")[-2] for each in site.sent()[1:]] == ["PUT accounts logins"]
    site.apply(users, {**ADA, "login_id": "ada.old", "last_name": "Newer"})
    assert (site.user("000900001").name, len(site.sent())) == ("Ada Newer", 3)


def test_an_empty_value_of_a_user_changes_nothing(site: Site) -> None:
    site.apply(users, ADA)
    site.apply(users, {**ADA, "short_name": "", "email": "", "first_name": "", "last_name": ""})
    assert len(site.sent()) == 1


def test_a_user_is_suspended_and_let_in_again(site: Site) -> None:
    site.apply(users, ADA)
    site.apply(users, {**ADA, "status": "suspended"})
    assert site.login("000900001").workflow_state == "suspended"
    site.apply(users, ADA)
    assert site.login("000900001").workflow_state == "active"


def test_a_canvas_that_suspends_nobody_has_not_done_it(site: Site) -> None:
    site.apply(users, ADA)
    assert not users.matches({**ADA, "status": "suspended"}, users.find(site.client, ADA))


def test_a_user_is_removed_and_need_not_be_removed_again(site: Site) -> None:
    site.apply(users, ADA)
    site.apply(users, {**ADA, "status": "deleted"})
    assert (site.user("000900001").workflow_state, len(site.sent())) == ("deleted", 2)
    assert users.matches({**ADA, "status": "deleted"}, users.find(site.client, ADA))


def test_of_a_user_with_two_logins_only_the_one_goes(site: Site) -> None:
    row = {"user_id": "E-0888", "login_id": "two.logins.staff", "status": "deleted"}
    site.apply(users, row)
    assert site.login("E-0888").workflow_state == "deleted"
    assert site.login("000000888").workflow_state == "active"
    assert site.user("000000888").workflow_state == "registered"


def test_one_of_two_logins_cannot_be_suspended(site: Site) -> None:
    site.refuses(users, {"user_id": "E-0888", "login_id": "two.logins.staff", "status": "suspended"}, "all logins")


def test_an_email_that_is_there_cannot_be_changed(site: Site) -> None:
    site.apply(users, ADA)
    site.refuses(users, {**ADA, "last_name": "Newer", "email": "ada@new.example.edu"}, "email")


def test_a_login_that_somebody_has_is_refused_in_canvass_words(site: Site) -> None:
    site.refuses(users, {**ADA, "login_id": "two.logins.staff"}, "ID already in use")
    site.apply(users, ADA)
    site.refuses(users, {**ADA, "login_id": "two.logins.staff", "last_name": "Newer"}, "ID already in use")


def test_a_first_name_alone_names_nobody(site: Site) -> None:
    site.refuses(users, {name: value for name, value in ADA.items() if name != "last_name"}, "go together")


# --- Courses ------------------------------------------------------------------------------------------------------


def test_a_new_course_is_in_its_account_and_term_with_its_dates(site: Site) -> None:
    site.apply(courses, {**COURSE, "integration_id": "int-1"})
    made, state = site.course("NEW-1"), site.canvas.snapshot()
    assert (made.name, made.code, made.integration_id) == ("A new course", "NEW 1", "int-1")
    assert (state.accounts[made.account_id].sis_id, state.terms[made.term_id].sis_id) == ("PROVOST", "sp20")
    assert (made.start_at, made.end_at, made.restrict_dates) == ("2020-01-13T13:00:00Z", "2040-05-15T00:00:00Z", True)
    assert (made.workflow_state, len(site.sent())) == ("available", 1)


def test_a_course_that_is_active_is_not_published_and_stays_published(site: Site) -> None:
    site.apply(courses, {**COURSE, "status": "active"})
    assert site.course("NEW-1").workflow_state == "claimed"
    site.apply(courses, COURSE)
    site.apply(courses, {**COURSE, "status": "active"})
    assert site.course("NEW-1").workflow_state == "available"


def test_a_course_is_renamed_moved_and_loses_its_dates(site: Site) -> None:
    site.apply(courses, COURSE)
    moved = {
        **COURSE,
        "long_name": "Renamed",
        "account_id": "ORGS",
        "term_id": "fa19",
        "start_date": "",
        "end_date": "",
    }
    site.apply(courses, moved)
    made, state = site.course("NEW-1"), site.canvas.snapshot()
    assert (made.name, made.start_at, made.end_at, made.restrict_dates) == ("Renamed", None, None, False)
    assert (state.accounts[made.account_id].sis_id, state.terms[made.term_id].sis_id) == ("ORGS", "fa19")
    assert len(site.sent()) == 2


def test_a_row_with_one_date_leaves_the_other_alone(site: Site) -> None:
    site.apply(courses, COURSE)
    site.apply(courses, {name: value for name, value in COURSE.items() if name != "end_date"} | {"start_date": ""})
    made = site.course("NEW-1")
    assert (made.start_at, made.end_at, made.restrict_dates) == (None, "2040-05-15T00:00:00Z", True)


def test_dates_that_do_not_count_in_canvas_are_not_so(site: Site) -> None:
    site.apply(courses, COURSE)
    with site.canvas.edit() as state:
        state.courses[site.course("NEW-1").id].restrict_dates = False
    assert not courses.matches(COURSE, courses.find(site.client, COURSE))


def test_a_course_is_concluded_with_its_last_name_and_opened_again(site: Site) -> None:
    site.apply(courses, COURSE)
    site.apply(courses, {**COURSE, "long_name": "Over", "status": "completed"})
    assert (site.course("NEW-1").workflow_state, site.course("NEW-1").name) == ("completed", "Over")
    site.apply(courses, COURSE)
    assert site.course("NEW-1").workflow_state == "available"


def test_a_deleted_course_keeps_its_sis_id_and_comes_back_where_it_is_wanted(site: Site) -> None:
    site.apply(courses, COURSE)
    number = site.course("NEW-1").id
    site.apply(courses, {**COURSE, "status": "deleted"})
    assert site.course("NEW-1").workflow_state == "deleted"
    site.apply(courses, {**COURSE, "account_id": "ORGS"})
    back = site.course("NEW-1")
    assert (back.id, back.workflow_state) == (number, "available")
    assert site.canvas.snapshot().accounts[back.account_id].sis_id == "ORGS"


def test_what_canvas_does_not_have_is_neither_made_nor_ended(site: Site) -> None:
    for kind, row, status in (
        (users, ADA, "suspended"),
        (courses, COURSE, "completed"),
        (sections, SECTION, "deleted"),
    ):
        site.apply(kind, {**row, "status": status})
    assert site.sent() == []


def test_a_course_of_a_term_that_canvas_does_not_have_is_refused(site: Site) -> None:
    site.refuses(courses, {**COURSE, "term_id": "none"}, "account_id or term_id")
    site.apply(courses, COURSE)
    site.refuses(courses, {**COURSE, "account_id": "none"}, "account_id")
    site.refuses(courses, {**COURSE, "term_id": "none"}, "term_id")


# --- Sections -----------------------------------------------------------------------------------------------------


def test_a_section_is_made_renamed_dated_and_removed(site: Site) -> None:
    site.apply(courses, COURSE)
    site.apply(sections, SECTION)
    site.apply(sections, {**SECTION, "name": "0002", "start_date": "2020-02-01", "end_date": "2040-03-01"})
    made = site.section("2201-NEW")
    assert (made.name, made.start_at, made.restrict_dates) == ("0002", "2020-02-01T00:00:00Z", True)
    site.apply(sections, {**SECTION, "status": "deleted"})
    assert (site.section("2201-NEW").workflow_state, len(site.sent())) == ("deleted", 4)
    site.apply(sections, SECTION)
    assert (site.section("2201-NEW").id, site.section("2201-NEW").workflow_state) == (made.id, "active")


def test_a_section_with_people_is_not_removed_and_canvas_says_why(site: Site) -> None:
    row = {"section_id": "2201-XLIST", "course_id": "XLIST-0", "name": "0002", "status": "deleted"}
    site.refuses(sections, row, "You can't delete a section that has enrollments")


def test_a_cross_listed_section_belongs_to_the_course_it_came_from(site: Site) -> None:
    row = {"section_id": "2201-XLIST", "course_id": "XLIST-0", "name": "0002", "status": "active"}
    assert sections.matches(row, sections.find(site.client, row))
    site.apply(sections, {**row, "name": "0003"})
    assert (site.section("2201-XLIST").name, site.course_of("2201-XLIST")) == ("0003", "ETH/101.é")


def test_a_section_of_another_course_is_not_moved(site: Site) -> None:
    site.apply(courses, COURSE)
    site.apply(sections, SECTION)
    site.refuses(sections, {**SECTION, "course_id": "ETH/101.é", "name": "0002"}, "cannot move")


def test_a_section_of_a_course_that_canvas_does_not_have_is_refused(site: Site) -> None:
    site.refuses(sections, SECTION, "course_id")


# --- Cross-listings -----------------------------------------------------------------------------------------------


@pytest.fixture
def listed(site: Site) -> Site:
    for row in (COURSE, OTHER):
        site.apply(courses, row)
    site.apply(sections, SECTION)
    return site


def test_a_section_is_cross_listed_and_put_back(listed: Site) -> None:
    listed.apply(xlists, XLIST)
    assert listed.course_of("2201-NEW") == "NEW-2"
    listed.apply(xlists, {**XLIST, "status": "deleted"})
    assert listed.course_of("2201-NEW") == "NEW-1"


def test_a_section_that_went_on_to_a_third_course_stays_there(listed: Site) -> None:
    listed.apply(xlists, {**XLIST, "xlist_course_id": "ETH/101.é"})
    sent = len(listed.sent())
    listed.apply(xlists, {**XLIST, "status": "deleted"})
    assert (listed.course_of("2201-NEW"), len(listed.sent())) == ("ETH/101.é", sent)


def test_its_own_course_is_none_to_cross_list_a_section_into(listed: Site) -> None:
    row = {**XLIST, "xlist_course_id": "NEW-1"}
    assert not xlists.matches(row, xlists.apply(listed.client, row, None))


def test_a_section_or_a_course_that_canvas_does_not_have_is_refused(listed: Site) -> None:
    listed.refuses(xlists, {**XLIST, "section_id": "none"}, "section_id or xlist_course_id")
    listed.refuses(xlists, {**XLIST, "xlist_course_id": "none"}, "section_id or xlist_course_id")


# --- Through the pusher -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Pushing:
    """A workplace with a process per kind, each named after its kind."""

    place: Workplace
    site: Site

    def want(self, kinds: Mapping[str, list[Row]], channel: str) -> None:
        """Processes are listed in the order of ``kinds``."""
        processes = []
        for kind, rows in kinds.items():
            names = ", ".join(rows[0])
            values = ", ".join(f"({', '.join(repr(row[name]) for name in rows[0])})" for row in rows)
            self.place.target_sql(
                f"CREATE OR REPLACE TABLE wanted_{kind} ({names.replace(',', ' VARCHAR,')} VARCHAR)",
                f"INSERT INTO wanted_{kind} VALUES {values}",
            )
            sql = f"SELECT {names} FROM wanted_{kind}"
            budget = {"removals_percent": 100}
            processes.append({"process": kind, "kind": kind, "channel": channel, "sql": sql, "budget": budget})
        (self.place.folder / "conf" / "pushes.yaml").write_text(yaml.safe_dump({"regular": processes}), "utf-8")

    def provision(self) -> None:
        show_reports(self.place, self.site.canvas)

    def push(self) -> Done:
        return self.place.run("canvas-pusher", "run", "--json")


@pytest.fixture
def pushing(workplace: Workplace, site: Site, monkeypatch: pytest.MonkeyPatch) -> Pushing:
    workplace.write_conf()
    workplace.add_canvas(site.canvas.url, site.canvas.token, PROVISIONS)
    for name, value in workplace.environment.items():
        monkeypatch.setenv(name, value)
    workplace.init_db()
    return Pushing(workplace, site)


def outcomes(done: Done) -> dict[str, tuple[str, int, int]]:
    """Process -> its state, what it planned and what was applied."""
    return {row["table"].removeprefix("push:"): (row["state"], row["rows"], row["loaded"]) for row in done.json}


def kind_of(path: str) -> str:
    """Which kind a REST call or a file of a SIS import is about."""
    for word, kind in (("crosslist", "xlists"), ("enrollments", "enrollments"), ("sections", "sections")):
        if word in path:
            return kind
    return "courses" if "courses" in path else "users"


def imported(site: Site) -> list[str]:
    return [next(iter(batch.counts)) for batch, _ in site.canvas.imports]


@pytest.mark.parametrize("channel", ["sis_import", "rest"])
def test_what_others_need_is_pushed_first_and_then_nothing_is_different(pushing: Pushing, channel: str) -> None:
    pushing.want(ALL_KINDS, channel)
    pushing.provision()
    done = pushing.push()
    assert done.code == 0, done
    assert outcomes(done) == {kind: ("successful", len(rows), len(rows)) for kind, rows in ALL_KINDS.items()}
    site = pushing.site
    sent = imported(site) if channel == "sis_import" else list(dict.fromkeys(kind_of(path) for path in site.sent()))
    assert sent == IN_ORDER
    assert site.course_of("2201-NEW") == "NEW-2"
    [enrolled] = site.canvas.snapshot().enrollments_of(site.user("000900001").id)
    assert (enrolled.workflow_state, enrolled.course_id) == ("active", site.course("NEW-2").id)
    written = len(site.sent())
    pushing.provision()
    again = pushing.push()
    assert outcomes(again) == dict.fromkeys(ALL_KINDS, ("successful", 0, 0))
    assert len(site.sent()) == written


@pytest.mark.parametrize("fault", ["reset_after_execution", "error_after_execution"])
def test_what_canvas_did_without_saying_so_is_not_done_twice(pushing: Pushing, fault: str) -> None:
    site = pushing.site
    pushing.want(ALL_KINDS, "rest")
    pushing.provision()
    before = site.counts()
    for path in ("/users", "/courses", "/sections", "/crosslist", "/enrollments"):
        site.canvas.faults.arm(fault, method="POST", path=path)
    assert pushing.push().code == 0
    assert site.canvas.faults.armed() == []
    assert {name: count - before[name] for name, count in site.counts().items()} == {
        **dict.fromkeys(("users", "logins", "sections", "enrollments"), 1),
        "courses": 2,
    }
    assert len(site.sent()) == 6  # one for each row
    pushing.provision()
    ended = {
        "users": [{**ADA, "last_name": "Newer"}],
        "courses": [{**COURSE, "long_name": "Renamed"}],
        "xlists": [{**XLIST, "status": "deleted"}],
        "enrollments": [{**ENROLLED, "status": "deleted"}],
    }
    pushing.want(ended, "rest")
    for method, path in (("PUT", "/users"), ("PUT", "/courses"), ("DELETE", "/crosslist"), ("DELETE", "/enrollments")):
        site.canvas.faults.arm(fault, method=method, path=path)
    assert pushing.push().code == 0
    assert (site.canvas.faults.armed(), len(site.sent())) == ([], 10)
    assert (site.user("000900001").name, site.course("NEW-1").name) == ("Ada Newer", "Renamed")
    assert site.course_of("2201-NEW") == "NEW-1"


def test_removals_are_not_done_twice_and_what_canvas_refuses_is_named(pushing: Pushing) -> None:
    site = pushing.site
    for kind, row in ((users, ADA), (courses, COURSE), (courses, OTHER), (sections, SECTION)):
        site.apply(kind, row)
    sent = len(site.sent())
    crowded = {"section_id": "2201-OVER", "course_id": "OVER-1", "name": "0001", "start_date": "", "end_date": ""}
    removed = {
        "users": [{**ADA, "status": "deleted"}],
        "courses": [{**OTHER, "status": "deleted"}, {**COURSE, "status": "completed"}],
        "sections": [{**SECTION, "status": "deleted"}, {**crowded, "status": "deleted"}],
    }
    pushing.want(removed, "rest")
    pushing.provision()
    for path in ("/users", "/courses", f"/sections/{site.section('2201-NEW').id}"):
        site.canvas.faults.arm("reset_after_execution", method="DELETE", path=path)
    done = pushing.push()
    assert outcomes(done) == {
        "users": ("successful", 1, 1),
        "courses": ("successful", 2, 2),
        "sections": ("failed", 2, 1),
    }
    [line] = pushing.place.run("replicate", "rejects", "push:sections", "--json").json
    assert "You can't delete a section that has enrollments" in line["answer"]
    assert site.user("000900001").workflow_state == "deleted"
    assert (site.course("NEW-2").workflow_state, site.course("NEW-1").workflow_state) == ("deleted", "completed")
    assert site.section("2201-NEW").workflow_state == "deleted"
    assert (site.canvas.faults.armed(), len(site.sent()) - sent) == ([], 5)  # one for each row
    pushing.provision()
    again = pushing.push()
    assert outcomes(again)["users"] == outcomes(again)["courses"] == ("successful", 0, 0)


def test_a_column_that_rest_cannot_set_stops_its_process_before_anything_is_sent(pushing: Pushing) -> None:
    pushing.want({"courses": [{**COURSE, "course_format": "online"}], "users": [ADA]}, "rest")
    pushing.provision()
    done = pushing.push()
    assert {name: state for name, (state, *_) in outcomes(done).items()} == {"courses": "failed", "users": "successful"}
    [row] = [row for row in done.json if row["table"] == "push:courses"]
    assert "REST cannot set the course_format of courses" in row["message"]
    assert "sis_import" in row["next_step"]
    assert [kind_of(path) for path in pushing.site.sent()] == ["users"]

"""Paths, parameters, labels, origins and pages of Canvas's addresses."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canvas_replicate.canvas import CanvasUnavailable, LinkExpired, api_path
from canvas_replicate.canvas.downloads import check_is_file, find_redirect_target, store_refusal
from canvas_replicate.canvas.paging import items, next_page
from canvas_replicate.canvas.urls import Call, add_query, endpoint, list_pairs, origin
from canvas_replicate.errors import PermanentError, TransientError

CALL = Call("GET", "/accounts/:id/terms", "canvas.example.edu")
HOST = "https://canvas.example.edu"


def test_an_id_of_the_student_system_goes_into_a_path_whole() -> None:
    path = api_path("courses", "sis_course_id:CS/1.0 é", "enrollments", 7)
    assert path == "courses/sis_course_id:CS%2F1%2E0%20%C3%A9/enrollments/7"


@given(st.text(min_size=1))
def test_whatever_an_id_holds_it_stays_one_part_of_the_path(text: str) -> None:
    try:
        path = api_path("users", text)
    except UnicodeEncodeError:  # half a character cannot be sent to anybody
        return
    assert unquote(path) == f"users/{text}"
    assert path.count("/") == 1
    assert not set(path) & set(".?#\\ ")


def test_an_empty_part_is_refused() -> None:
    with pytest.raises(ValueError, match="empty part"):
        api_path("courses", "", "enrollments")


@pytest.mark.parametrize(
    ("path", "label"),
    [
        ("accounts/self/reports/provisioning_csv/40", "/accounts/:id/reports/:report/:id"),
        ("accounts/1/reports/sis_export_csv/40/abort", "/accounts/:id/reports/:report/:id/abort"),
        ("courses/sis_course_id:CS101/enrollments/12", "/courses/:id/enrollments/:id"),
        ("users/1234~567/logins", "/users/:id/logins"),
        ("accounts/1/sis_imports/9", "/accounts/:id/sis_imports/:id"),
        ("sections/sis_section_id:A/crosslist/3", "/sections/:id/crosslist/:id"),
    ],
)
def test_a_label_has_no_ids(path: str, label: str) -> None:
    assert endpoint(path) == label


@given(st.lists(st.text(alphabet="abcxyz019:~_-%", min_size=1), min_size=1, max_size=5))
def test_what_is_no_word_of_the_api_never_gets_into_a_label(parts: list[str]) -> None:
    assert endpoint("/".join(["courses", *(f"{part}!" for part in parts)])) == "/courses" + "/:id" * len(parts)


def test_parameters_are_nested_as_rails_reads_them() -> None:
    params: dict[str, Any] = {
        "parameters": {"users": True, "enrollment_term_id": "sis_term_id:2199", "created_by_sis": None},
        "state[]": ["active"],
        "ids": [1, 2],
        "skip": False,
    }
    assert list(list_pairs(params)) == [
        ("parameters[users]", "true"),
        ("parameters[enrollment_term_id]", "sis_term_id:2199"),
        ("state[]", "active"),
        ("ids[]", "1"),
        ("ids[]", "2"),
        ("skip", "false"),
    ]
    assert add_query("x", {"a": {"b": "c&d"}, "left_out": None}) == "x?a%5Bb%5D=c%26d"
    assert add_query("x", {}) == "x"


def test_a_parameter_of_no_known_kind_is_a_mistake_of_ours() -> None:
    with pytest.raises(TypeError, match="bytes"):
        list(list_pairs({"a": b"x"}))


# Origins


def test_an_origin_is_scheme_host_and_port() -> None:
    assert origin("https://Canvas.Example.edu/a?b") == origin("https://canvas.example.edu:443") == f"{HOST}:443"
    assert len({origin(f"{url}/x") for url in (HOST, f"{HOST}:8443", "http://canvas.example.edu", f"{HOST}.evil")}) == 4


@pytest.mark.parametrize(
    "url",
    [
        "",
        "/files/1",
        "ftp://canvas.example.edu/x",
        "https://canvas.example.edu@elsewhere.example/secret-word",
        "https://elsewhere.example\\@canvas.example.edu/secret-word",
        "https://canvas.example.edu:port/secret-word",
        "https://[canvas/secret-word",
    ],
)
def test_an_address_that_could_be_read_in_two_ways_is_refused_and_not_told(url: str) -> None:
    with pytest.raises(PermanentError) as raised:
        origin(url)
    assert raised.value.code == "canvas.url"
    assert "secret-word" not in str(raised.value)


# Pages


def link(url: str, rel: str = "next") -> str:
    return f'<{HOST}/x?page=1>; rel="current", <{url}>; rel="{rel}", <{HOST}/x?page=first>; rel="first"'


def test_the_next_page_is_followed_as_it_is() -> None:
    strange = f"{HOST}/api/v1/x?page=bookmark:W1%2E,%20a&state[]=b"
    assert next_page(f"{HOST}/api/v1/x", link(strange), CALL) == strange
    assert next_page(f"{HOST}/api/v1/x", link("/api/v1/x?page=2"), CALL) == f"{HOST}/api/v1/x?page=2"
    assert next_page(HOST, link(f"{HOST}/x", "last"), CALL) is None
    assert next_page(HOST, "", CALL) is None


@pytest.mark.parametrize("elsewhere", ["http://canvas.example.edu/x", "https://evil.example/x", "//evil.example/x"])
def test_a_next_page_at_another_origin_is_refused(elsewhere: str) -> None:
    with pytest.raises(PermanentError, match="next page would be at") as raised:
        next_page(f"{HOST}/x", link(elsewhere), CALL)
    assert "REPLICATE_CANVAS__BASE_URL" in raised.value.next_step


def listed(pages: dict[str, tuple[Any, str]], key: str | None = None) -> list[dict[str, Any]]:
    def fetch(url: str) -> tuple[Any, dict[str, str]]:
        body, following = pages[url.removeprefix(HOST)]
        return body, {"link": link(f"{HOST}{following}")} if following else {}

    return list(items(fetch, f"{HOST}/1", key, CALL))


def test_an_object_that_moved_to_the_next_page_comes_once() -> None:
    pages = {"/1": ([{"id": 1}, {"id": 2}], "/2"), "/2": ([{"id": 2}, {"id": 3}, {"x": 1}, {"x": 1}], "")}
    assert listed(pages) == [{"id": 1}, {"id": 2}, {"id": 3}, {"x": 1}, {"x": 1}]


def test_pages_that_lead_back_are_refused() -> None:
    with pytest.raises(PermanentError, match="round in a circle"):
        listed({"/1": ([], "/2"), "/2": ([], "/1")})


def test_a_list_may_lie_under_a_name() -> None:
    assert listed({"/1": ({"enrollment_terms": [{"id": 1}]}, "")}, "enrollment_terms") == [{"id": 1}]


@pytest.mark.parametrize("body", [None, {}, {"terms": []}, {"enrollment_terms": None}, {"enrollment_terms": [1]}, "x"])
def test_a_list_that_does_not_lie_where_it_should_is_refused(body: Any) -> None:
    with pytest.raises(PermanentError, match="'enrollment_terms'"):
        listed({"/1": (body, "")}, "enrollment_terms")


def test_a_query_that_would_crowd_out_the_link_to_the_next_page_is_refused() -> None:
    with pytest.raises(PermanentError, match="too long") as raised:
        next(items(lambda url: ([], {}), f"{HOST}/x?{'a' * 5000}", None, CALL), None)
    assert "fewer ids" in raised.value.next_step


# Steps of a download


def test_a_redirect_is_never_followed_away_from_https() -> None:
    assert find_redirect_target(f"{HOST}/a/b", "../c?d", CALL) == f"{HOST}/c?d"
    assert find_redirect_target("http://127.0.0.1/a", f"{HOST}/c", CALL) == f"{HOST}/c"
    with pytest.raises(PermanentError, match="away from https"):
        find_redirect_target(f"{HOST}/a", "http://store.example/c", CALL)
    with pytest.raises(PermanentError, match="without an address"):
        find_redirect_target(f"{HOST}/a", "", CALL)


def test_a_reference_that_cannot_be_read_is_one_clear_error() -> None:
    with pytest.raises(PermanentError, match="no web address"):
        find_redirect_target(f"{HOST}/a", "https://[secret", CALL)
    with pytest.raises(PermanentError, match="no web address"):
        next_page(f"{HOST}/a", link("https://[secret"), CALL)


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_a_store_that_no_longer_takes_a_link_wants_a_fresh_one(status: int) -> None:
    error = store_refusal(status, CALL, 0)
    assert isinstance(error, LinkExpired)
    assert "fresh link" in error.next_step


def test_other_answers_of_a_store_are_told_apart() -> None:
    assert isinstance(store_refusal(503, CALL, 0), CanvasUnavailable)
    assert isinstance(store_refusal(400, CALL, 0), PermanentError)


def test_a_web_page_is_not_a_file() -> None:
    with pytest.raises(TransientError, match="web page") as raised:
        check_is_file({"content-type": "Text/HTML; charset=utf-8"}, CALL)
    assert "fresh link" in raised.value.next_step
    check_is_file({"content-type": "text/csv"}, CALL)
    check_is_file({}, CALL)


def test_the_host_of_an_address_is_read_as_the_connection_reads_it() -> None:
    assert urlsplit(f"{HOST}#@elsewhere.example").hostname == "canvas.example.edu"
    assert origin(f"{HOST}#@elsewhere.example") == f"{HOST}:443"

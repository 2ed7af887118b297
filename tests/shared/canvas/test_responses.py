"""What an answer of Canvas means, and what each exception of requests means."""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import requests.adapters
import requests.cookies
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr
from requests.structures import CaseInsensitiveDict
from urllib3 import exceptions as below

from canvas_replicate.canvas import CanvasThrottled, CanvasUnavailable, TokenRefused
from canvas_replicate.canvas.errors import HTTP_ERRORS, translated
from canvas_replicate.canvas.responses import Answer, refusal, remaining, retry_after
from canvas_replicate.canvas.urls import Call
from canvas_replicate.errors import ConfigError, PermanentError, TransientError

TOKEN = SecretStr("7~secret-word")
CALL = Call("POST", "/courses/:id/enrollments", "canvas.example.edu")
JSON = {"content-type": "application/json; charset=utf-8"}
PLAIN = {"content-type": "text/plain; charset=utf-8"}
DEAD_TOKEN = {**JSON, "WWW-Authenticate": 'Bearer realm="canvas-lms"'}


def answer(status: int, body: Any = b"", headers: dict[str, str] = JSON) -> Answer:
    return Answer(status, CaseInsensitiveDict(headers), body if isinstance(body, bytes) else json.dumps(body).encode())


def refused(*given_answer: Any) -> Any:
    return refusal(answer(*given_answer), CALL, TOKEN)


def test_a_success_is_no_refusal() -> None:
    assert refused(200, {}) is None
    assert refused(204, b"") is None


@pytest.mark.parametrize(
    "throttle",
    [
        (403, b"403 Forbidden (Rate Limit Exceeded)\n", PLAIN),
        (429, b"429 Forbidden (Rate Limit Exceeded)\n", PLAIN),
        (429, b"", {}),
    ],
)
def test_throttling_is_told_by_429_or_by_its_text(throttle: tuple[int, bytes, dict[str, str]]) -> None:
    assert isinstance(refused(*throttle), CanvasThrottled)


def test_a_403_in_json_is_a_refusal_even_if_it_speaks_of_the_rate_limit() -> None:
    error = refused(403, {"message": "course batch size limit (500) exceeded; not a Rate Limit Exceeded"})
    assert isinstance(error, PermanentError)
    assert error.code == "canvas.403"
    assert "course batch size limit" in error.message


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"X-Rate-Limit-Remaining": "-150.5"}, 20.05),
        ({"x-rate-limit-remaining": "300"}, 0),
        ({"Retry-After": "7", "X-Rate-Limit-Remaining": "-150"}, 7),
        ({}, 0),
    ],
)
def test_a_throttled_call_waits_as_long_as_told_or_until_the_bucket_has_room(
    headers: dict[str, str], seconds: float
) -> None:
    assert refused(429, b"", headers).pause_seconds == pytest.approx(seconds)


def test_a_dead_token_and_a_missing_right_are_told_apart_by_a_header() -> None:
    dead = refused(401, {"errors": [{"message": "Invalid access token."}]}, DEAD_TOKEN)
    assert isinstance(dead, TokenRefused)
    assert dead.code == "canvas.401"
    assert "REPLICATE_CANVAS__TOKEN" in dead.next_step
    lacking = refused(401, {"status": "unauthorized", "errors": [{"message": "user not authorized"}]})
    assert not isinstance(lacking, TokenRefused)
    assert isinstance(lacking, PermanentError)
    assert "right" in lacking.next_step


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"errors": [{"message": "The specified resource does not exist."}]}, "The specified resource does not exist."),
        ({"errors": {"course_id": [{"type": "x", "message": "is not a valid course"}]}}, "course_id: is not a valid"),
        ({"errors": {"user": {}, "pseudonym": {"unique_id": [{"message": "is taken"}]}}}, "unique_id: is taken"),
        ({"message": "Can't add an enrollment to a concluded course."}, "concluded course."),
        ({"error": "enrollment not inactive"}, "enrollment not inactive."),
        ({"errors": ["SIS imports can only be executed on root accounts"]}, "root accounts."),
        ({"errors": "Invalid as_user_id", "merged_into_user_id": 3}, "Invalid as_user_id."),
        (
            {"errors": [{"message": "An error occurred."}], "error_report_id": 123},
            "An error occurred.; error report 123.",
        ),
    ],
)
def test_canvas_s_own_words_are_told_whatever_the_shape_of_the_body(body: object, said: str) -> None:
    error = refused(400, body)
    assert said in error.message
    assert error.message.startswith(f"{CALL}: 400, ")
    assert error.message.endswith(".")
    assert not error.message.endswith("..")


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text() | st.sampled_from(["message", "errors", "error"]), x)))  # fmt: skip
def test_no_error_body_breaks_the_error(body: object) -> None:
    error = refused(422, {"errors": body})
    assert error.code == "canvas.422"
    assert len(error.message) < 400
    assert error.message.isprintable()


@pytest.mark.parametrize("body", [b"[" * 100_000, b"\xff{", b"", b"null", b"[1]", b'{"errors": NaN}'])
def test_a_body_that_is_not_what_it_says_leaves_the_status(body: bytes) -> None:
    assert refused(404, body).message == f"{CALL}: 404."


@given(st.integers(0, 330), st.integers(0, 330))
def test_an_echoed_token_is_masked_wherever_it_stands(before: int, behind: int) -> None:
    error = refused(400, {"message": "x" * before + TOKEN.get_secret_value() + "y" * behind})
    assert "secret-word" not in str(error)
    assert "7~sec" not in str(error)


@pytest.mark.parametrize("status", [408, 500, 502, 503, 504, 599])
def test_what_the_edge_answers_may_have_run(status: int) -> None:
    error = refused(status, b"<html>secret-page</html>", {"content-type": "text/html"})
    assert isinstance(error, CanvasUnavailable)
    assert error.may_have_run
    assert error.code == f"canvas.{status}"
    assert "secret-page" not in str(error)


def test_the_api_redirects_nobody_so_the_address_is_wrong() -> None:
    error = refused(301, b"", {"location": "https://canvas.example.edu/api/v1/x?verifier=secret-word"})
    assert isinstance(error, ConfigError)
    assert "https://canvas.example.edu:443" in error.message
    assert "secret-word" not in str(error)


# Bodies and headers


def test_an_answer_without_body_is_none() -> None:
    assert answer(204, b"").json(CALL) is None
    assert answer(200, {"id": 2**60}).json(CALL) == {"id": 2**60}


@pytest.mark.parametrize(
    "broken",
    [
        answer(200, b"<html>7~secret-word</html>", {"content-type": "text/html"}),
        answer(200, b'{"token": "7~secret-word", '),
        answer(200, b"[" * 100_000),
        answer(200, b"\xff\xfe\xfd"),
        answer(200, b"{}", {}),
    ],
)
def test_what_is_not_json_is_worth_a_few_tries_and_not_quoted(broken: Answer) -> None:
    with pytest.raises(CanvasUnavailable) as raised:
        broken.json(CALL)
    assert (raised.value.code, raised.value.tries) == ("canvas.not_json", 3)
    assert raised.value.__context__ is None
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    ("text", "number"), [("599.9021", 599.9021), ("-3", -3), ("", None), ("nan", None), ("inf", None), ("many", None)]
)
def test_what_remains_is_a_number_or_nothing(text: str, number: float | None) -> None:
    assert remaining(CaseInsensitiveDict({"X-Rate-Limit-Remaining": text})) == number


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("120", 120),
        ("Tue, 01 Jan 2030 00:00:30 GMT", 30),
        ("Tue, 01 Jan 2030 00:00:30 -0000", 30),
        ("Mon, 31 Dec 2029 00:00:00 GMT", 0),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("9" * 400, 999_999_999),
    ],
)
def test_retry_after_is_seconds_or_a_date(text: str, seconds: float | None) -> None:
    assert retry_after({"retry-after": text}, datetime(2030, 1, 1, tzinfo=UTC)) == seconds


# Exceptions


def subclasses(kind: type[BaseException]) -> Iterator[type[BaseException]]:
    for each in kind.__subclasses__():
        yield each
        yield from subclasses(each)


def made(kind: type[BaseException]) -> Any:
    """An instance, past the constructors of urllib3 that want pools and addresses."""
    error = kind.__new__(kind)
    error.args = ("https://canvas.example.edu/files/1?verifier=secret-word",)
    return error


TREES = (requests.exceptions.RequestException, below.HTTPError)
EVERY = sorted(
    {each for tree in TREES for each in (tree, *subclasses(tree))},
    key=lambda kind: (kind.__module__, kind.__qualname__),
)


@pytest.mark.parametrize("kind", EVERY, ids=lambda kind: f"{kind.__module__}.{kind.__name__}")
def test_every_exception_of_requests_and_urllib3_is_one_of_ours(kind: type[BaseException]) -> None:
    error = made(kind)
    assert isinstance(error, HTTP_ERRORS)
    ours = translated(error, CALL)
    assert isinstance(ours, TransientError | PermanentError)
    assert (ours.code or "").startswith("canvas.")
    assert str(ours).startswith(str(CALL))
    assert "secret-word" not in str(ours)


def test_the_trees_are_walked_whole() -> None:
    listed = {each for each in vars(requests.exceptions).values() if isinstance(each, type)}
    assert {each for each in listed if issubclass(each, requests.exceptions.RequestException)} <= set(EVERY)
    assert len(EVERY) > 40


def wrapped(reason: Exception) -> requests.exceptions.ConnectionError:
    return requests.exceptions.ConnectionError(below.MaxRetryError(None, "/x?verifier=secret-word", reason))  # type: ignore[arg-type]


def test_what_never_reached_canvas_is_told_from_what_may_have() -> None:
    refused_connection = below.NewConnectionError(None, "x")  # type: ignore[arg-type]
    refused_connection.__cause__ = ConnectionRefusedError(111, "Connection refused")
    before = translated(wrapped(refused_connection), CALL)
    assert isinstance(before, CanvasUnavailable)
    assert not before.may_have_run
    assert "Connection refused" in before.message
    aborted = requests.exceptions.ConnectionError(below.ProtocolError("aborted", ConnectionResetError(104, "reset")))
    behind = translated(aborted, CALL)
    assert isinstance(behind, CanvasUnavailable)
    assert behind.may_have_run
    assert "reset" in behind.message


def test_an_untrusted_certificate_is_a_matter_of_configuration() -> None:
    reason = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error = translated(requests.exceptions.SSLError(below.MaxRetryError(None, "/x", below.SSLError(reason))), CALL)  # type: ignore[arg-type]
    assert isinstance(error, ConfigError)
    assert "REQUESTS_CA_BUNDLE" in error.next_step

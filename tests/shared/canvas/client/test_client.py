"""Calls of the Canvas client: what is sent, pages, failures, secrets."""

from __future__ import annotations

import gzip
import io
import json
import logging
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.shared.canvas.client.canvas_site import (
    AGENT,
    BAD_GATEWAY,
    JSON,
    QUICK,
    TOKEN,
    Handler,
    Reply,
    Site,
    broken_chunks,
    cut_short,
    drips,
    everything,
    hangs_up,
    in_json,
    redirect,
    reply,
    says_nothing,
)

from canvas_replicate.canvas import (
    CanvasClient,
    CanvasOutcomeUnknown,
    CanvasUnavailable,
    RetryPolicy,
    TokenRefused,
    api_path,
)
from canvas_replicate.errors import ConfigError, PermanentError, ReplicateError, TransientError

# What is sent


def test_a_call_carries_the_token_a_name_and_its_path_to_the_letter(site: Site, client: CanvasClient) -> None:
    path = api_path("courses", "sis_course_id:CS/1.0", "enrollments")
    site.api(path, in_json([{"id": 1}]))
    assert client.get(path, state=["active", "invited"], include=None) == [{"id": 1}]
    asked = site.asked[0]
    assert asked.path == "/api/v1/courses/sis_course_id:CS%2F1%2E0/enrollments?state%5B%5D=active&state%5B%5D=invited"
    assert asked.headers["authorization"] == f"Bearer {TOKEN}"
    assert asked.headers["user-agent"] == AGENT
    assert asked.headers["accept"] == "application/json"


def test_a_login_in_netrc_never_takes_the_token_s_place(
    site: Site, client: CanvasClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login somebody password else\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    site.api("progress/1", in_json({}))
    client.get("progress/1")
    assert site.asked[0].headers["authorization"] == f"Bearer {TOKEN}"


def test_a_form_is_nested_a_file_is_multipart_and_json_is_json(site: Site, client: CanvasClient) -> None:
    site.api("x", in_json({"id": 1}))
    client.post("x", data={"enrollment": {"user_id": "sis_user_id:007", "notify": False}})
    client.put("x", json={"a": [1]})
    client.post("x", params={"import_type": "instructure_csv"}, files={"attachment": ("a.csv", b"a,b\n", "text/csv")})
    client.delete("x", params={"task": "delete"})
    form, as_json, multipart, delete = site.asked
    assert form.body == b"enrollment%5Buser_id%5D=sis_user_id%3A007&enrollment%5Bnotify%5D=false"
    assert (as_json.method, as_json.body, as_json.headers["content-type"]) == ("PUT", b'{"a": [1]}', "application/json")
    assert multipart.path == "/api/v1/x?import_type=instructure_csv"
    assert b'filename="a.csv"' in multipart.body
    assert (delete.method, delete.path, delete.body) == ("DELETE", "/api/v1/x?task=delete", b"")


def test_connections_are_used_again(site: Site, client: CanvasClient) -> None:
    site.api("progress/1", in_json({"id": 1}))
    for _ in range(5):
        client.get("progress/1")
    assert (len(site.asked), site.connections) == (5, 1)


def test_a_compressed_answer_is_read(site: Site, client: CanvasClient) -> None:
    body = gzip.compress(json.dumps(["x" * 100_000]).encode())
    site.api("x", reply(200, body, Content_Type=JSON, Content_Encoding="gzip"))
    assert client.get("x") == ["x" * 100_000]


@pytest.mark.parametrize("path", ["x?y=1", "x#y", "a/../b", "a\\b"])
def test_a_path_with_more_than_a_path_in_it_is_a_mistake_of_ours(client: CanvasClient, path: str) -> None:
    with pytest.raises(ValueError, match="api_path"):
        client.get(path)


def test_two_bodies_at_once_are_a_mistake_of_ours(client: CanvasClient) -> None:
    with pytest.raises(ValueError, match="not both"):
        client.post("x", json={}, data={})


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"base_url": "canvas.example.edu"}, "REPLICATE_CANVAS__BASE_URL"),
        ({"base_url": "https://u:p@canvas.example.edu"}, "REPLICATE_CANVAS__BASE_URL"),
        ({"token": ""}, "REPLICATE_CANVAS__TOKEN"),
        ({"token": "secret\n"}, "REPLICATE_CANVAS__TOKEN"),
        ({"token": "Bearer secret"}, "REPLICATE_CANVAS__TOKEN"),
        ({"user_agent": " "}, "User-Agent"),
        ({"user_agent": "a\r\nX: y"}, "User-Agent"),
    ],
)
def test_what_cannot_be_sent_is_refused_before_anything_is(
    connect: Callable[..., CanvasClient], options: dict[str, str], says: str
) -> None:
    with pytest.raises(ConfigError, match=says) as raised:
        connect(**options)
    assert "secret" not in str(raised.value)


# Pages


def test_all_pages_of_a_wrapped_list_are_read_through_their_links(site: Site, client: CanvasClient) -> None:
    second, third = f"{site.url}/api/v1/terms?page=bookmark:W1%2E", "/api/v1/terms?page=bookmark:W2"
    first = f'<{site.url}/api/v1/terms?page=1>; rel="current", <{second}>; rel="next"'
    site.on("/api/v1/accounts/self/terms?per_page=100", in_json({"enrollment_terms": [{"id": 1}]}, link=first))
    site.on(second.removeprefix(site.url), in_json({"enrollment_terms": [{"id": 2}]}, Link=f'<{third}>; rel="next"'))
    site.on(third, in_json({"enrollment_terms": []}))
    assert list(client.pages("accounts/self/terms", key="enrollment_terms")) == [{"id": 1}, {"id": 2}]
    assert all(asked.headers["authorization"] == f"Bearer {TOKEN}" for asked in site.asked)


def test_a_next_page_elsewhere_is_not_asked_for(site: Site, store: Site, client: CanvasClient) -> None:
    site.api("x", in_json([{"id": 1}], Link=f'<{store.url}/x>; rel="next"'))
    pages = client.pages("x")
    assert next(pages) == {"id": 1}
    with pytest.raises(PermanentError, match="next page would be at"):
        next(pages)
    assert store.asked == []


# Failures


@pytest.mark.parametrize(
    "failure", [BAD_GATEWAY, hangs_up, broken_chunks, reply(200, "<html>", Content_Type="text/html")]
)
def test_an_idempotent_call_outlives_what_may_pass(site: Site, client: CanvasClient, failure: Reply) -> None:
    site.api("progress/1", failure, failure, in_json({"id": 1}))
    assert client.get("progress/1") == {"id": 1}
    assert len(site.asked) == 3


def test_an_idempotent_call_is_given_up_after_its_tries(site: Site, client: CanvasClient) -> None:
    site.api("x", BAD_GATEWAY)
    with pytest.raises(TransientError) as raised:
        client.put("x", idempotent=True)
    assert (raised.value.code, len(site.asked)) == ("canvas.502", QUICK.tries)
    assert "bad gateway" not in str(raised.value)


@pytest.mark.parametrize(
    "failure",
    [
        BAD_GATEWAY,
        hangs_up,
        broken_chunks,
        cut_short(JSON, b'{"id": 1', 100),
        reply(200, "<html>", Content_Type="text/html"),
    ],
)
def test_a_call_that_may_have_run_is_sent_once(site: Site, client: CanvasClient, failure: Reply) -> None:
    site.api("accounts/1/reports/provisioning_csv", failure)
    with pytest.raises(CanvasOutcomeUnknown, match="POST /accounts/:id/reports/:report at 127") as raised:
        client.post("accounts/1/reports/provisioning_csv", data={"parameters": {"users": True}})
    assert len(site.asked) == 1
    assert "Look at what Canvas has" in raised.value.next_step


def test_a_call_without_answer_in_time_may_have_run(site: Site, connect: Callable[..., CanvasClient]) -> None:
    site.api("x", says_nothing)
    with pytest.raises(CanvasOutcomeUnknown, match="no answer in time"):
        connect(retry_policy=RetryPolicy(read_seconds=0.2)).post("x")


def test_a_canvas_out_of_reach_was_never_asked(connect: Callable[..., CanvasClient], free_port: int) -> None:
    client = connect(base_url=f"http://127.0.0.1:{free_port}")
    with pytest.raises(CanvasUnavailable, match="Connection refused") as raised:
        client.post("x")
    assert not raised.value.may_have_run
    with pytest.raises(CanvasUnavailable):
        client.get("x")


def test_a_host_that_is_unknown_is_transient(connect: Callable[..., CanvasClient]) -> None:
    with pytest.raises(CanvasUnavailable, match=r"no-such-host\.invalid") as raised:
        connect(base_url="http://no-such-host.invalid").post("x")
    assert not raised.value.may_have_run


def test_an_answer_that_drips_ends_at_the_deadline(site: Site, connect: Callable[..., CanvasClient]) -> None:
    site.api("x", drips)
    begun = time.monotonic()
    with pytest.raises(TransientError, match="took too long"):
        connect(retry_policy=RetryPolicy(read_seconds=5, call_seconds=0.3)).get("x")
    assert time.monotonic() - begun < 3


def test_an_answer_that_is_whole_counts_even_if_it_is_late(site: Site, connect: Callable[..., CanvasClient]) -> None:
    def late(handler: Handler) -> None:
        time.sleep(0.3)
        in_json({"id": 1})(handler)

    site.api("x", late)
    assert connect(retry_policy=RetryPolicy(call_seconds=0.1)).post("x") == {"id": 1}


def test_a_dead_token_is_told_with_the_next_step(site: Site, client: CanvasClient) -> None:
    body = {"errors": [{"message": "Invalid access token."}]}
    site.api("x", in_json(body, 401, WWW_Authenticate='Bearer realm="canvas-lms"'))
    with pytest.raises(TokenRefused, match="Invalid access token") as raised:
        client.get("x")
    assert "REPLICATE_CANVAS__TOKEN" in raised.value.next_step
    assert len(site.asked) == 1


@pytest.mark.parametrize("status", [400, 403, 404, 409, 422])
def test_a_refusal_is_not_repeated(site: Site, client: CanvasClient, status: int) -> None:
    site.api("x", in_json({"message": "Invalid role"}, status))
    with pytest.raises(PermanentError, match="Invalid role") as raised:
        client.get("x")
    assert (raised.value.code, len(site.asked)) == (f"canvas.{status}", 1)


def test_an_api_that_redirects_is_not_followed(site: Site, store: Site, client: CanvasClient) -> None:
    site.api("x", redirect(f"{store.url}/api/v1/x?verifier=secret", 301))
    with pytest.raises(ConfigError, match=store.url) as raised:
        client.get("x")
    assert "REPLICATE_CANVAS__BASE_URL" in raised.value.next_step
    assert store.asked == []


# Secrets


def test_the_token_is_in_no_text_of_the_client(client: CanvasClient) -> None:
    assert TOKEN not in f"{client!r} {client} {vars(client)}"


SIGNED = "a-signature-that-opens-the-file"
FAILURES = {
    "echoed": in_json({"errors": [{"message": f"{TOKEN} is not allowed"}]}, 400),
    "dead": in_json({"message": TOKEN}, 401, WWW_Authenticate="Bearer"),
    "gateway": reply(502, TOKEN),
    "hangs up": hangs_up,
    "chunks": broken_chunks,
    "not json": reply(200, TOKEN, Content_Type="text/html"),
    "broken json": reply(200, f'{{"token": "{TOKEN}', Content_Type=JSON),
    "redirect": redirect(f"https://elsewhere.example/?token={TOKEN}"),
    "throttled": reply(429, TOKEN, Retry_After="600"),
    "bad length": reply(200, TOKEN, Content_Encoding="gzip", Content_Type=JSON),
    "gone": in_json({"message": "gone"}, 404),
    "pages": in_json([], Link=f'<https://elsewhere.example/?token={TOKEN}>; rel="next"'),
}


@pytest.mark.parametrize("name", FAILURES)
def test_whatever_goes_wrong_the_token_is_nowhere(
    site: Site, connect: Callable[..., CanvasClient], caplog: pytest.LogCaptureFixture, name: str
) -> None:
    caplog.set_level(logging.DEBUG)
    site.api("x", FAILURES[name])
    calls: list[Callable[[CanvasClient], object]] = [lambda client: list(client.pages("x"))]
    if name != "pages":
        calls.append(lambda client: client.post("x", data={"a": "b"}))
    for call in calls:
        with pytest.raises(ReplicateError) as raised:
            call(connect(retry_policy=RetryPolicy(tries=2, first_pause_seconds=0.01)))
        # What Canvas itself echoed lies in variables; ours never hold the token.
        assert TOKEN not in everything(raised.value, variables=name in ("hangs up", "chunks", "gone"))
        assert "requests.exceptions" not in everything(raised.value)
    assert TOKEN not in caplog.text


def test_a_signed_link_gets_into_no_error_and_no_log(
    site: Site, store: Site, client: CanvasClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    site.on("/f", redirect(f"{store.url}/a?signature={SIGNED}"))
    for failure in (hangs_up, reply(403, SIGNED), reply(500, SIGNED), reply(400, SIGNED)):
        store.on("/a", failure)
        with pytest.raises(ReplicateError) as raised:
            client.download(f"{site.url}/f?verifier={SIGNED}", io.BytesIO())
        assert SIGNED not in everything(raised.value)
    assert SIGNED not in caplog.text

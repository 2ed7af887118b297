"""From a request to an answer: who asks, is there room in the bucket, what is to happen, and what goes wrong."""

from __future__ import annotations

import hmac
import time
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qs

from replicate_demo.canvas import answers
from replicate_demo.canvas.answers import Answer, Refused, build_refusal
from replicate_demo.canvas.parameters import Unreadable, read_parameters
from replicate_demo.canvas.reports import advance_reports
from replicate_demo.canvas.routes import route
from replicate_demo.canvas.sis_imports import advance_imports
from replicate_demo.canvas.site import Call, Site
from replicate_demo.canvas.state_file import Saved


@dataclass(frozen=True)
class Request:
    """``origin`` is http://host:port as the client wrote it; header names are in lower case."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    origin: str

    def read_header(self, name: str) -> str:
        return self.headers.get(name, "")


def answer_api(site: Site, saved: Saved | None, request: Request) -> Answer:
    if not request.read_header("user-agent").strip():
        return answers.answer_no_user_agent()
    refusal = _check_token(site, request)
    return refusal or _answer_within_bucket(site, saved, request)


def _check_token(site: Site, request: Request) -> Answer | None:
    """The word is exactly ``Bearer``; ``access_token`` in the query works too (fact sheet 5.2)."""
    kind, _, token = request.read_header("authorization").partition(" ")
    if kind != "Bearer":
        token = parse_qs(request.query).get("access_token", [""])[0]
    if not token:
        return answers.answer_no_token()
    known = hmac.compare_digest(token.strip().encode(), site.options.token.encode())
    if not known or site.faults.take("revoked_token", request.method, request.path):
        return answers.answer_bad_token()
    return None


def _answer_within_bucket(site: Site, saved: Saved | None, request: Request) -> Answer:
    clock = site.options.clock
    room = site.bucket.enter(clock())
    if site.faults.take("throttle", request.method, request.path) or not room:
        answer = answers.answer_throttled(site.options.throttle.status)
    else:
        answer = _answer_with_accidents(site, saved, request)
        answer.headers.append(("x-request-cost", str(site.options.throttle.request_cost)))
    # Lower case, as Canvas's cloud sends its headers since 2024 (fact sheet 5.1).
    answer.headers.append(("x-rate-limit-remaining", str(round(site.bucket.leave(clock()), 4))))
    return answer


def _answer_with_accidents(site: Site, saved: Saved | None, request: Request) -> Answer:
    method, path = request.method, request.path
    slow = site.faults.take("slow", method, path)
    if slow and slow.seconds:
        time.sleep(slow.seconds)
    if fault := site.faults.take("server_error", method, path):
        return answers.answer_server_error(fault.status)
    if site.faults.take("no_right", method, path):
        return answers.answer_no_right(site.options.no_right_status)
    answer = _execute(site, saved, request)
    if method == "GET":
        return answer
    if fault := site.faults.take("error_after_execution", method, path):
        return answers.answer_server_error(fault.status)
    if site.faults.take("reset_after_execution", method, path):
        answer.reset_after = 0
    return answer


def _execute(site: Site, saved: Saved | None, request: Request) -> Answer:
    with site.lock:
        now = site.options.clock()
        advance(site, now)
        try:
            answer = _handle(site, request, now)
            site.changed = site.changed or request.method != "GET"
        except Refused as refusal:
            answer = refusal.answer
        if saved is not None and site.changed:
            saved.write(site.state, site.imports, max(site.reports, default=0))
        site.changed = False
    return answer


def _handle(site: Site, request: Request, now: float) -> Answer:
    handler, ids = route(request.method, request.path)
    content_type = request.read_header("content-type")
    try:
        parameters, upload = read_parameters(request.query, request.body, content_type)
    except Unreadable as error:
        raise build_refusal(400, {"errors": [{"message": str(error)}]}) from None
    return handler(
        Call(
            site=site,
            path=request.path,
            query=request.query,
            origin=request.origin,
            now=now,
            ids=ids,
            parameters=parameters,
            upload=upload,
            body=request.body,
            content_type=content_type,
        )
    )


def advance(site: Site, now: float) -> None:
    """Let the jobs do what they would have done by now."""
    advance_reports(site, now)
    advance_imports(site, now)

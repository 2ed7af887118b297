"""What is sent back, and the bodies that Canvas has for each kind of refusal (fact sheet 5.2 to 5.5)."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field

TEXT = "text/plain; charset=utf-8"
HTML = "text/html; charset=utf-8"
JSON = "application/json; charset=utf-8"

REALM = ("www-authenticate", 'Bearer realm="canvas-lms"')
LOGIN_PAGE = "<!DOCTYPE html>\n<html><head><title>Log in to Canvas</title></head><body>Log In</body></html>\n"


@dataclass
class Answer:
    """``reset_after``: so many bytes of the body are sent, then the connection is reset (None: all of it).

    ``chunks`` with ``length`` is a body that is sent piece by piece, in place of ``body``.
    """

    status: int = 200
    body: bytes = b""
    content_type: str = JSON
    headers: list[tuple[str, str]] = field(default_factory=list)
    chunks: Iterable[bytes] | None = None
    length: int = 0
    reset_after: int | None = None


class Refused(Exception):
    """Ends the handling of a request with this answer."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


def answer_json(value: object, status: int = 200, headers: Iterable[tuple[str, str]] = ()) -> Answer:
    return Answer(status, json.dumps(value, ensure_ascii=False).encode(), JSON, list(headers))


def build_refusal(status: int, value: object) -> Refused:
    return Refused(answer_json(value, status))


def build_not_found() -> Refused:
    return build_refusal(404, {"errors": [{"message": "The specified resource does not exist."}]})


def build_message(text: str, status: int = 400) -> Refused:
    """The shape of enrollments, courses, sections and terms."""
    return build_refusal(status, {"message": text})


def build_invalid(name: str, text: str) -> Refused:
    """The shape of a model's validation."""
    return build_refusal(400, {"errors": {name: [{"attribute": name, "type": text, "message": text}]}})


def answer_bad_token() -> Answer:
    return answer_json({"errors": [{"message": "Invalid access token."}]}, 401, [REALM])


def answer_no_token() -> Answer:
    body = {"status": "unauthenticated", "errors": [{"message": "user authorization required"}]}
    return answer_json(body, 401, [REALM])


def answer_no_right(status: int) -> Answer:
    body = {"status": "unauthorized", "errors": [{"message": "user not authorized to perform that action"}]}
    return answer_json(body, status)


def answer_no_user_agent() -> Answer:
    """The sheet tells status and kind of the body; the sentence is ours."""
    return answer_json({"errors": [{"message": "A valid User-Agent header is required."}]}, 403)


def answer_throttled(status: int) -> Answer:
    """403 until autumn 2025, 429 since; the body changed with it (fact sheet 5.5)."""
    return Answer(status, f"{status} Forbidden (Rate Limit Exceeded)\n".encode(), TEXT)


def answer_server_error(status: int) -> Answer:
    """500 comes from Canvas, in JSON; 502, 503 and 504 from the edge, in HTML."""
    if status == 500:
        error = {"message": "An error occurred.", "error_code": "internal_server_error"}
        return answer_json({"errors": [error], "error_report_id": 123}, 500)
    return Answer(status, f"<html><body><h1>{status} error at the edge</h1></body></html>\n".encode(), HTML)


def answer_html(text: str) -> Answer:
    return Answer(200, text.encode(), HTML)


def redirect(location: str) -> Answer:
    return Answer(302, b"", HTML, [("location", location)])


def answer_xml_error(status: int, code: str, text: str) -> Answer:
    """How an object store refuses."""
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>{text}</Message></Error>'
    return Answer(status, body.encode(), "application/xml")

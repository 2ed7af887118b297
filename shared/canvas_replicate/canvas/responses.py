"""Canvas's answers and their meaning.

The Content-Type is checked before the body is read as JSON: throttling answers in plain text, the edge of the cloud in
HTML. Shapes of error bodies: canvas-api facts, 5.4.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, TypeAlias

from pydantic import SecretStr

from canvas_replicate.canvas.errors import CanvasThrottled, CanvasUnavailable, TokenRefused
from canvas_replicate.canvas.rate_limit import pause_for
from canvas_replicate.canvas.urls import Call, origin
from canvas_replicate.errors import ConfigError, PermanentError, ReplicateError

# What JSON can hold; who asks knows the shape, and checks it.
Json: TypeAlias = Any

_LIMIT_TEXT = b"Rate Limit Exceeded"
_MOST_CHARACTERS = 300
_MOST_DEPTH = 6
_NEXT_STEPS = {
    401: "Give the Canvas user of REPLICATE_CANVAS__TOKEN the right that it lacks.",
    403: "Give the Canvas user of REPLICATE_CANVAS__TOKEN the right that it lacks.",
}


@dataclass(frozen=True)
class Answer:
    """``headers`` are looked up without regard to case: Canvas's cloud sends them in lower case."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)

    @property
    def media_type(self) -> str:
        return media_type(self.headers)

    @property
    def is_throttled(self) -> bool:
        """429 since autumn 2025, before that 403 with a plain text; a 403 with JSON is a real refusal."""
        refused = self.status == 403 and _LIMIT_TEXT in self.body and not is_json(self.media_type)
        return self.status == 429 or refused

    def json(self, call: Call) -> Json:
        """None for an answer without a body. Raises CanvasUnavailable for a body that is not JSON."""
        if not self.body.strip():
            return None
        if not is_json(self.media_type):
            text = f"{call}: the answer is not JSON but {self.media_type or 'of no declared type'}."
            step = "If this persists, REPLICATE_CANVAS__BASE_URL is not Canvas, or a login page is in front of it."
            raise CanvasUnavailable(text, code="canvas.not_json", next_step=step, tries=3)
        with suppress(ValueError, RecursionError):
            return json.loads(self.body)
        # Not raised while the parser's own error is handled: that one holds the body.
        raise CanvasUnavailable(f"{call}: the JSON of the answer is broken.", code="canvas.not_json", tries=3)


def media_type(headers: Mapping[str, str]) -> str:
    return headers.get("content-type", "").partition(";")[0].strip().lower()


def is_json(kind: str) -> bool:
    return kind == "application/json" or (kind.startswith("application/") and "json" in kind)


def remaining(headers: Mapping[str, str]) -> float | None:
    """X-Rate-Limit-Remaining, which can be negative; None when it is missing or no number."""
    try:
        number = float(headers.get("x-rate-limit-remaining", ""))
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def retry_after(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """Seconds of Retry-After, as a number or as a date; None when it is missing or neither."""
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - (now or datetime.now(UTC))).total_seconds())


def refusal(answer: Answer, call: Call, token: SecretStr) -> ReplicateError | None:
    """The error that an answer means; None for a success."""
    status = answer.status
    if 200 <= status < 300:
        return None
    wait = retry_after(answer.headers)
    if answer.is_throttled:
        left = remaining(answer.headers)
        pause = wait if wait is not None else pause_for(left) if left is not None else 0.0
        return CanvasThrottled(f"{call}: throttled.", pause_seconds=pause)
    words = _read_words(answer, token)
    text = f"{call}: {status}{', ' + words if words else ''}".rstrip(".") + "."
    if status >= 500 or status == 408:
        return CanvasUnavailable(text, code=f"canvas.{status}", pause_seconds=wait or 0.0)
    if 300 <= status < 400:
        return _build_redirected(answer, call)
    if status == 401 and "www-authenticate" in answer.headers:
        # Without that header the token is good, and its user lacks a right.
        return TokenRefused(text, next_step="Make a new access token in Canvas and set REPLICATE_CANVAS__TOKEN.")
    return PermanentError(text, code=f"canvas.{status}", next_step=_NEXT_STEPS.get(status, ""))


def _build_redirected(answer: Answer, call: Call) -> ConfigError:
    """The API never redirects; a proxy does, for example from http to https. The new address never gets the token."""
    try:
        to = f"sends on to {origin(answer.headers.get('location', ''))}"
    except PermanentError:
        to = "sends on elsewhere"
    text = f"{call}: {answer.status}, {to}."
    return ConfigError(text, code="canvas.redirected", next_step="Set REPLICATE_CANVAS__BASE_URL to where Canvas is.")


def _read_words(answer: Answer, token: SecretStr) -> str:
    """Canvas's own words, on one line, bounded, without the token should it be echoed."""
    if not is_json(answer.media_type):
        return ""
    try:
        body = json.loads(answer.body)
    except (ValueError, RecursionError):
        return ""
    words = "; ".join(dict.fromkeys(_list_messages(body))) if isinstance(body, dict) else ""
    words = " ".join(words.split()).replace(token.get_secret_value(), "***")
    words = "".join(character for character in words if character.isprintable())
    return words if len(words) <= _MOST_CHARACTERS else words[:_MOST_CHARACTERS] + "..."


def _list_messages(body: Mapping[str, Any]) -> Iterator[str]:
    for name in ("message", "errors", "error"):
        yield from _list_texts(body.get(name), "", _MOST_DEPTH)
    if report := body.get("error_report_id"):
        yield f"error report {report}"


def _list_texts(value: object, field: str, depth: int) -> Iterator[str]:
    if depth == 0:
        return
    match value:
        case str():
            yield f"{field}: {value}" if field else value
        case list():
            for each in value:
                yield from _list_texts(each, field, depth - 1)
        case {"message": str(text)}:
            yield f"{field}: {text}" if field else text
        case dict():
            for name, each in value.items():
                yield from _list_texts(each, name, depth - 1)

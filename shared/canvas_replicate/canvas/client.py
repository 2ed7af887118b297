"""The client of the Canvas API: rate limit, retries, timeouts and errors of every call."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, nullcontext
from dataclasses import replace
from typing import Any, BinaryIO, TypeAlias, TypedDict, TypeVar, Unpack
from urllib.parse import urlsplit

import requests
from pydantic import SecretStr

from canvas_replicate import __version__
from canvas_replicate.canvas import downloads, metrics, paging, transport
from canvas_replicate.canvas.downloads import Download
from canvas_replicate.canvas.errors import CanvasThrottled, CanvasUnavailable
from canvas_replicate.canvas.rate_limit import RateLimiter
from canvas_replicate.canvas.responses import Answer, Json, media_type, refusal, remaining, retry_after
from canvas_replicate.canvas.retry import RetryPolicy, call_with_retry
from canvas_replicate.canvas.urls import API, Call, add_query, endpoint, list_pairs, origin
from canvas_replicate.config.settings import CanvasSettings
from canvas_replicate.errors import ConfigError, Interrupted, PermanentError

T = TypeVar("T")

_JSON = {"Accept": "application/json", "Accept-Encoding": "gzip"}

log = logging.getLogger(__name__)

# File name, content (read whole into memory), media type.
FilePart: TypeAlias = tuple[str, bytes | BinaryIO, str]


class Body(TypedDict, total=False):
    """The content of a call: ``params`` in the query; ``json``, or ``data`` as a form, with ``files`` as multipart."""

    params: Mapping[str, object]
    json: Json
    data: Mapping[str, object]
    files: Mapping[str, FilePart]


class CanvasClient:
    """Thread-safe; share one per token, because the rate limit belongs to the token.

    base_url: as in REPLICATE_CANVAS__BASE_URL, without ``/api/v1``.
    user_agent: names the program and a contact; Canvas refuses calls without one.
    stop: when set, every wait ends with Interrupted.

    Every call raises TokenRefused, PermanentError with code ``canvas.<status>`` (the message has Canvas's text),
    TransientError after the last retry or at the deadline, Interrupted.
    """

    def __init__(
        self,
        base_url: str,
        token: SecretStr,
        *,
        user_agent: str,
        rate_limiter: RateLimiter | None = None,
        retry_policy: RetryPolicy | None = None,
        stop: threading.Event | None = None,
    ) -> None:
        """Raises ConfigError for an address, a token or a name that cannot be sent; connects to nothing yet."""
        self._base_url = base_url.rstrip("/")
        self._origin = _read_origin(base_url)
        self._host = urlsplit(base_url).netloc
        self._token = _require_token(token)
        self._headers = {"User-Agent": _require_name(user_agent)}
        self._rate_limiter = rate_limiter or RateLimiter()
        self._retry_policy = retry_policy or RetryPolicy()
        self._stop = stop or threading.Event()
        self._session = transport.open_session(self._rate_limiter.concurrency.most)

    def __repr__(self) -> str:
        return f"CanvasClient({self._host})"

    def close(self) -> None:
        self._session.close()

    def get(self, path: str, **params: object) -> Json:
        """``path`` below ``/api/v1/``, best made by api_path. Lists become ``name[]=``, dicts ``name[key]=``."""
        return self._call("GET", path, params=params, idempotent=True)

    def pages(self, path: str, *, key: str | None = None, **params: object) -> Iterator[dict[str, Any]]:
        """The objects of a list, page after page, each read when it is needed.

        key: where the list is in the answer, such as ``enrollment_terms``; without it the answer is the list.
        """
        call = Call("GET", endpoint(path), self._host)
        url = self._build_url(path, {"per_page": paging.PER_PAGE, **params})
        return paging.items(lambda page: self._fetch(call, page, idempotent=True), url, key, call)

    def post(self, path: str, *, idempotent: bool = False, **body: Unpack[Body]) -> Json:
        """A throttled call is always retried, because Canvas did not execute it. A call without an answer or with a
        5xx is retried only if it is idempotent; otherwise it raises CanvasOutcomeUnknown.
        """
        return self._call("POST", path, idempotent=idempotent, **body)

    def put(self, path: str, *, idempotent: bool = False, **body: Unpack[Body]) -> Json:
        """As ``post``."""
        return self._call("PUT", path, idempotent=idempotent, **body)

    def delete(self, path: str, *, idempotent: bool = False, **body: Unpack[Body]) -> Json:
        """As ``post``. Prefer ``params``: the body of a DELETE has no defined meaning (RFC 9110, 9.3.5) and may get
        lost, and without ``task=delete`` Canvas concludes an enrollment.

        A retry after a lost answer may raise ``canvas.404`` for an object that is deleted by then; the caller decides.
        """
        return self._call("DELETE", path, idempotent=idempotent, **body)

    def download(self, url: str, to: BinaryIO, *, expected_bytes: int | None = None) -> Download:
        """Write the file behind an attachment's ``url``, in bounded memory. ``expected_bytes``: the attachment's size.

        The way to the file is retried; the file itself never is, for ``to`` may hold a part of it then: begin again
        with an empty one and, after LinkExpired, with a fresh ``url``. A web page in place of a file is refused.
        """
        call = Call("GET", "download", self._host)
        if not url:
            text = f"{call}: the file is locked for this Canvas user: it has no link."
            raise PermanentError(text, code="canvas.locked")
        until = time.monotonic() + self._retry_policy.download_seconds
        with closing(self._call_with_retry(lambda: self._follow_redirects(call, url, until), True, until)) as response:
            call = _move_to_host(call, response.url)
            downloads.check_is_file(response.headers, call)
            body = _raise_if_stopped(transport.chunks(response, until, call), self._stop)
            return downloads.save(body, media_type(response.headers), to, expected_bytes, call)

    def _call(self, method: str, path: str, *, idempotent: bool, **body: Unpack[Body]) -> Json:
        json, data, files = body.get("json"), body.get("data"), body.get("files")
        if json is not None and (data is not None or files is not None):
            raise ValueError("a body is JSON or a form, not both")
        form = None if data is None else list(list_pairs(data))
        url = self._build_url(path, body.get("params", {}))
        call = Call(method, endpoint(path), self._host)
        return self._fetch(call, url, idempotent=idempotent, json=json, data=form, files=files)[0]

    def _build_url(self, path: str, params: Mapping[str, object]) -> str:
        if set(path) & set("?#\\") or ".." in path.split("/"):
            raise ValueError("a path holds no query; make it with api_path, and give parameters apart")
        return add_query(f"{self._base_url}{API}{path.strip('/')}", params)

    def _fetch(self, call: Call, url: str, *, idempotent: bool, **body: Any) -> tuple[Json, Mapping[str, str]]:
        """The JSON and the headers of a successful answer."""
        until = time.monotonic() + self._retry_policy.call_seconds
        request = self._build_request(call, url, _JSON, **body)

        def attempt() -> tuple[Json, Mapping[str, str]]:
            answer = self._send_and_check(call, request, until)
            return answer.json(call), answer.headers

        return self._call_with_retry(attempt, idempotent, until)

    def _call_with_retry(self, attempt: Callable[[], T], idempotent: bool, until: float) -> T:
        return call_with_retry(attempt, idempotent=idempotent, policy=self._retry_policy, until=until, stop=self._stop)

    def _send_and_check(self, call: Call, request: requests.PreparedRequest, until: float) -> Answer:
        with self._rate_limiter.slot(until, self._stop), closing(self._send(call, request, until)) as response:
            return self._check(call, response, until)

    def _build_request(self, call: Call, url: str, headers: Mapping[str, str], **body: Any) -> requests.PreparedRequest:
        """The only place that adds the token, and only for Canvas itself."""
        is_canvas = origin(url) == self._origin
        request = transport.prepared(call.method, url, {**self._headers, **headers}, call, **body)
        if is_canvas:
            request.headers["Authorization"] = f"Bearer {self._token.get_secret_value()}"
        return request

    def _send(self, call: Call, request: requests.PreparedRequest, until: float) -> requests.Response:
        status, cost, begun = "lost", None, time.monotonic()
        try:
            response = transport.send(self._session, request, self._retry_policy.get_timeouts(until), call)
            status, cost = str(response.status_code), response.headers.get("x-request-cost")
            return response
        finally:
            metrics.requests.labels(call.method, call.endpoint, status).inc()
            seconds = round(time.monotonic() - begun, 3)
            log.debug("canvas call", extra={"call": str(call), "status": status, "seconds": seconds, "cost": cost})

    def _check(self, call: Call, response: requests.Response, until: float) -> Answer:
        """Return a successful answer; raise the error of any other."""
        read = transport.whole if 200 <= response.status_code < 300 else transport.beginning
        answer = Answer(response.status_code, response.headers, read(response, until, call))
        error = refusal(answer, call, self._token)
        self._notice(answer.headers, error)
        if error is not None:
            raise error
        return answer

    def _notice(self, headers: Mapping[str, str], error: Exception | None) -> None:
        """Report an answer to the rate limiter. An error of the edge of the cloud has no information about the rate."""
        left = remaining(headers)
        if left is not None:
            metrics.rate_limit_remaining.set(left)
        if isinstance(error, CanvasThrottled):
            metrics.throttled.inc()
            self._rate_limiter.record_throttle(error.pause_seconds)
        elif left is not None or not isinstance(error, CanvasUnavailable):
            self._rate_limiter.record_answer(left)

    def _follow_redirects(self, call: Call, url: str, until: float) -> requests.Response:
        """The answer that holds the file, its body unread; the caller closes it."""
        for _ in range(downloads.MOST_REDIRECTS + 1):
            response = self._follow_once(call, url, until)
            if response.status_code not in downloads.REDIRECTS:
                return response
            response.close()
            url = downloads.find_redirect_target(url, response.headers.get("location", ""), call)
        text = f"{call}: more than {downloads.MOST_REDIRECTS} redirects."
        raise PermanentError(text, code="canvas.redirect")

    def _follow_once(self, call: Call, url: str, until: float) -> requests.Response:
        """One step of a download: a redirect, or the file. Only steps at Canvas count for the rate limit."""
        is_canvas = origin(url) == self._origin
        call = _move_to_host(call, url)
        request = self._build_request(call, url, {"Accept": "*/*"})
        with self._rate_limiter.slot(until, self._stop) if is_canvas else nullcontext():
            response = self._send(call, request, until)
            if response.status_code == 200 or response.status_code in downloads.REDIRECTS:
                if is_canvas:
                    self._notice(response.headers, None)
                return response
            with closing(response):
                if is_canvas:
                    self._check(call, response, until)
                raise downloads.store_refusal(response.status_code, call, retry_after(response.headers) or 0)


def _raise_if_stopped(body: Iterator[bytes], stop: threading.Event) -> Iterator[bytes]:
    for chunk in body:
        if stop.is_set():
            raise Interrupted("Stopped while a file was fetched from Canvas.")
        yield chunk


def _move_to_host(call: Call, url: str) -> Call:
    return replace(call, host=urlsplit(url).netloc)


def _read_origin(base_url: str) -> str:
    try:
        return origin(base_url)
    except PermanentError as error:
        text = "REPLICATE_CANVAS__BASE_URL is no web address."
        raise ConfigError(text, next_step="Write https://canvas.example.edu.") from error


def _require_token(token: SecretStr) -> SecretStr:
    text = token.get_secret_value()
    if not text or not all("!" <= character <= "~" for character in text):
        text = "REPLICATE_CANVAS__TOKEN is empty, or has blanks or other characters that no Canvas token has."
        raise ConfigError(text, next_step="Set it to the token alone, without `Bearer` and without a line end.")
    return token


def _require_name(user_agent: str) -> str:
    if not user_agent.strip() or not (user_agent.isascii() and user_agent.isprintable()):
        raise ConfigError("The User-Agent for Canvas must be a text of plain printable characters.")
    return user_agent.strip()


def open_canvas(canvas: CanvasSettings, stop: threading.Event) -> CanvasClient:
    """Raises ConfigError where no Canvas is configured; connects to nothing yet."""
    if canvas.base_url is None or canvas.token is None:
        step = "Set REPLICATE_CANVAS__BASE_URL and REPLICATE_CANVAS__TOKEN."
        raise ConfigError("Canvas is not configured.", code="canvas.settings", next_step=step)
    return CanvasClient(canvas.base_url, canvas.token, user_agent=f"canvas-replicate/{__version__}", stop=stop)

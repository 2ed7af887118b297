"""HTTP through requests: one request sent, one body read. Keeps connections, follows nothing, remembers no cookie.

requests' Session.request and send are gone round: they would put a login out of ~/.netrc in place of the token, and
read the body of a redirect whole. Proxies and certificates still come from the environment (HTTPS_PROXY, NO_PROXY,
REQUESTS_CA_BUNDLE).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping
from typing import Any

import requests
from requests.adapters import HTTPAdapter

from canvas_replicate.canvas.errors import HTTP_ERRORS, CanvasUnavailable, translated
from canvas_replicate.canvas.urls import Call
from canvas_replicate.errors import PermanentError, ReplicateError

_CHUNK_BYTES = 256 * 1024
_MOST_BYTES = 64 * 1024 * 1024
_ERROR_BYTES = 64 * 1024

# Below this level it logs addresses with their signatures.
logging.getLogger("urllib3").setLevel(logging.ERROR)


def open_session(connections: int) -> requests.Session:
    """Thread-safe as far as this module uses it: the pools of connections are, and nothing else changes."""
    session = requests.Session()
    for scheme in ("http://", "https://"):
        session.mount(scheme, HTTPAdapter(pool_maxsize=connections, max_retries=0))
    return session


def prepared(method: str, url: str, headers: Mapping[str, str], call: Call, **body: Any) -> requests.PreparedRequest:
    """A request that can be sent several times, because its body is bytes. ``url`` is not changed."""
    failure: ReplicateError
    try:
        request = requests.Request(method, url, headers=dict(headers), **body).prepare()
        if url.isascii():
            request.url = url  # requests would turn %2E into a dot
        return request
    except HTTP_ERRORS as error:
        failure = translated(error, call)
    raise failure


def send(
    session: requests.Session, request: requests.PreparedRequest, timeouts: tuple[float, float], call: Call
) -> requests.Response:
    """The answer with its body still to be read; the caller closes it."""
    failure: ReplicateError
    try:
        settings: Mapping[str, Any] = session.merge_environment_settings(
            request.url, {}, stream=True, verify=None, cert=None
        )
        return session.get_adapter(str(request.url)).send(request, timeout=timeouts, **settings)
    except HTTP_ERRORS as error:
        failure = translated(error, call)
    # Raised here, so that what requests raised is not its context.
    raise failure


def chunks(response: requests.Response, until: float, call: Call) -> Iterator[bytes]:
    """The body as it comes, at most 256 KB at a time, decompressed. Raises CanvasUnavailable when it ends short of its
    Content-Length, when it breaks, or when ``until`` (time.monotonic) has passed."""
    while chunk := _read_chunk(response, call):
        yield chunk
        if time.monotonic() > until and not response.raw.closed:  # an answer that is whole counts, even if late
            raise CanvasUnavailable(f"{call}: the answer took too long.", code="canvas.slow")


def whole(response: requests.Response, until: float, call: Call) -> bytes:
    """Raises PermanentError for a body of more than 64 MB."""
    body = bytearray()
    for chunk in chunks(response, until, call):
        body += chunk
        if len(body) > _MOST_BYTES:
            text = f"{call}: the answer is longer than {_MOST_BYTES:,} bytes."
            raise PermanentError(text, code="canvas.too_long", next_step="Ask for it in smaller portions.")
    return bytes(body)


def beginning(response: requests.Response, until: float, call: Call) -> bytes:
    """At least the first 64 KB, or all: enough of an error."""
    body = bytearray()
    for chunk in chunks(response, until, call):
        body += chunk
        if len(body) >= _ERROR_BYTES:
            break
    return bytes(body)


def _read_chunk(response: requests.Response, call: Call) -> bytes:
    failure: ReplicateError
    try:
        # read1 returns what is there: a body that drips cannot hold us until a whole chunk is full.
        return response.raw.read1(_CHUNK_BYTES, decode_content=True) or b""
    except HTTP_ERRORS as error:
        failure = translated(error, call)
    raise failure

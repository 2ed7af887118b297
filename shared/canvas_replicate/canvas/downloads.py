"""Files out of Canvas. The link leads, by redirects, to a file store on another host, where the token must not go."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import BinaryIO
from urllib.parse import urlsplit

from canvas_replicate.canvas.errors import CanvasUnavailable, LinkExpired
from canvas_replicate.canvas.responses import media_type
from canvas_replicate.canvas.urls import Call, join_url
from canvas_replicate.errors import PermanentError, ReplicateError, TransientError

MOST_REDIRECTS = 5
REDIRECTS = (301, 302, 303, 307, 308)
# S3 answers 403 to a link past its time, InstFS 401 or 404.
_EXPIRED = (401, 403, 404, 410)
_AGAIN = "Read the report again for a fresh link, and begin again with an empty file."


@dataclass(frozen=True)
class Download:
    """``bytes`` and ``sha256`` of the written file."""

    bytes: int
    sha256: str
    content_type: str


def find_redirect_target(url: str, location: str, call: Call) -> str:
    """Raises PermanentError for a redirect that leads nowhere, or from https to http."""
    target = join_url(url, location) if location else ""
    if not target:
        raise PermanentError(f"{call}: a redirect without an address.", code="canvas.redirect")
    if urlsplit(url).scheme == "https" and urlsplit(target).scheme != "https":
        raise PermanentError(f"{call}: a redirect away from https is not followed.", code="canvas.redirect")
    return target


def store_refusal(status: int, call: Call, pause_seconds: float) -> ReplicateError:
    """Build the error for a file store's answer, without its body: XML or HTML that may repeat the signed link."""
    if status in _EXPIRED:
        return LinkExpired(f"{call}: {status}, the file store no longer takes this link.", next_step=_AGAIN)
    if status >= 500 or status in (408, 429):
        text = f"{call}: the file store answered {status}."
        return CanvasUnavailable(text, code=f"canvas.{status}", pause_seconds=pause_seconds)
    return PermanentError(f"{call}: the file store answered {status}.", code=f"canvas.{status}")


def check_is_file(headers: Mapping[str, str], call: Call) -> None:
    """Raises TransientError for a web page in place of the file: an edge or a maintenance page answers so with 200."""
    if media_type(headers) in ("text/html", "application/xhtml+xml"):
        raise TransientError(f"{call}: this is a web page and not a file.", code="canvas.html", next_step=_AGAIN)


def save(body: Iterable[bytes], content_type: str, to: BinaryIO, expected_bytes: int | None, call: Call) -> Download:
    """Raises TransientError as soon as the file is longer, and at its end if it is shorter, than expected."""
    digest, size = hashlib.sha256(), 0
    for chunk in body:
        size += len(chunk)
        if expected_bytes is not None and size > expected_bytes:
            break
        digest.update(chunk)
        to.write(chunk)
    if expected_bytes is not None and size != expected_bytes:
        found = "more" if size > expected_bytes else f"{size:,}"
        text = f"{call}: the file has {found} bytes, and Canvas announced {expected_bytes:,}."
        raise TransientError(text, code="canvas.size", next_step=_AGAIN)
    return Download(size, digest.hexdigest(), content_type)

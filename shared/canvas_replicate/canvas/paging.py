"""Paged lists of Canvas: follows the ``Link`` header's rel="next" unchanged until there is none."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from requests.utils import parse_header_links

from canvas_replicate.canvas.responses import Json
from canvas_replicate.canvas.urls import Call, join_url, origin
from canvas_replicate.errors import PermanentError

PER_PAGE = 100
# Canvas keeps the Link header under 6 KB and leaves links out for that: without `next` a list would only look
# complete. `next` repeats the query, so a short query always leaves room for it.
_LONGEST_URL = 4000

Fetch = Callable[[str], tuple[Json, Mapping[str, str]]]


def items(fetch: Fetch, url: str, key: str | None, call: Call) -> Iterator[dict[str, Any]]:
    """The objects of all pages. Pages are no snapshot: an object that moved to the next one meanwhile, by its ``id``,
    is yielded once."""
    if len(url) > _LONGEST_URL:
        text = f"{call}: with {len(url)} characters the address is too long for a list in pages."
        raise PermanentError(text, code="canvas.long_query", next_step="Ask for fewer ids at a time.")
    seen: set[object] = set()
    been: set[str] = set()
    following: str | None = url
    while following:
        if following in been:
            raise PermanentError(f"{call}: the pages of this list go round in a circle.", code="canvas.pages")
        been.add(following)
        body, headers = fetch(following)
        for item in _read_objects(body, key, call):
            identity = item.get("id")
            if identity is None or identity not in seen:
                yield item
            if identity is not None:
                seen.add(identity)
        following = next_page(following, headers.get("link", ""), call)


def next_page(url: str, link: str, call: Call) -> str | None:
    """Where rel="next" leads, or None. Raises PermanentError for another origin: the token must not go there."""
    for each in parse_header_links(link):
        if "next" in each.get("rel", "").lower().split():
            following = join_url(url, each["url"])
            if origin(following) != origin(url):
                text = f"{call}: the next page would be at {origin(following)}."
                step = "Set REPLICATE_CANVAS__BASE_URL to the address that Canvas gives to itself."
                raise PermanentError(text, code="canvas.pages", next_step=step)
            return following
    return None


def _read_objects(body: Json, key: str | None, call: Call) -> list[dict[str, Any]]:
    found = body.get(key) if key is not None and isinstance(body, dict) else body
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        wanted = f"a list under {key!r}" if key else "a list"
        raise PermanentError(f"{call}: the answer is not {wanted} of objects.", code="canvas.shape")
    return found

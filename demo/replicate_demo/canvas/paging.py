"""Lists in pages, linked by the Link header (fact sheet 5.1)."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from typing import Any, TypeVar
from urllib.parse import parse_qsl, urlencode

from replicate_demo.canvas.answers import Answer, answer_json
from replicate_demo.canvas.site import Call

T = TypeVar("T")

MOST_PER_PAGE = 100
LONGEST_LINKS = 6 * 1024  # bytes
_KEPT_FIRST = ("next", "last", "prev", "current", "first")
_PRINTED = ("current", "next", "prev", "first", "last")


def answer_page(call: Call, items: Sequence[T], shown: Callable[[T], Any], wrapper: str | None = None) -> Answer:
    """One page by number; past the end it is empty. ``wrapper``: the key around the list, for terms and imports."""
    size = _read_page_size(call)
    page = max(1, _read_number(call.parameters.get("page"), 1))
    last = max(1, -(-len(items) // size))
    pages = {"current": page, "first": 1, "last": last}
    if page < last:
        pages["next"] = page + 1
    if page > 1:
        pages["prev"] = page - 1
    part = [shown(item) for item in items[(page - 1) * size : page * size]]
    links = {rel: str(number) for rel, number in pages.items()}
    return answer_json({wrapper: part} if wrapper else part, headers=_build_link_header(call, links, size))


def answer_after_bookmark(
    call: Call, items: Sequence[T], key: Callable[[T], list[Any]], shown: Callable[[T], Any]
) -> Answer:
    """One page after a bookmark, which is the key of the last item seen; there is no ``last``."""
    size = _read_page_size(call)
    given = str(call.parameters.get("page", "first"))
    after = _read_bookmark(given)
    rest = sorted((item for item in items if after is None or key(item) > after), key=key)
    part = rest[:size]
    links = {"current": given if after is not None else "first", "first": "first"}
    if len(rest) > size:
        links["next"] = _write_bookmark(key(part[-1]))
    return answer_json([shown(item) for item in part], headers=_build_link_header(call, links, size))


def _write_bookmark(key: list[Any]) -> str:
    return "bookmark:" + base64.urlsafe_b64encode(json.dumps(key).encode()).decode()


def _read_bookmark(page: str) -> list[Any] | None:
    """None starts over: so does Canvas with a bookmark that it cannot read."""
    kind, _, text = page.partition(":")
    if kind != "bookmark":
        return None
    try:
        found = json.loads(base64.urlsafe_b64decode(text))
    except (binascii.Error, ValueError):
        return None
    readable = isinstance(found, list) and [type(each) for each in found] == [str, str, int]
    return found if readable else None


def _read_page_size(call: Call) -> int:
    return min(MOST_PER_PAGE, max(1, _read_number(call.parameters.get("per_page"), 10)))


def _read_number(value: object, otherwise: int) -> int:
    try:
        return int(str(value))
    except ValueError:
        return otherwise


def _build_link_header(call: Call, pages: dict[str, str], size: int) -> list[tuple[str, str]]:
    """What does not fit into 6 KB is left out, ``next`` last of all."""
    written = {rel: f'<{_build_page_url(call, page, size)}>; rel="{rel}"' for rel, page in pages.items()}
    kept: dict[str, str] = {}
    for rel in _KEPT_FIRST:
        if rel in written and sum(map(len, kept.values())) + len(written[rel]) + len(kept) <= LONGEST_LINKS:
            kept[rel] = written[rel]
    return [("link", ",".join(kept[rel] for rel in _PRINTED if rel in kept))] if kept else []


def _build_page_url(call: Call, page: str, size: int) -> str:
    """The query comes back, but never a token."""
    pairs = [(name, value) for name, value in parse_qsl(call.query, keep_blank_values=True)]
    kept = [pair for pair in pairs if pair[0] not in ("page", "per_page", "access_token")]
    return f"{call.origin}{call.path}?{urlencode([*kept, ('page', page), ('per_page', str(size))])}"

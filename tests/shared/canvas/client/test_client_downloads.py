"""Files that the Canvas client fetches."""

from __future__ import annotations

import hashlib
import io
import threading
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest
from tests.shared.canvas.client.canvas_site import (
    AGENT,
    BAD_GATEWAY,
    FILE,
    THROTTLED_NOW,
    TOKEN,
    Handler,
    Site,
    cut_short,
    in_json,
    redirect,
    reply,
)

from canvas_replicate.canvas import CanvasClient, LinkExpired
from canvas_replicate.errors import Interrupted, PermanentError, TransientError


def test_a_file_is_fetched_from_its_store_without_the_token(site: Site, store: Site, client: CanvasClient) -> None:
    site.on("/files/977/download", redirect("/files/977/elsewhere?verifier=v"))
    site.on("/files/977/elsewhere?verifier=v", redirect(f"{store.url}/a.csv?signature=s"))
    store.on("/a.csv?signature=s", reply(200, FILE, Content_Type="text/csv; charset=utf-8"))
    to = io.BytesIO()
    got = client.download(f"{site.url}/files/977/download?download_frd=1&verifier=v", to, expected_bytes=len(FILE))
    assert to.getvalue() == FILE
    assert (got.bytes, got.sha256, got.content_type) == (len(FILE), hashlib.sha256(FILE).hexdigest(), "text/csv")
    assert [asked.headers.get("authorization") for asked in site.asked] == [f"Bearer {TOKEN}"] * 2
    assert [asked.headers.get("authorization") for asked in store.asked] == [None]
    assert store.asked[0].headers["user-agent"] == AGENT


def test_a_way_back_to_canvas_carries_the_token_again(site: Site, store: Site, client: CanvasClient) -> None:
    store.on("/1", redirect(f"{site.url}/2"))
    site.on("/2", reply(200, b"x", Content_Type="text/csv"))
    assert client.download(f"{store.url}/1", io.BytesIO()).bytes == 1
    assert "authorization" not in store.asked[0].headers


def test_a_web_page_in_place_of_a_file_may_be_over_later_and_is_not_written(site: Site, client: CanvasClient) -> None:
    site.on("/accounts/1/files/977/download", redirect("/login"))
    site.on("/login", reply(200, "<html>log in</html>", Content_Type="text/html; charset=utf-8"))
    to = io.BytesIO()
    with pytest.raises(TransientError, match="web page") as raised:
        client.download(f"{site.url}/accounts/1/files/977/download", to)
    assert (raised.value.code, to.getvalue()) == ("canvas.html", b"")
    assert "fresh link" in raised.value.next_step


def test_a_locked_file_has_no_link(client: CanvasClient) -> None:
    with pytest.raises(PermanentError, match="locked"):
        client.download("", io.BytesIO())


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_link_past_its_time_wants_a_fresh_one(site: Site, store: Site, client: CanvasClient, status: int) -> None:
    site.on("/f", redirect(f"{store.url}/a?signature=s"))
    store.on("/a", reply(status, "<Error><Message>Request has expired: s</Message></Error>"))
    with pytest.raises(LinkExpired, match=str(status)) as raised:
        client.download(f"{site.url}/f", io.BytesIO())
    assert store.url.removeprefix("http://") in raised.value.message
    assert len(store.asked) == 1


def test_a_missing_file_at_canvas_itself_is_no_expired_link(site: Site, client: CanvasClient) -> None:
    site.on("/f", in_json({"errors": [{"message": "gone"}]}, 404))
    with pytest.raises(PermanentError, match="gone") as raised:
        client.download(f"{site.url}/f", io.BytesIO())
    assert raised.value.code == "canvas.404"


def test_a_file_that_ends_short_is_refused(site: Site, client: CanvasClient) -> None:
    site.on("/f", cut_short("text/csv", FILE[:100], len(FILE)))
    with pytest.raises(TransientError):
        client.download(f"{site.url}/f", io.BytesIO())
    assert len(site.asked) == 1


@pytest.mark.parametrize("wrong", [-1, 1])
def test_a_file_of_another_size_than_canvas_announced_is_refused(site: Site, client: CanvasClient, wrong: int) -> None:
    site.on("/f", reply(200, FILE, Content_Type="text/csv"))
    to = io.BytesIO()
    with pytest.raises(TransientError, match="announced") as raised:
        client.download(f"{site.url}/f", to, expected_bytes=len(FILE) + wrong)
    assert raised.value.code == "canvas.size"
    assert len(to.getvalue()) <= len(FILE)


def test_the_way_to_a_file_outlives_what_may_pass(site: Site, store: Site, client: CanvasClient) -> None:
    site.on("/f", THROTTLED_NOW, BAD_GATEWAY, redirect(f"{store.url}/a"))
    store.on("/a", reply(503), reply(200, FILE, Content_Type="text/csv"))
    assert client.download(f"{site.url}/f", io.BytesIO()).bytes == len(FILE)


def test_redirects_without_end_are_refused(site: Site, client: CanvasClient) -> None:
    site.on("/f", redirect("/f"))
    with pytest.raises(PermanentError, match="more than 5 redirects"):
        client.download(f"{site.url}/f", io.BytesIO())
    assert len(site.asked) == 6


def test_a_large_file_is_never_held_whole(site: Site, client: CanvasClient) -> None:
    block, count = b"x" * 65536, 512

    def large(handler: Handler) -> None:
        handler.begin(200, {"Content-Type": "text/csv", "Content-Length": str(len(block) * count)})
        for _ in range(count):
            handler.wfile.write(block)

    class Nowhere(io.RawIOBase):
        def write(self, chunk: Any) -> int:
            return len(chunk)

    site.on("/f", large)
    tracemalloc.start()
    try:
        got = client.download(f"{site.url}/f", Nowhere())  # type: ignore[arg-type]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert got.bytes == len(block) * count
    assert peak < 4 * 1024 * 1024


def test_a_stop_ends_a_download(site: Site, connect: Callable[..., CanvasClient]) -> None:
    stop = threading.Event()

    def endless(handler: Handler) -> None:
        handler.begin(200, {"Content-Type": "text/csv", "Content-Length": str(10**9)})
        handler.wfile.write(b"x")
        stop.set()
        while not site.closing.wait(0.02):
            handler.wfile.write(b"x")

    site.on("/f", endless)
    with pytest.raises(Interrupted):
        connect(stop=stop).download(f"{site.url}/f", io.BytesIO())

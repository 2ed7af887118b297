"""The simulator's files: links, the store behind them, and who gets a login page."""

from __future__ import annotations

from urllib.parse import urlsplit

import requests
from tests.demo.canvas_client import Client, ManualClock, Opened


def test_a_file_is_redirected_to_another_origin(client: Client) -> None:
    url = client.finished(users=1)["attachment"]["url"]
    first = requests.get(url, allow_redirects=False, timeout=10)
    assert first.status_code == 302
    assert urlsplit(first.headers["Location"]).netloc != urlsplit(url).netloc
    assert client.download(url).text.startswith("canvas_user_id,")
    store = client.canvas.requests[-1]
    assert (store.server, store.status) == ("store", 200)
    assert "authorization" not in store.headers


def test_the_store_refuses_a_request_that_carries_the_token(client: Client) -> None:
    url = client.finished(users=1)["attachment"]["url"]
    target = client.session.get(url, allow_redirects=False, timeout=10).headers["Location"]
    answer = client.session.get(target, timeout=10)
    assert answer.status_code == 400
    assert answer.headers["Content-Type"] == "application/xml"


def test_a_link_of_the_store_expires_and_a_fresh_one_is_good(opened: Opened, clock: ManualClock) -> None:
    client = opened(link_seconds=60, clock=clock)
    url = client.finished(users=1)["attachment"]["url"]
    target = client.session.get(url, allow_redirects=False, timeout=10).headers["Location"]
    assert requests.get(target, timeout=10).status_code == 200
    clock.now += 60
    expired = requests.get(target, timeout=10)
    assert (expired.status_code, expired.headers["Content-Type"]) == (403, "application/xml")
    assert client.download(url).status_code == 200


def test_a_changed_signature_is_refused_by_the_store(client: Client) -> None:
    url = client.finished(users=1)["attachment"]["url"]
    target = client.session.get(url, allow_redirects=False, timeout=10).headers["Location"]
    assert requests.get(target.replace("expires=", "expires=9"), timeout=10).status_code == 403


def test_file_url_is_a_login_page_for_a_token(client: Client) -> None:
    file_url = client.finished(users=1)["file_url"]
    page = client.session.get(file_url, timeout=10)
    assert (page.status_code, page.history[0].status_code) == (200, 302)
    assert page.headers["Content-Type"].startswith("text/html")
    assert client.session.get(file_url, headers={"Accept": "application/json"}, timeout=10).status_code == 401


def test_a_wrong_verifier_opens_nothing(client: Client) -> None:
    url = client.finished(users=1)["attachment"]["url"]
    assert client.session.get(f"{url}0", timeout=10).text.startswith("<!DOCTYPE html>")

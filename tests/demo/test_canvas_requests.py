"""The simulator's answers to any request: who asks, how often, and how much of a list."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

import pytest
import requests
from tests.demo.canvas_client import NOT_FOUND, REPORTS, TOKEN, Client, ManualClock, Opened

from replicate_demo.canvas import ThrottleLimits

# --- Who asks, and how often ----------------------------------------------------------------------------------------


def test_a_request_without_a_token_is_told_to_authenticate(client: Client) -> None:
    answer = client("GET", "accounts/self/terms", headers={"Authorization": None})
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="canvas-lms"'
    assert answer.json() == {"status": "unauthenticated", "errors": [{"message": "user authorization required"}]}


@pytest.mark.parametrize("header", ["Bearer wrong", f"Bearer {TOKEN}x"])
def test_a_wrong_token_is_invalid(client: Client, header: str) -> None:
    answer = client("GET", "accounts/self/terms", headers={"Authorization": header})
    assert answer.status_code == 401
    assert "WWW-Authenticate" in answer.headers
    assert answer.json() == {"errors": [{"message": "Invalid access token."}]}


def test_the_word_bearer_is_case_sensitive(client: Client) -> None:
    answer = client("GET", "accounts/self/terms", headers={"Authorization": f"bearer {TOKEN}"})
    assert answer.json()["status"] == "unauthenticated"


def test_a_request_without_a_user_agent_is_forbidden_in_json(client: Client) -> None:
    answer = client("GET", "accounts/self/terms", headers={"User-Agent": ""})
    assert answer.status_code == 403
    assert "User-Agent" in answer.json()["errors"][0]["message"]


def test_every_answer_tells_cost_and_remaining_quota(client: Client) -> None:
    answer = client("GET", "accounts/self/terms")
    assert float(answer.headers["X-Request-Cost"]) == 0.05
    assert 599 < float(answer.headers["X-Rate-Limit-Remaining"]) < 600


@pytest.mark.parametrize("status", [403, 429])
def test_a_full_bucket_refuses_in_plain_text_until_it_has_leaked(
    opened: Opened, clock: ManualClock, status: int
) -> None:
    limits = ThrottleLimits(hwm=100, request_cost=60, status=status)
    client = opened(throttle=limits, clock=clock)
    assert client("GET", "accounts/self/terms").status_code == 200
    refused = client("GET", "accounts/self/terms")
    assert refused.status_code == status
    assert refused.text == f"{status} Forbidden (Rate Limit Exceeded)\n"
    assert refused.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert float(refused.headers["X-Rate-Limit-Remaining"]) < 0
    assert "X-Request-Cost" not in refused.headers
    assert "Retry-After" not in refused.headers
    clock.now += 12  # 120 of cost leak at 10 a second
    assert client("GET", "accounts/self/terms").status_code == 200


def test_the_twelfth_request_in_flight_is_refused(opened: Opened, clock: ManualClock) -> None:
    client = opened(clock=clock)
    client.canvas.faults.arm("slow", count=None, seconds=2.0)

    def status(_: int) -> int:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        return requests.get(f"{client.canvas.url}/api/v1/accounts/self", headers=headers, timeout=10).status_code

    with ThreadPoolExecutor(12) as pool:
        found = sorted(pool.map(status, range(12)))
    assert found == [200] * 11 + [429]


def test_every_request_is_recorded_with_what_was_sent(client: Client) -> None:
    client("POST", REPORTS, data={"parameters[users]": "1"})
    last = client.canvas.requests[-1]
    assert (last.server, last.method, last.path, last.status) == ("canvas", "POST", f"/api/v1/{REPORTS}", 200)
    assert last.body == b"parameters%5Busers%5D=1"
    assert last.headers["authorization"] == f"Bearer {TOKEN}"


# --- Terms, accounts, pages and ids ---------------------------------------------------------------------------------


def test_terms_come_in_a_wrapper_without_the_deleted_ones(client: Client) -> None:
    answer = client("GET", "accounts/self/terms", params={"per_page": 100}).json()
    assert list(answer) == ["enrollment_terms"]
    assert {term["workflow_state"] for term in answer["enrollment_terms"]} == {"active"}
    everything = client("GET", "accounts/self/terms?workflow_state[]=all&per_page=100").json()["enrollment_terms"]
    assert "0196" in {term["sis_term_id"] for term in everything}


def test_terms_are_sorted_by_start_descending_with_undated_ones_first(client: Client) -> None:
    terms = client("GET", "accounts/self/terms", params={"per_page": 100}).json()["enrollment_terms"]
    starts = [term["start_at"] for term in terms]
    assert starts[:3] == [None, None, None]
    assert starts[3:] == sorted(starts[3:], reverse=True)
    assert {"name": "Default Term", "sis_term_id": None}.items() <= terms[0].items()


def test_terms_of_a_sub_account_are_refused(client: Client) -> None:
    answer = client("GET", "accounts/sis_account_id:ORGS/terms")
    assert (answer.status_code, answer.json()) == (400, {"message": "Terms only belong to root_accounts."})


def test_pages_are_linked_until_the_last(client: Client) -> None:
    seen: list[int] = []
    url = f"{client.canvas.url}/api/v1/accounts/self/terms?per_page=3&access_token=never"
    while url:
        answer = client.session.get(url, timeout=10)
        seen += [term["id"] for term in answer.json()["enrollment_terms"]]
        assert "access_token" not in answer.headers["Link"]
        url = answer.links.get("next", {}).get("url", "")
    assert len(seen) == len(set(seen)) == 8
    assert "last" in answer.links
    assert client("GET", "accounts/self/terms?page=99").json() == {"enrollment_terms": []}


def test_a_page_holds_ten_by_default_and_a_hundred_at_most(client: Client) -> None:
    for _ in range(101):
        client.start()
    sizes = [len(client("GET", f"{REPORTS}{query}").json()) for query in ("", "?per_page=1000", "?per_page=0")]
    assert sizes == [10, 100, 1]


def test_links_that_do_not_fit_are_left_out_next_last_of_all(client: Client) -> None:
    query = {"page": 2, "per_page": 2, "junk[]": ["x" * 90] * 25}
    assert list(client("GET", "accounts/self/terms", params=query).links) == ["next", "last"]


@pytest.mark.parametrize(
    "course",
    [
        "sis_course_id:ETH%2F101%2E%C3%A9",
        "%20sis_course_id:ETH%2F101.%C3%A9%20",
    ],
)
def test_a_course_is_found_by_its_sis_id_however_it_is_written(client: Client, course: str) -> None:
    assert client("GET", f"courses/{course}").json()["sis_course_id"] == "ETH/101.é"


@pytest.mark.parametrize("course", ["ETH-101", "sis_course_id:eth/101.é", "sis_user_id:1", "sis_course_id:none", "1"])
def test_an_id_that_names_nothing_is_not_found(client: Client, course: str) -> None:
    answer = client("GET", f"courses/{quote(course, safe=':')}")
    assert (answer.status_code, answer.json()) == (404, NOT_FOUND)


def test_users_are_found_by_sis_id_and_by_login_in_any_case(client: Client) -> None:
    by_login = client("GET", "users/sis_login_id:TWO.logins.STAFF").json()
    assert by_login == client("GET", "users/sis_user_id:000000888").json()
    assert client("GET", "users/sis_user_id:888").status_code == 404

"""The status page of a real worker, over loopback, with what really happened on it."""

from __future__ import annotations

import socket
import time
import urllib.error
import urllib.request

import psycopg
import pytest
from tests.chain import Chain
from tests.quick_worker import ANSWER_SECONDS

from canvas_replicate.messaging import topology
from canvas_replicate.messaging.bus import connect
from canvas_replicate.messaging.messages import TableReady, wrap

# What a restart must not lose.
GAUGES = {
    "replicate_held_artifacts",
    "replicate_run_last_timestamp_seconds",
    "replicate_table_expected_info",
    "replicate_table_last_success_timestamp_seconds",
}

pytestmark = [pytest.mark.rabbitmq, pytest.mark.postgresql]


@pytest.fixture
def another_port(free_port: int) -> int:
    """Free at this moment, and not the first one."""
    with socket.socket() as first, socket.socket() as second:
        first.bind(("127.0.0.1", free_port))
        second.bind(("127.0.0.1", 0))
        return int(second.getsockname()[1])


def get(port: int, path: str = "/", *, token: str = "t0ken") -> tuple[int, str, str]:
    """Status, policy and body; status 0 while nobody answers."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers={"Authorization": f"Bearer {token}"})
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, answer.headers["Content-Security-Policy"], answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.headers["Content-Security-Policy"], error.read().decode()
    except OSError:
        return 0, "", ""


def test_a_worker_shows_what_happened_and_what_to_type(chain: Chain, free_port: int, ready: TableReady) -> None:
    chain.start("loader", quick=True, REPLICATE_METRICS_PORT=str(free_port), REPLICATE_METRICS_TOKEN="t0ken")
    chain.start("extractor")
    chain.wait(lambda: get(free_port, "/readyz", token="none")[0] == 200, "the loader ready")
    assert [get(free_port, path, token="none")[0] for path in ("/", "/metrics", "/healthz")] == [401, 401, 200]
    chain.wait_closed(chain.trigger())
    chain.wait(lambda: "All fresh" in get(free_port)[2], "all fresh")
    status, policy, body = get(free_port)
    assert status == 200
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "4 tables; the oldest rows are of" in body

    chain.place.source_sql("DELETE FROM sis.students")
    broken = chain.place.folder / "ctls" / "tmp_a.ctl"
    broken.write_text(broken.read_text().replace("gpa  DECIMAL EXTERNAL", "gpaa DECIMAL EXTERNAL"))
    bus = connect(chain.rabbit.url)
    bus.publish(wrap(ready, app_id="test"), queue=topology.dead_queue("provisioner"))
    bus.close()
    run_id = chain.trigger()
    chain.wait_closed(run_id)
    chain.wait(lambda: "dead letter provisioner" in _text(get(free_port)[2]), "the new state shown")
    body = get(free_port)[2]
    held = chain.target.sql("SELECT artifact_id FROM replicate_artifact WHERE state = 'held' ORDER BY artifact_id")
    assert len(held) >= 3
    for (artifact,) in held:
        assert f"<code>replicate approve {artifact}</code>" in body
    assert "<code>replicate dead list --stage provisioner</code>" in body
    assert f"<code>replicate runs {run_id}</code>" in body


def test_a_ledger_that_is_lost_is_said_with_503_and_is_seen_again_when_it_is_back(chain: Chain, free_port: int) -> None:
    chain.start("loader", quick=True, REPLICATE_METRICS_PORT=str(free_port))
    chain.wait(lambda: get(free_port)[0] == 200, "the page served")
    chain.target.sql("ALTER TABLE replicate_current_status RENAME TO elsewhere")
    chain.wait(lambda: get(free_port)[0] == 503, "the ledger found lost")
    _, policy, body = get(free_port)
    assert policy.startswith("default-src 'none'")
    assert "Not known: the run ledger cannot be read" in body
    assert "and nothing newer." in body
    assert "<code>replicate check</code>" in body
    assert chain.target.server.password is None or chain.target.server.password not in body
    chain.target.sql("ALTER TABLE elsewhere RENAME TO replicate_current_status")
    chain.wait(lambda: get(free_port)[0] == 200, "the ledger read again")


def test_a_ledger_that_does_not_answer_holds_nobody_up(chain: Chain, free_port: int) -> None:
    chain.start("loader", quick=True, REPLICATE_METRICS_PORT=str(free_port))
    chain.wait(lambda: get(free_port)[0] == 200, "the page served")
    with psycopg.connect(chain.target.server.url_of(chain.target.name), password=chain.target.server.password) as other:
        other.execute("LOCK TABLE replicate_current_status IN ACCESS EXCLUSIVE MODE")
        chain.wait(lambda: get(free_port)[0] == 503, "the silence noticed")
        began = time.monotonic()
        status, _, body = get(free_port)
        assert time.monotonic() - began < 2 * ANSWER_SECONDS + 2  # for the ledger, and for the broker at most
        assert status == 503
        assert f"The run ledger did not answer within {ANSWER_SECONDS} s." in body
        assert get(free_port, "/healthz")[0] == 200
    chain.wait(lambda: get(free_port)[0] == 200, "the ledger read again")


def test_replicas_and_a_restarted_worker_report_what_the_ledger_says(
    chain: Chain, free_port: int, another_port: int
) -> None:
    loader = chain.start("loader", quick=True, REPLICATE_METRICS_PORT=str(free_port))
    chain.start("extractor", quick=True, REPLICATE_METRICS_PORT=str(another_port))
    chain.wait_closed(chain.trigger())
    ended = 'replicate_run_last_timestamp_seconds{schedule="hourly",status="successful"}'
    chain.wait(lambda: any(ended in line for line in gauges(free_port)), "the loader's gauges")
    known = gauges(free_port)
    assert {line.partition("{")[0] for line in known} == GAUGES
    chain.wait(lambda: gauges(another_port) == known, "the extractor says the same")
    loader.terminate()
    assert loader.wait(30) == 0
    chain.start("loader", quick=True, REPLICATE_METRICS_PORT=str(free_port))
    chain.wait(lambda: gauges(free_port) == known, "a new loader says the same")


def gauges(port: int) -> set[str]:
    """The samples that come from the ledger."""
    return {line for line in get(port, "/metrics")[2].splitlines() if line.partition("{")[0] in GAUGES}


def _text(body: str) -> str:
    """Without tags."""
    return "".join(part.partition(">")[2] for part in body.split("<"))

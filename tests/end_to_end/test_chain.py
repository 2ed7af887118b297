"""The pipeline as separate processes over a real broker and a real database."""

from __future__ import annotations

import random
import signal
import time
import urllib.error
import urllib.request

import pytest
from tests.chain import TABLES, Chain
from tests.given import KILLS_SEED

from canvas_replicate.messaging.rabbitmq.bus import RabbitBus

pytestmark = [pytest.mark.rabbitmq, pytest.mark.postgresql]


def test_two_workers_of_each_stage_share_a_schedule_and_do_nothing_twice(chain: Chain) -> None:
    for stage in ("extractor", "extractor", "loader", "loader"):
        chain.start(stage)
    run_id = chain.trigger()
    chain.wait_closed(run_id)
    assert chain.states(run_id) == dict.fromkeys(TABLES, "successful")
    for table in TABLES:
        assert chain.view_rows(table) == chain.source_rows()
    assert chain.loaded_events(run_id) == 1
    # History has one line per table: nothing was finished twice.
    assert chain.target.sql("SELECT count(*) FROM replicate_status") == [(len(TABLES),)]


def test_a_second_trigger_while_one_is_open_is_refused_or_skipped(chain: Chain) -> None:
    chain.trigger()
    assert chain.place.run("replicate", "trigger", "hourly").code == 6
    skipped = chain.place.run("replicate", "trigger", "hourly", "--skip-if-running")
    assert (skipped.code, "Nothing triggered" in skipped.out) == (0, True)


def test_a_rerun_is_one_small_message_by_hand(chain: Chain) -> None:
    chain.start("extractor")
    chain.start("loader")
    chain.wait_closed(chain.trigger())
    chain.place.students(1_500)
    assert chain.rabbit.management.publish(chain.rabbit.name, "table.requested", '{"table": "tmp_a"}')
    chain.wait(lambda: len(chain.view_rows("tmp_a")) == 1_500, "the rerun's rows in the view")
    assert len(chain.view_rows("tmp_b")) == 2_000


def test_a_poisoned_message_becomes_a_dead_letter_and_the_worker_lives_on(chain: Chain) -> None:
    chain.start("extractor")
    chain.start("loader")
    bus = RabbitBus(chain.rabbit.url)
    assert bus.depth("replicate.extractor.dead") == 0
    for body in ("not json", '{"table": "../../etc/passwd"}', '{"table": "tmp_unknown"}'):
        assert chain.rabbit.management.publish(chain.rabbit.name, "table.requested", body)
    chain.wait(lambda: bus.depth("replicate.extractor.dead") == 3, "three dead letters")
    bus.close()
    letters = chain.place.run("replicate", "dead", "list", "--json").json
    assert sorted(letter["headers"]["code"] for letter in letters) == [
        "config",
        "message.unreadable",
        "message.unreadable",
    ]
    assert any("tmp_unknown" in letter["headers"]["reason"] for letter in letters)
    run_id = chain.trigger()
    chain.wait_closed(run_id)
    assert set(chain.states(run_id).values()) == {"successful"}


def test_dead_letters_are_shown_requeued_and_dropped(chain: Chain) -> None:
    worker = chain.start("extractor")
    bus = RabbitBus(chain.rabbit.url)
    assert bus.depth("replicate.extractor.dead") == 0
    assert chain.rabbit.management.publish(chain.rabbit.name, "table.requested", '{"table": "tmp_unknown"}')
    chain.wait(lambda: bus.depth("replicate.extractor.dead") == 1, "a dead letter")
    worker.terminate()
    worker.wait(30)
    [letter] = chain.place.run("replicate", "dead", "list", "--json").json
    assert chain.place.run("replicate", "dead", "show", letter["message_id"]).json == letter
    assert chain.place.run("replicate", "dead", "requeue", letter["message_id"]).code == 0
    assert (bus.depth("replicate.extractor"), bus.depth("replicate.extractor.dead")) == (1, 0)
    chain.start("extractor")
    chain.wait(lambda: bus.depth("replicate.extractor.dead") == 1, "the letter dead again")
    [again] = chain.place.run("replicate", "dead", "list", "--json").json
    assert again["headers"]["attempts"] == 1
    assert chain.place.run("replicate", "dead", "drop", again["message_id"]).code == 0
    assert chain.place.run("replicate", "dead", "list").out.strip() == "There are no dead letters."
    assert chain.place.run("replicate", "dead", "drop", "nonsense").code == 2
    bus.close()


def test_a_held_table_is_approved_through_the_workers(chain: Chain) -> None:
    chain.start("extractor")
    chain.start("loader")
    chain.wait_closed(chain.trigger())
    chain.place.students(10)
    run_id = chain.trigger()
    chain.wait_closed(run_id)
    assert set(chain.states(run_id).values()) == {"held"}
    held = {a["table"]: a["artifact_id"] for a in chain.place.run("replicate", "held", "--json").json}
    assert chain.place.run("replicate", "approve", held["tmp_b"]).code == 0
    chain.wait(lambda: len(chain.view_rows("tmp_b")) == 10, "the approved rows in the view")
    assert len(chain.view_rows("tmp_a")) == 2_000


def test_sigterm_ends_a_worker_in_time_and_another_goes_on(chain: Chain) -> None:
    chain.start("loader")
    first = chain.start("extractor")
    run_id = chain.trigger()
    chain.wait(lambda: "requested" not in chain.states(run_id).values() or chain.is_closed(run_id), "work begun")
    first.terminate()
    assert first.wait(30) == 0
    chain.start("extractor")
    chain.wait_closed(run_id)
    assert set(chain.states(run_id).values()) == {"successful"}


def test_a_frozen_loader_that_wakes_up_late_writes_nothing(chain: Chain) -> None:
    """SIGSTOP in the middle of a load; its lease runs out, another loader takes over, then SIGCONT."""
    chain.place.students(40_000)
    extractor = chain.start("extractor")
    run_id = chain.trigger()
    chain.wait(lambda: set(chain.states(run_id).values()) == {"extracted"}, "all extracted")
    extractor.terminate()
    extractor.wait(30)
    # A short heartbeat: the broker soon finds out that nobody answers, and gives the delivery to somebody else.
    frozen = chain.start("loader", REPLICATE_BUS_URL=f"{chain.rabbit.url}?heartbeat=2")
    chain.wait(lambda: "loading" in chain.states(run_id).values(), "a load begun")
    frozen.send_signal(signal.SIGSTOP)
    try:
        chain.forget(frozen)
        chain.start("loader")
        holders = f"SELECT 1 FROM replicate_lease WHERE lease_key LIKE 'table:%' AND owner NOT LIKE '%:{frozen.pid}:%'"
        chain.wait(lambda: bool(chain.target.sql(f"{holders} AND token > 1")), "the lease taken over")
    finally:
        frozen.send_signal(signal.SIGCONT)
    chain.wait_closed(run_id)
    words = ('"code": "lease.lost"', "was taken over")
    chain.wait(lambda: any(word in chain.log_of(frozen) for word in words), "the late loader told that it is late")
    for table in TABLES:
        assert chain.view_rows(table) == chain.source_rows()
    assert chain.loaded_events(run_id) == 1
    assert chain.target.sql("SELECT count(*) FROM replicate_status") == [(len(TABLES),)]


def test_health_and_metrics_say_what_is_true(chain: Chain, free_port: int) -> None:
    worker = chain.start("loader", REPLICATE_METRICS_PORT=str(free_port))

    def get(path: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{free_port}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ""

    chain.wait(lambda: get("/readyz")[0] == 200, "the loader ready")
    assert get("/healthz") == (200, "ok\n")
    assert get("/nonsense")[0] == 404
    chain.start("extractor")
    chain.wait_closed(chain.trigger())
    worked_off = 'replicate_messages_total{outcome="done",stage="loader",type="table.ready.v1"} 4.0'
    chain.wait(lambda: worked_off in get("/metrics")[1], "four messages counted")
    assert 'replicate_rows_loaded_total{table="tmp_a"} 2000.0' in get("/metrics")[1]
    worker.terminate()
    assert worker.wait(30) == 0


@pytest.mark.kill
def test_whatever_is_killed_at_whatever_moment_every_table_ends_right(chain: Chain) -> None:
    """Kill -9 of a random worker, or of the broker, at 20 random moments."""
    dice = random.Random(KILLS_SEED)
    stages = ["extractor", "extractor", "loader", "loader"]
    workers = [chain.start(stage) for stage in stages]
    for turn in range(4):
        chain.place.students(1_500 + 150 * turn)
        run_id = chain.trigger()
        for kill in range(5):
            time.sleep(dice.uniform(0, 1.2))  # the moment is the experiment
            if (turn, kill) in ((1, 2), (3, 1)):
                chain.rabbit.server.kill()
                chain.rabbit.server.restart()
                continue
            victim = dice.randrange(len(stages))
            workers[victim].kill()
            workers[victim].wait(10)
            chain.forget(workers[victim])
            workers[victim] = chain.start(stages[victim])
        chain.wait_closed(run_id, 180)
        assert set(chain.states(run_id).values()) == {"successful"}, (KILLS_SEED, turn, chain.states(run_id))
        for table in TABLES:
            assert chain.view_rows(table) == chain.source_rows(), (KILLS_SEED, turn, table)
        assert chain.loaded_events(run_id) == 1
    history = chain.target.sql(
        "SELECT run_id, tablename, count(*) FROM replicate_status GROUP BY 1, 2 HAVING count(*) > 1"
    )
    assert history == []


def test_a_one_shot_extract_ends_with_its_own_stage_and_the_workers_do_the_rest(chain: Chain) -> None:
    done = chain.place.run("extractor", "run", "hourly", "--json")
    assert done.code == 0
    assert {row["state"] for row in done.json} <= {"extracted", "loading", "successful"}
    chain.start("loader")
    chain.wait_closed(done.json[0]["run_id"])
    assert chain.view_rows("tmp_a") == chain.source_rows()


def test_a_one_shot_extract_can_wait_for_the_rest(chain: Chain) -> None:
    chain.start("loader")
    done = chain.place.run("extractor", "run", "hourly", "--wait", "--json")
    assert {row["state"] for row in done.json} == {"successful"}
    assert chain.view_rows("tmp_a") == chain.source_rows()


def test_a_one_shot_load_takes_what_was_extracted(chain: Chain) -> None:
    assert chain.place.run("extractor", "run", "hourly").code == 0
    done = chain.place.run("loader", "run", "hourly", "--json")
    assert {row["state"] for row in done.json} == {"successful"}
    assert chain.view_rows("tmp_a") == chain.source_rows()

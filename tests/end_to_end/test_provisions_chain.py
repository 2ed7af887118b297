"""Tables, then the reports of Canvas, over a real broker and a real database, two provisioners sharing the work."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from tests.chain import TABLES, Chain

from canvas_replicate.messaging.rabbitmq.bus import RabbitBus
from replicate_demo.canvas import CanvasSimulator, Options

pytestmark = [pytest.mark.rabbitmq, pytest.mark.postgresql]

CONF = """
terms: [fa19]
regular:
  users:       {scope: account, cstable: tmp_cnv_users,       mvtable: canvas_users}
  courses:     {scope: term,    cstable: tmp_cnv_courses,     mvtable: canvas_courses,     parameters: {include_deleted: true}}
  enrollments: {scope: term,    cstable: tmp_cnv_enrollments, mvtable: canvas_enrollments, parameters: {include_deleted: true}}
orgs:
  account: "sis_account_id:ORGS"
  terms: ["id:44"]
  courses:     {scope: term,    cstable: tmp_cnv_org_courses, mvtable: canvas_org_courses}
"""
REPORTS = ("tmp_cnv_users", "tmp_cnv_courses", "tmp_cnv_enrollments")


@pytest.fixture
def canvas() -> Iterator[CanvasSimulator]:
    with CanvasSimulator(options=Options(token="7~tests", report_seconds=0.1)) as opened:
        yield opened


@pytest.fixture
def provisioned(chain: Chain, canvas: CanvasSimulator, monkeypatch: pytest.MonkeyPatch) -> Chain:
    chain.place.add_canvas(canvas.url, canvas.token, CONF)
    conf = chain.place.folder / "conf" / "tablesconf.yaml"
    conf.write_text(conf.read_text() + "schedules: {hourly: {then: [provisions, push]}}\n", "utf-8")
    for name, value in {**chain.place.environment, "NO_PROXY": "*"}.items():
        monkeypatch.setenv(name, value)
    assert chain.place.run("replicate", "init-db").code == 0
    for stage in ("extractor", "loader", "loader", "provisioner", "provisioner", "canvas-pusher"):
        chain.start(stage)
    return chain


def bodies(chain: Chain, kind: str) -> list[dict[str, object]]:
    found = chain.target.sql(f"SELECT body FROM replicate_outbox WHERE message_type = '{kind}.v1' ORDER BY created_at")
    return [json.loads(str(body)) for (body,) in found]


def test_reports_follow_the_tables_and_the_run_ends_with_them(provisioned: Chain, canvas: CanvasSimulator) -> None:
    run_id = provisioned.trigger()
    provisioned.wait_closed(run_id)
    assert provisioned.states(run_id) == dict.fromkeys((*TABLES, *REPORTS), "successful")
    assert [(event["kind"], event["status"]) for event in bodies(provisioned, "run.loaded")] == [
        ("tables", "successful"),
        ("provisions", "successful"),
    ]
    [done] = bodies(provisioned, "provisions.done")
    assert (done["run_id"], done["status"], done["then"]) == (run_id, "successful", ["push"])
    assert sum(r.method == "POST" and "/reports/" in r.path for r in canvas.requests) == len(REPORTS)
    shown = provisioned.target.sql("SELECT count(*), count(DISTINCT canvas_course_id) FROM canvas_courses")[0]
    assert shown[0] == shown[1] != 0


def test_a_message_by_hand_fetches_the_reports_of_a_mode(provisioned: Chain) -> None:
    bus = RabbitBus(provisioned.rabbit.url)
    assert bus.depth("replicate.provisioner.dead") == 0  # makes the exchange, should no worker have done so yet
    bus.close()
    assert provisioned.rabbit.management.publish(provisioned.rabbit.name, "provisions.requested", '{"mode": "orgs"}')
    provisioned.wait(lambda: bool(bodies(provisioned, "provisions.done")), "the organisations' reports")
    [done] = bodies(provisioned, "provisions.done")
    assert (done["mode"], done["status"]) == ("orgs", "successful")
    assert provisioned.target.sql("SELECT status FROM provisions_current_status") == [("successful",)]


def test_a_failed_report_ends_the_run_as_partial_and_nothing_may_follow(
    provisioned: Chain, canvas: CanvasSimulator
) -> None:
    canvas.faults.arm("report_error")
    run_id = provisioned.trigger()
    provisioned.wait_closed(run_id)
    assert sorted(provisioned.states(run_id).values()).count("failed") == 1
    assert provisioned.target.sql(f"SELECT status FROM replicate_run WHERE run_id = '{run_id}'") == [("partial",)]
    [done] = bodies(provisioned, "provisions.done")
    assert done["status"] == "failed"

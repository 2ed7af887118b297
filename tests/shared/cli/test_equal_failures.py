"""Equal failures are told once, with their tables."""

from __future__ import annotations

import pytest
from tests.behaviours.ledger_parts import manifest_of
from tests.workplace import Workplace

from canvas_replicate.config.settings_sources import load_settings
from canvas_replicate.ledger.leases import Lease
from canvas_replicate.ledger.records import Outcome, RunRequest, TableRequest
from canvas_replicate.runtime import Runtime
from canvas_replicate.suggest import merge_next_steps
from canvas_replicate.wiring import open_runtime

NAMES = [f"tmp_cnv_{number}" for number in range(7)]
REASON = "Canvas is not configured."


@pytest.fixture
def runtime(workplace: Workplace) -> Runtime:
    workplace.add_students()
    assert workplace.run("replicate", "init-db").code == 0
    return open_runtime(load_settings())


def test_seven_equal_failures_are_one_line_and_one_mail(workplace: Workplace, runtime: Runtime) -> None:
    run = runtime.ledger.runs.open(RunRequest(schedule="regular", exclusive=True, provisions="regular"))
    runtime.ledger.provisions.plan(run, [TableRequest(name, name.replace("tmp", "v"), "canvas") for name in NAMES])
    for name in NAMES:
        failed = Outcome("failed", "provisioner", message=REASON, next_step=f"replicate rerun {name}")
        runtime.ledger.items.finish(run.run_id, name, failed)
    told = f"next for {', '.join(NAMES)}: replicate rerun --failed {run.run_id}"
    for command in (("runs", run.run_id), ("status",)):
        printed = workplace.run("replicate", *command).out.splitlines()
        assert [line for line in printed if line.startswith("next for ")] == [told]
    [(body,)] = workplace.target_sql("SELECT body FROM replicate_notice")
    assert body.count(REASON) == 1
    assert ", ".join(NAMES) in body


def test_steps_are_merged_where_they_differ_by_the_table_alone() -> None:
    assert merge_next_steps({"a": "Wait.", "b": "Wait."}, "R") == "Wait."
    alike = {name: f"Set it. Then: replicate rerun {name}" for name in ("a", "b")}
    assert merge_next_steps(alike, "R") == "Set it. Then: replicate rerun --failed R"
    assert merge_next_steps({"a": "x", "b": "y"}, "R") == "replicate rerun --failed R"


def hold(runtime: Runtime) -> str:
    """A run whose file of tmp_students is held."""
    run = runtime.ledger.runs.open(RunRequest(schedule="rerun", tables=[TableRequest("tmp_students", "v", "campus")]))
    lease: Lease
    with runtime.leases.held("table:tmp_students") as lease:
        runtime.ledger.items.record_extracted(run, manifest_of(run.run_id, "tmp_students"), "path", lease)
        held = Outcome("held", "loader", message="0 rows", hold_gate="file")
        runtime.ledger.items.finish(run.run_id, "tmp_students", held, lease)
    return runtime.ledger.artifacts.list_all("held")[-1].artifact_id


def test_older_holds_are_discarded_together(workplace: Workplace, runtime: Runtime) -> None:
    first, second = hold(runtime), hold(runtime)
    decided = workplace.run("replicate", "discard", first)
    assert (decided.code, f"{first} was superseded by" in str(decided.error)) == (2, True)
    workplace.target_sql(
        f"UPDATE replicate_artifact SET state = 'held' WHERE artifact_id = '{first}'"
    )  # an old release
    done = workplace.run("replicate", "discard", "--older", "--json")
    assert [(each["artifact_id"], each["state"]) for each in done.json] == [(first, "discarded")]
    assert "Nothing is discarded" in workplace.run("replicate", "discard", "--older").out
    assert workplace.run("replicate", "discard", second, "--older").code == 2
    run_id = runtime.ledger.artifacts.list_all("held")[0].run_id
    assert workplace.run("replicate", "discard", "--run", run_id, "--json").json[0]["artifact_id"] == second

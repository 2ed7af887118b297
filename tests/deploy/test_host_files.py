"""deploy/host, for an installation without Kubernetes: the crontab keeps the cluster's times, cron mails what is wrong."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from tests.repository import ROOT

from canvas_replicate.cli.app import app
from canvas_replicate.messaging import topology

HOST = ROOT / "deploy" / "host"


def crontab() -> dict[str, str]:
    """What is typed -> when."""
    lines = (HOST / "crontab").read_text("utf-8").splitlines()
    found = [re.fullmatch(r"((?:\S+ ){4}\S+) +replicate +replicate-cron (.+)", line) for line in lines]
    return {match[2]: match[1] for match in found if match}


def cronjobs() -> dict[str, str]:
    files = (ROOT / "deploy/k8s/site/cronjobs.yaml", ROOT / "deploy/k8s/components/cronjobs/sweep.yaml")
    found: dict[str, str] = {}
    for job in (job for file in files for job in yaml.safe_load_all(file.read_text("utf-8"))):
        [container] = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
        found[" ".join(container["command"])] = job["spec"]["schedule"]
    return found


def test_the_crontab_starts_what_the_cluster_starts_at_the_same_times() -> None:
    with_workers = {
        re.sub("run (.+)", r"trigger \1 --skip-if-running", typed): when for typed, when in crontab().items()
    }
    assert with_workers == cronjobs()


@pytest.mark.parametrize("typed", crontab())
def test_a_line_of_the_crontab_is_a_command_that_exists(typed: str) -> None:
    program, command, *arguments = typed.split()
    known: Any = typer.main.get_command(app)
    assert program == "replicate"
    assert known.commands[command].make_context(command, arguments)


def run_by_cron(folder: Path, script: str) -> subprocess.CompletedProcess[str]:
    (folder / "env").write_text('REPLICATE_TARGET="reports"\n', "utf-8")
    outside = {"PATH": "/usr/bin:/bin", "CRON_ENV_FILE": str(folder / "env"), "CRON_LOG_FILE": str(folder / "log")}
    command = [HOST / "replicate-cron", "/bin/sh", "-c", script]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False, env=outside)


@pytest.mark.parametrize("code", [0, 6])
def test_cron_has_nothing_to_mail_when_all_is_well_or_the_run_before_is_still_at_work(
    tmp_path: Path, code: int
) -> None:
    done = run_by_cron(tmp_path, f'echo "target $REPLICATE_TARGET"; exit {code}')
    assert (done.returncode, done.stdout, done.stderr) == (code, "", "")
    assert "target reports\n" in (tmp_path / "log").read_text("utf-8")
    assert (tmp_path / "log").stat().st_mode & 0o027 == 0


@pytest.mark.parametrize("code", [1, 2, 3, 4, 5])
def test_cron_mails_what_people_can_read_and_keeps_the_whole(tmp_path: Path, code: int) -> None:
    logged = '{"message": "extracting"}'
    done = run_by_cron(tmp_path, f"echo 'error: no' >&2; echo '{logged}' >&2; exit {code}")
    assert done.returncode == code
    assert done.stdout.startswith(f"exit code {code}: ")
    assert "error: no\n" in done.stdout
    assert logged not in done.stdout.splitlines()
    assert logged in (tmp_path / "log").read_text("utf-8").splitlines()


@pytest.mark.parametrize("stage", topology.STAGES)
def test_a_worker_of_systemd_has_time_to_finish_and_is_not_restarted_for_a_wrong_setting(stage: str) -> None:
    unit = (HOST / "replicate@.service").read_text("utf-8").replace("%i", stage)
    told = dict(line.split("=", 1) for line in unit.splitlines() if re.match(r"[A-Z]\w+=", line))
    assert told["ExecStart"] == f"/opt/canvas-replicate/bin/{stage} consume"
    assert int(told["TimeoutStopSec"]) > 600
    assert (told["Restart"], told["RestartPreventExitStatus"]) == ("always", "2")
    assert told["UMask"] == "0027"

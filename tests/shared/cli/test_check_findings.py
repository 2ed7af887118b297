"""How findings are ordered, and what a command with such findings exits with."""

from __future__ import annotations

from pathlib import Path

import pytest

from canvas_replicate.cli.check import files
from canvas_replicate.cli.check.findings import (
    Finding,
    build_finding,
    choose_exit_code,
    collect_errors,
    run_check,
    sort_findings,
)
from canvas_replicate.config.settings_sources import load_settings
from canvas_replicate.errors import AlreadyRunning, ConfigError, DataError, ExitCode, ReplicateError, TransientError

WRONG, DOWN = ConfigError("wrong"), TransientError("down")


@pytest.mark.parametrize(
    ("errors", "code"),
    [
        ([], ExitCode.OK),
        ([WRONG], ExitCode.USAGE),
        ([DataError("x")], ExitCode.USAGE),
        ([DOWN], ExitCode.DEPENDENCY_DOWN),
        ([DOWN, WRONG], ExitCode.USAGE),
        ([AlreadyRunning("x")], ExitCode.ALREADY_RUNNING),
        ([AlreadyRunning("x"), DOWN], ExitCode.DEPENDENCY_DOWN),
    ],
)
def test_wrong_configuration_beats_what_is_down(errors: list[ReplicateError], code: ExitCode) -> None:
    assert choose_exit_code([build_finding("x", error) for error in errors]) == code


def test_warnings_and_notes_do_no_harm() -> None:
    assert choose_exit_code([build_finding("x", WRONG, "warning"), Finding("note", "x", "y")]) == ExitCode.OK


def test_errors_come_first_and_what_was_found_twice_is_told_once() -> None:
    note, first, second = Finding("note", "a", "n"), Finding("error", "b", "1"), Finding("error", "a", "2")
    assert sort_findings([note, first, Finding("warning", "c", "w"), second, first]) == [
        first,
        second,
        Finding("warning", "c", "w"),
        note,
    ]


def test_only_our_own_errors_become_findings() -> None:
    findings: list[Finding] = []
    with collect_errors(findings, "x"):
        raise WRONG

    def broken() -> int:
        raise KeyError("a defect")

    def down() -> int:
        raise DOWN

    assert run_check(findings, "y", lambda: 3) == 3
    assert run_check(findings, "z", down) is None
    assert [(finding.what, finding.message) for finding in findings] == [("x", "wrong"), ("z", "down")]
    with pytest.raises(KeyError):
        run_check(findings, "x", broken)


def test_storage_is_looked_at_without_making_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "not" / "there"
    settings = load_settings({"REPLICATE_DATA_DIR": str(folder), "REPLICATE_SECRETS_DIR": str(tmp_path / "none")})
    monkeypatch.setattr(files, "_LITTLE_BYTES", 0)
    storage, secrets = files.check_files(settings)
    assert (storage.level, secrets.level) == ("note", "warning")
    assert f"are free for files in {folder}" in storage.message
    monkeypatch.setattr(files, "_LITTLE_BYTES", 2**80)
    assert files.check_files(settings)[0].level == "warning"
    assert not folder.parent.exists()

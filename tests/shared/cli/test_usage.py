"""What commands say about a mistyped command line, and how they are helped to be typed."""

from __future__ import annotations

import json
import shlex
import tomllib
from pathlib import Path
from typing import Any

import pytest
import typer
from tests.repository import ROOT
from tests.workplace import APPS, Workplace
from typer.core import TyperGroup

from canvas_replicate import __version__
from canvas_replicate.cli import entry
from canvas_replicate.cli.app import COMMANDS, import_command
from canvas_replicate.cli.examples import EXAMPLES
from canvas_replicate.cli.launch import INTERRUPTED, launch
from canvas_replicate.errors import ExitCode

MISTYPED = [
    ("replicate runs --limit -3", "--limit takes a whole number from 1 to 10,000, not -3.", "replicate runs --help"),
    ("replicate runs --limit ten", "--limit takes a whole number from 1 to 10,000, not ten.", "replicate runs --help"),
    ("replicate runs --limit", "replicate runs: --limit needs a value.", "replicate runs --help"),
    ("replicate run", "replicate run needs SCHEDULE (a schedule of tablelist.yaml).", "replicate run hourly"),
    ("replicate run --only-tabels", "replicate run has no option --only-tabels.", "Did you mean --only-tables?"),
    ("replicate statsu", "replicate has no command 'statsu'.", "Did you mean status?"),
    ("replicate dead lst", "replicate dead has no command 'lst'.", "Did you mean list?"),
    ("replicate status now", "replicate status takes fewer arguments; too many: now.", "replicate status --help"),
    ("replicate table add S.T --text-limit 0", "a whole number from 1 to 16,000,000, not 0.", "replicate table add"),
    ("extractor rum hourly", "extractor has no command 'rum'.", "Did you mean run?"),
    ("canvas-pusher undo", "canvas-pusher undo needs PLAN", "canvas-pusher undo p-"),
]


def type_line(typed: str, monkeypatch: pytest.MonkeyPatch) -> int:
    """Run a command as its program does. Returns the exit code."""
    program = typed.split()[0]
    monkeypatch.setattr("sys.argv", typed.split())
    monkeypatch.setattr("canvas_replicate.log.configure", lambda: None)  # it would stay for the tests that follow
    with pytest.raises(SystemExit) as ended:
        entry.run(APPS[program])
    return int(ended.value.code or 0)


def find_command(path: str) -> Any:
    """The command with its options, as `replicate table add` names it."""
    program, *names = path.split()
    command: Any = typer.main.get_command(APPS[program])
    for number, name in enumerate(names):
        command = import_command(name) if (program, number) == ("replicate", 0) else command.commands[name]
    return command


def list_paths() -> list[str]:
    paths = [f"replicate {name}" for name, _, _ in COMMANDS]
    paths += [
        f"{program} {name}" for program in APPS for name in find_command(program).commands if program != "replicate"
    ]
    groups = {path: find_command(path) for path in paths}
    return paths + [f"{p} {n}" for p, group in groups.items() if isinstance(group, TyperGroup) for n in group.commands]


@pytest.mark.parametrize(("typed", "message", "step"), MISTYPED)
def test_a_mistyped_line_is_answered_in_two_lines_and_exits_2(
    typed: str, message: str, step: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert type_line(typed, monkeypatch) == ExitCode.USAGE
    said, what_next = capsys.readouterr().err.splitlines()
    assert said.startswith("error: ")
    assert message in said
    assert what_next.startswith("next:  ")
    assert step in what_next


@pytest.mark.parametrize("typed", ["replicate runs --limit -3 --json", "replicate run --json"])
def test_with_json_an_error_is_one_line_of_json_on_standard_error(
    typed: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert type_line(typed, monkeypatch) == ExitCode.USAGE
    printed = capsys.readouterr()
    assert printed.out == ""
    found = json.loads(printed.err)
    assert found["exit_code"] == ExitCode.USAGE
    assert found["error"]
    assert found["next_step"]


@pytest.mark.parametrize(
    ("typed", "step"),
    [
        ("run huorly", "Did you mean 'hourly'?"),
        ("rejects tmp_studnts", "Did you mean 'tmp_students'?"),
        ("why table tmp_studnts", "Did you mean 'tmp_students'?"),
        ("runs 20300101T000000Z-hourly-abcdef", "List them: replicate runs"),
        ("approve h-123456", "See: replicate held"),
        ("rerun tmp_students --then pusch", "For example: --then provisions --then push"),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest_or_where_they_are_listed(
    workplace: Workplace, typed: str, step: str
) -> None:
    workplace.add_students()
    assert workplace.run("replicate", "init-db").code == ExitCode.OK
    done = workplace.run("replicate", *typed.split())
    assert done.code == ExitCode.USAGE
    assert done.error
    assert step in done.error.next_step


def test_an_error_in_a_file_has_its_place_in_json(
    workplace: Workplace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    workplace.add_students(oops="1")
    assert type_line("replicate status --json", monkeypatch) == ExitCode.USAGE
    place = json.loads(capsys.readouterr().err)["place"]
    assert place["file"].endswith("tablesconf.yaml")
    assert place["line"] > 1


@pytest.mark.parametrize("program", APPS)
def test_every_program_has_a_version(
    program: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert type_line(f"{program} --version", monkeypatch) == ExitCode.OK
    assert capsys.readouterr().out == f"canvas-replicate {__version__}\n"


@pytest.mark.parametrize("path", list_paths())
def test_every_command_has_an_example_that_it_accepts(path: str) -> None:
    words = shlex.split(EXAMPLES[path])
    assert EXAMPLES[path].startswith(path)
    command = find_command(path)
    if not isinstance(command, TyperGroup):
        assert command.make_context(path, words[len(path.split()) :])


@pytest.mark.parametrize("path", [path for path in list_paths() if not path.endswith("consume")])
def test_every_command_that_prints_has_json_and_no_name_of_a_python_type(path: str) -> None:
    command = find_command(path)
    if isinstance(command, TyperGroup):
        return
    context = command.make_context(path, [], resilient_parsing=True)
    assert "--json" in {name for each in command.get_params(context) for name in each.opts}
    assert not any(f"<{word}" in command.get_help(context) for word in ("bool", "str", "int", "list"))


def test_ctrl_c_while_a_program_is_imported_is_quiet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "slow_to_import.py").write_text("raise KeyboardInterrupt", "utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(SystemExit) as ended:
        launch("slow_to_import")
    assert ended.value.code == INTERRUPTED
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("folder", ["shared", *(f"services/{name}" for name in APPS if name != "replicate")])
def test_every_program_starts_with_the_quiet_launcher(folder: str) -> None:
    scripts = tomllib.loads((ROOT / folder / "pyproject.toml").read_text("utf-8"))["project"]["scripts"]
    [start] = scripts.values()
    module = start.partition(":")[0]
    assert module == "canvas_replicate.cli.launch" or "." not in module


def test_a_shell_completes_schedules_tables_runs_and_held_ids(
    workplace: Workplace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    workplace.add_students()
    workplace.students(8)
    assert workplace.run("replicate", "init-db").code == ExitCode.OK
    assert workplace.run("replicate", "run", "hourly").code == ExitCode.OK
    workplace.students(0)
    assert workplace.run("replicate", "rerun", "tmp_students").code == ExitCode.HELD
    [held] = workplace.run("replicate", "held", "--json").json
    newest = [run["run_id"] for run in workplace.run("replicate", "runs", "--json").json]
    capsys.readouterr()
    completed = {
        "run ": ["hourly"],
        "rerun tmp_": ["tmp_students"],
        "runs 2": newest,
        "why table tmp_": ["tmp_students"],
        "approve ": [held["artifact_id"]],
        "approve --run ": newest,
    }
    assert {line: complete(line, monkeypatch, capsys) for line in completed} == completed
    (workplace.folder / "conf/tablelist.yaml").write_text("hourly: [", "utf-8")
    assert complete("run ", monkeypatch, capsys) == []


def complete(line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """What bash gets for `replicate` and this line."""
    monkeypatch.setenv("_REPLICATE_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", f"replicate {line}")
    monkeypatch.setenv("COMP_CWORD", str(len(line.split(" "))))
    monkeypatch.setattr("sys.argv", ["replicate"])
    with pytest.raises(SystemExit):
        APPS["replicate"](prog_name="replicate")
    monkeypatch.delenv("_REPLICATE_COMPLETE")
    return capsys.readouterr().out.split()

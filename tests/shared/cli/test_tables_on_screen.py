"""Tables and messages on terminals of several sizes."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from datetime import UTC, datetime

import pytest
from rich.text import Text
from tests.workplace import Workplace

from canvas_replicate.cli import output, screen
from canvas_replicate.cli.commands.held import held
from canvas_replicate.cli.table_layout import choose_columns, group_messages
from canvas_replicate.errors import ExitCode
from canvas_replicate.ledger.records import Status

RUN = "20300102T030000Z-hourly-abc123"
COLUMNS = ("table", "rows", "seconds", "what happened")
ROWS = [[Text(cell) for cell in ("tmp_enrollments", "178,018", "3.1", "178,018 rows verified, view refreshed.")]]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def print_on_terminal(width: int, show: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> str:
    """What ``show`` prints on a terminal, without its styles."""
    for name, value in (("NO_COLOR", "1"), ("TERM", "xterm"), ("COLUMNS", str(width))):
        monkeypatch.setenv(name, value)
    with redirect_stdout(Terminal()) as page:
        show()
    return Text.from_ansi(page.getvalue()).plain


def choose(width: int, rows: Sequence[Sequence[Text]] = ROWS) -> list[str]:
    kept = choose_columns(COLUMNS, rows, ["seconds", "what happened", "rows"], width, wraps=True)
    return [COLUMNS[place] for place in kept]


def status(table: str, state: str = "successful", message: str = "3 rows verified, view refreshed.") -> Status:
    now = datetime(2030, 1, 2, tzinfo=UTC)
    end = ("loader", 3, 0, 1.5, now, None, "columns")
    return Status(table, f"campus_{table}", state, "hourly", "campus", message, now, RUN, *end)


def test_columns_are_left_out_one_by_one_from_the_least_important() -> None:
    assert choose(200) == [*COLUMNS]
    whole = 15 + 7 + 7 + 36 + 3 * 2
    assert choose(whole) == [*COLUMNS]
    assert choose(whole - 1) == ["table", "rows", "what happened"]
    assert choose(15 + 7 + 36 + 2 * 2 - 1) == ["table", "rows"]
    assert choose(15 + 7 + 2 - 1) == ["table"]


def test_an_empty_column_is_left_out_before_all_others() -> None:
    rows = [[*ROWS[0][:1], Text(""), *ROWS[0][2:]]]
    assert choose(15 + 7 + 36 + 2 * 2, rows) == ["table", "seconds", "what happened"]


def test_a_sentence_is_never_narrower_than_an_id_in_it() -> None:
    rows = [[*ROWS[0][:3], Text(f"Run {RUN}-0123456789 extracted a newer file.")]]
    assert "what happened" not in choose(15 + 7 + 2 * 2 + len(RUN) + 10, rows)
    assert "what happened" in choose(15 + 7 + 2 * 2 + len(RUN) + 11, rows)


def test_equal_messages_are_one_line_with_their_names() -> None:
    names = ["tmp_a", "tmp_b", "tmp_c", "tmp_d", "tmp_e"]
    messages = [(name, f"replicate rerun {name}") for name in names]
    assert group_messages([*messages, ("tmp_x", "replicate check tmp_x")]) == [
        "tmp_a, tmp_b, tmp_c and 2 more: replicate rerun NAME",
        "tmp_x: replicate check tmp_x",
    ]


@pytest.mark.parametrize("width", [80, 100, 120, 200])
def test_no_line_of_the_status_is_wider_than_the_terminal_and_verified_is_shown(
    width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [status("tmp_enrollments"), status("tmp_cnv_org_enrollments", "held")]
    lines = print_on_terminal(width, lambda: output.show_status(rows, {}), monkeypatch).splitlines()
    assert max(map(len, lines)) <= width
    assert "verified" in lines[0].split()
    assert [line for line in lines if {"tmp_cnv_org_enrollments", "held"} <= {*line.split()}]


def test_held_files_of_one_table_differ_by_time_and_run_on_120_columns(
    workplace: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    workplace.add_students()
    workplace.students(8)
    workplace.run("replicate", "init-db")
    workplace.run("replicate", "run", "hourly")
    workplace.students(0)
    for _ in range(2):
        assert workplace.run("replicate", "rerun", "tmp_students").code == ExitCode.HELD
    found = workplace.run("replicate", "held", "--json").json
    lines = print_on_terminal(120, held, monkeypatch).splitlines()
    for each in found:
        assert any(each["artifact_id"] in line and each["run_id"] in line for line in lines)
    assert all(each["artifact_id"] in print_on_terminal(80, held, monkeypatch) for each in found)


def test_a_watched_status_fits_the_screen_and_keeps_what_needs_somebody() -> None:
    rows = [status(f"tmp_{number:02}") for number in range(40)] + [status("tmp_zz", "failed", "The source is down.")]
    text = screen.fit_status(rows, lambda shown: print(*(row.table for row in shown), sep="\n"), 20)
    lines = text.splitlines()
    assert len(lines) == 20
    assert lines[0] == "tmp_zz"
    assert lines[-1] == "and 22 more tables: replicate status"
    assert len(lines) + 22 == len(rows) + 1


def test_a_watched_status_that_fits_is_shown_whole() -> None:
    rows = [status("tmp_b"), status("tmp_a")]
    assert screen.fit_status(rows, lambda shown: print(*(row.table for row in shown), sep="\n"), 20) == "tmp_b\ntmp_a"


def test_a_pipe_gets_whole_lines_and_no_control_characters(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [status("tmp_enrollments", "failed", "The source is down. " * 10)]
    screen.print_screen(rows, lambda shown: output.show_status(shown, {}), 5)
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert len(out.splitlines()) == 2

"""New entries in files that people keep by hand: every byte of theirs stays."""

from __future__ import annotations

from pathlib import Path

import pytest

from canvas_replicate.cli.scaffold.names import Names
from canvas_replicate.cli.scaffold.yaml_entries import (
    find_schedule_place,
    find_table_place,
    format_scalar,
    format_table_entry,
    insert_lines,
)
from canvas_replicate.config.yaml_file import read_yaml
from canvas_replicate.errors import ConfigError

ENTRY = format_table_entry(Names("tmp_m", "sis.m", "tmp_m", "campus_m"), "SELECT x\n  FROM m")
WRITTEN = """\
tmp_m:
  cstable: tmp_m
  mvtable: campus_m
  dctable: sis.m
  varbl1:
  sql: |
    SELECT x
      FROM m
  toggle: "on"
"""


def with_table(folder: Path, text: str, name: str = "tmp_m") -> str:
    path = folder / "tablesconf.yaml"
    path.write_bytes(text.encode())
    return insert_lines(text, [find_table_place(text, read_yaml(path), name, ENTRY)])


def with_item(folder: Path, text: str, *schedules: str, name: str = "tmp_m") -> str:
    path = folder / "tablelist.yaml"
    path.write_bytes(text.encode())
    return insert_lines(text, [find_schedule_place(text, read_yaml(path), schedule, name) for schedule in schedules])


def test_an_entry_goes_to_its_alphabetical_place_above_the_comment_of_the_next(tmp_path: Path) -> None:
    before = "# head\n\nterms: {a: b}\n\ntmp_a:\n  sql: x   # kept\n\n# about z\n# and more\ntmp_z:\n  sql: y\n"
    at = before.index("# about z")
    assert with_table(tmp_path, before) == before[:at] + WRITTEN + "\n" + before[at:]


def test_an_entry_after_all_others_goes_to_the_end(tmp_path: Path) -> None:
    before = "# head\n\ntmp_a:\n  sql: x\n\ntmp_b:\n  sql: y\n"
    assert with_table(tmp_path, before) == before + "\n" + WRITTEN


@pytest.mark.parametrize("end", ["...\n", "...", "... # the end\n# and more\n"])
def test_an_entry_goes_before_the_marker_of_the_document_s_end(tmp_path: Path, end: str) -> None:
    before = "---\ntmp_a:\n  sql: x\n\ntmp_b:\n  sql: y\n"
    assert with_table(tmp_path, before + end) == before + "\n" + WRITTEN + end
    assert with_item(tmp_path, "all:\n  - a\n" + end, "all") == "all:\n  - a\n  - tmp_m\n" + end


def test_a_file_without_a_last_line_end_gets_one_before_the_entry(tmp_path: Path) -> None:
    before = "tmp_a:\n  sql: |\n    SELECT 1"
    assert with_table(tmp_path, before) == before + "\n" + WRITTEN


def test_line_ends_are_those_of_the_file(tmp_path: Path) -> None:
    before = "tmp_a:\r\n  sql: x\r\n\r\ntmp_z:\r\n  sql: y\r\n"
    at = before.index("tmp_z")
    assert with_table(tmp_path, before) == before[:at] + (WRITTEN + "\n").replace("\n", "\r\n") + before[at:]


def test_the_head_comment_of_a_file_stays_its_head(tmp_path: Path) -> None:
    before = "# what is copied\ntmp_z:\n  sql: y\n"
    assert with_table(tmp_path, before) == "# what is copied\n" + WRITTEN + "tmp_z:\n  sql: y\n"


def test_the_last_table_goes_before_the_reserved_key_that_follows(tmp_path: Path) -> None:
    before = "tmp_a:\n  sql: x\n\n# options\nschedules: {}\n"
    assert with_table(tmp_path, before) == "tmp_a:\n  sql: x\n\n" + WRITTEN + "\n# options\nschedules: {}\n"


def test_a_hash_in_a_query_is_no_comment_of_the_next_entry(tmp_path: Path) -> None:
    before = "tmp_a:\n  sql: |\n    SELECT 1\n    # x\n  # of a\ntmp_z:\n  sql: y\n"
    assert with_table(tmp_path, before) == before.replace("tmp_z:", WRITTEN + "tmp_z:")


def test_a_file_whose_keys_do_not_start_lines_is_refused_with_its_place(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"tablesconf.yaml:1:2: the keys of this file do not start"):
        with_table(tmp_path, "{tmp_a: {sql: x}}\n")


def test_a_table_is_listed_at_its_place_in_every_schedule_named(tmp_path: Path) -> None:
    before = "all:\n- tmp_a\n# about z\n- tmp_z\ndaily:   # slow\n    - tmp_a   # kept\n\nhourly:\n  - tmp_z\n"
    assert with_item(tmp_path, before, "all", "DAILY") == (
        "all:\n- tmp_a\n- tmp_m\n# about z\n- tmp_z\ndaily:   # slow\n    - tmp_a   # kept\n    - tmp_m\n\n"
        "hourly:\n  - tmp_z\n"
    )


def test_a_list_at_the_end_without_line_end_can_grow(tmp_path: Path) -> None:
    assert with_item(tmp_path, "all:\r\n  - tmp_a", "all") == "all:\r\n  - tmp_a\r\n  - tmp_m\r\n"


def test_an_empty_schedule_gets_its_first_table(tmp_path: Path) -> None:
    before = "all:\n    - tmp_a\nqna:   # nothing yet\n"
    assert with_item(tmp_path, before, "qna") == before + "    - tmp_m\n"


@pytest.mark.parametrize(
    ("text", "after"),
    [
        ("all: []\n", "all:\n  - tmp_m\n"),
        ("all:\n", "all:\n  - tmp_m\n"),
        ("all: []", "all:\n  - tmp_m\n"),
        ("all: [ ]   # soon\r\nqna:\r\n- tmp_a\r\n", "all:   # soon\r\n- tmp_m\r\nqna:\r\n- tmp_a\r\n"),
    ],
)
def test_a_schedule_that_is_an_empty_list_gets_its_first_table(tmp_path: Path, text: str, after: str) -> None:
    assert with_item(tmp_path, text, "all") == after


@pytest.mark.parametrize(
    "text", ["all: [tmp_a]\n", "all: [\n]\n", "all: [tmp_a,\n  tmp_z]\n", 'all: ""\n', "all: {a: b}\n"]
)
def test_a_list_that_is_not_one_item_a_line_is_refused_with_its_place(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError, match=r"tablelist.yaml:\d+:\d+: "):
        with_item(tmp_path, text, "all")


def test_a_schedule_that_is_not_there_is_no_new_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no schedule 'dayly'") as refused:
        with_item(tmp_path, "daily:\n  - tmp_a\n", "dayly")
    assert "Did you mean 'daily'?" in refused.value.next_step


@pytest.mark.parametrize(
    ("name", "written"), [("tmp_x$#", "tmp_x$#"), ("null", '"null"'), ("on", '"on"'), ("a b", '"a b"')]
)
def test_a_word_that_yaml_would_take_for_something_else_is_quoted(name: str, written: str) -> None:
    assert format_scalar(name) == written

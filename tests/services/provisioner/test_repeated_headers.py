"""A header line inside a report: it is counted and told, and never a row."""

from __future__ import annotations

from pathlib import Path

import pytest

from canvas_replicate.errors import DataError
from provisioner.contents import open_rows
from provisioner.gates import write_notes

HEADER = "canvas_user_id,user_id,login_id,authentication_provider_id"
ROWS = ("1,0001,ann,\n", "2,0002,ben,\n")


def read(folder: Path, *texts: str) -> tuple[list[str | None], int, int]:
    """The SIS ids, how many rows are announced, and how many header lines were left out."""
    files = [folder / f"{number}.csv" for number in range(len(texts))]
    for path, text in zip(files, texts, strict=True):
        path.write_text(text, "utf-8")
    with open_rows(files, "users", ["user_id"]) as found:
        ids = [value for batch in found.batches for value in batch.column("user_id").to_pylist()]
        return ids, found.rows, found.repeated_headers


@pytest.mark.parametrize(
    "again",
    [HEADER, HEADER.upper(), HEADER.replace(",", " , "), '"' + HEADER.replace(",", '","') + '"', f"\ufeff{HEADER}"],
)
def test_a_line_that_repeats_the_header_is_never_a_row(tmp_path: Path, again: str) -> None:
    assert read(tmp_path, f"{HEADER}\n{ROWS[0]}{again}\n{ROWS[1]}") == (["0001", "0002"], 2, 1)


def test_header_lines_of_all_files_are_counted_together(tmp_path: Path) -> None:
    first = f"{HEADER}\n{HEADER}\n{ROWS[0]}"
    second = f"login_id,{HEADER.replace(',login_id', '')}\n".upper()
    assert read(tmp_path, first, f"{second}ben,2,0002,\n{second}{second}") == (["0001", "0002"], 2, 3)


def test_a_later_row_of_the_same_key_still_counts_across_a_header_line(tmp_path: Path) -> None:
    again = "1,0001,ann,\n"
    assert read(tmp_path, f"{HEADER}\n{ROWS[0]}{HEADER}\n{ROWS[1]}{again}") == (["0002", "0001"], 2, 1)


def test_a_report_of_header_lines_only_has_no_rows(tmp_path: Path) -> None:
    assert read(tmp_path, f"{HEADER}\n{HEADER}\n") == ([], 0, 1)


def test_a_row_that_equals_the_header_in_some_columns_stays_a_row(tmp_path: Path) -> None:
    ids, rows, repeated = read(tmp_path, f"{HEADER}\ncanvas_user_id,user_id,ann,\n")
    assert (ids, rows, repeated) == (["user_id"], 1, 0)


def test_another_header_below_the_first_is_refused_by_its_width(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"0\.csv:3: the row has 5 fields, the header 4"):
        read(tmp_path, f"{HEADER}\n{ROWS[0]}{HEADER},status\n")


def test_the_note_says_how_many_header_lines_were_left_out() -> None:
    assert write_notes([], 0) == ()
    assert write_notes([], 0, 1) == ("1 line below the first repeated the header, and no row was made of that.",)
    assert write_notes([], 0, 1200)[0].startswith("1,200 lines below the first")

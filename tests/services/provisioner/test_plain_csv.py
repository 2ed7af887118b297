"""The quick reader of report files finds what the strict one finds, and leaves to it what is not plain."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioner import plain_csv
from provisioner.csv_reader import read_rows

NAMES = ("user_id", "name")
VALUES = st.text(st.sampled_from('ab ,"é\u20ac\n'), max_size=12)


def read_strictly(path: Path) -> list[list[str]]:
    return [row for _, row in read_rows(path, NAMES)]


def read_quickly(path: Path) -> list[list[str]]:
    batches = list(plain_csv.read_batches(path, NAMES, NAMES))
    return [[value or "" for value in row.values()] for batch in batches for row in batch.to_pylist()]


def write(folder: Path, text: str) -> Path:
    path = folder / "users.csv"
    path.write_bytes(f"user_id,name\n{text}".encode())
    return path


def enclose(value: str) -> str:
    return '"' + value.replace('"', '""') + '"' if set(value) & set(',"\n') else value


def test_every_short_text_that_is_plain_is_read_as_the_strict_reader_reads_it(tmp_path: Path) -> None:
    plain = 0
    for size in range(1, 7):
        for text in map("".join, product('a,"\n\r', repeat=size)):
            path = write(tmp_path, text)
            if plain_csv.is_plain(path, NAMES):
                plain += 1
                assert read_quickly(path) == read_strictly(path), text
    assert plain > 50


@given(st.lists(st.tuples(VALUES, VALUES), max_size=40))
def test_rows_as_canvas_writes_them_are_plain_across_blocks(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]]
) -> None:
    path = write(tmp_path_factory.mktemp("csv"), "".join(f"{','.join(map(enclose, row))}\n" for row in rows))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plain_csv, "_BLOCK_BYTES", 128)
        is_plain, has_empty_line = plain_csv.is_plain(path, NAMES), b"\n\n" in path.read_bytes()
        assert is_plain is not has_empty_line
        if is_plain:
            assert read_quickly(path) == read_strictly(path) == list(map(list, rows))


@pytest.mark.parametrize(
    "rows",
    [
        "1,a\r\n",
        "1,a",
        "1\n",
        "1,a,b\n",
        "1,a\n\n2,b\n",
        '1,"a\n',
        '1,"a"b\n',
        '1,b"a"\n',
        '1, "a"\n',
        "1,caf\udce9\n",
        "User_ID,Name\n",
        f"1,{'a' * 140_000}\n",
    ],
)
def test_what_is_unusual_or_wrong_is_left_to_the_strict_reader(tmp_path: Path, rows: str) -> None:
    path = tmp_path / "users.csv"
    path.write_bytes(f"user_id,name\n{rows}".encode(errors="surrogateescape"))
    assert not plain_csv.is_plain(path, NAMES)


def test_a_column_that_the_file_lacks_is_null(tmp_path: Path) -> None:
    path = write(tmp_path, '1,"O""Neill, Ann"\n2,\n')
    [batch] = plain_csv.read_batches(path, NAMES, ["name", "login_id"])
    assert batch.to_pydict() == {"name": ['O"Neill, Ann', None], "login_id": [None, None]}


def test_a_byte_order_mark_is_no_part_of_the_header(tmp_path: Path) -> None:
    path = tmp_path / "users.csv"
    path.write_bytes(b"\xef\xbb\xbfuser_id,name\n1,a\n")
    assert plain_csv.is_plain(path, NAMES)
    assert read_quickly(path) == read_strictly(path) == [["1", "a"]]

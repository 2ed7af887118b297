"""Report files of Canvas: which file it is, what its header says, and its rows to the letter."""

from __future__ import annotations

import csv
import io
import re
import zipfile
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from canvas_replicate.errors import DataError
from provisioner.contents import KINDS, Contents, extract_csv, open_rows, read_header
from replicate_demo.canvas.report_rows import HEADERS

USERS = ",".join(KINDS["users"].always)
HEADER_ONLY = f"{USERS}\n".encode()
LOGINS = "canvas_user_id,user_id,login_id,authentication_provider_id"

Row = dict[str, str | None]


def file(folder: Path, text: str | bytes, name: str = "report.csv") -> Path:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def archive(folder: Path, name: str = "report.zip", **members: bytes) -> Path:
    path = folder / name
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for member, content in members.items():
            packed.writestr(f"{member}.csv", content)
    return path


def read(files: Sequence[Path], kind: str, wanted: Sequence[str]) -> tuple[list[Row], Contents]:
    with open_rows(files, kind, wanted) as contents:
        return [row for batch in contents.batches for row in batch.to_pylist()], contents


def refused(files: Sequence[Path], kind: str = "users", wanted: Sequence[str] = ("login_id",)) -> DataError:
    with pytest.raises(DataError) as caught:
        read(files, kind, wanted)
    return caught.value


# The kinds


def test_every_kind_has_the_columns_of_the_simulated_canvas() -> None:
    assert set(KINDS) == set(HEADERS)
    for kind, header in HEADERS.items():
        assert set(KINDS[kind].always) <= set(header) <= set(KINDS[kind].columns), kind


def test_every_row_can_be_told_by_columns_that_every_canvas_writes() -> None:
    for name, kind in KINDS.items():
        assert set(kind.older_key or kind.key) <= set(kind.always), name
        assert len(set(kind.columns)) == len(kind.columns), name


# Which file it is


def test_a_plain_csv_is_taken_as_it_is_whatever_its_name(tmp_path: Path) -> None:
    path = file(tmp_path, HEADER_ONLY, "report.zip")
    assert extract_csv(path, "users", tmp_path / "out") == path


def test_an_archive_is_known_by_its_first_bytes_and_its_member_is_written_out(tmp_path: Path) -> None:
    path = archive(tmp_path, "report.csv", users=HEADER_ONLY, courses=b"canvas_course_id\n")
    found = extract_csv(path, "users", tmp_path / "out")
    assert found.parent == tmp_path / "out"
    assert found.read_bytes() == HEADER_ONLY


def test_the_members_of_two_archives_do_not_overwrite_each_other(tmp_path: Path) -> None:
    first, second = (archive(tmp_path, f"{n}.zip", users=HEADER_ONLY + b"%d" % n + b"," * 12 + b"\n") for n in (1, 2))
    assert extract_csv(first, "users", tmp_path) != extract_csv(second, "users", tmp_path)
    assert (tmp_path / "1.users.csv").read_bytes() != (tmp_path / "2.users.csv").read_bytes()


@pytest.mark.parametrize("members", [{"courses": b"canvas_course_id\n"}, {}])
def test_an_archive_without_the_kind_is_refused(tmp_path: Path, members: dict[str, bytes]) -> None:
    with pytest.raises(DataError, match=r"0 members 'users.csv'") as caught:
        extract_csv(archive(tmp_path, **members), "users", tmp_path)
    assert caught.value.code == "report.zip"


def test_an_archive_is_refused_wherever_it_is_cut(tmp_path: Path) -> None:
    whole = archive(tmp_path, users=HEADER_ONLY).read_bytes()
    for end in range(4, len(whole)):
        with pytest.raises(DataError) as caught:
            extract_csv(file(tmp_path, whole[:end], "cut.zip"), "users", tmp_path / "out")
        assert caught.value.code == "report.zip"


def test_an_archive_is_refused_when_another_of_its_members_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "report.zip"
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr("users.csv", HEADER_ONLY)
        packed.writestr("courses.csv", b"canvas_course_id\n4711\n")
    path.write_bytes(path.read_bytes().replace(b"4711", b"4712"))
    with pytest.raises(DataError, match="damaged") as caught:
        extract_csv(path, "users", tmp_path)
    assert caught.value.code == "report.zip"


def test_a_changed_byte_in_an_archive_never_changes_what_is_read(tmp_path: Path) -> None:
    whole = archive(tmp_path, users=HEADER_ONLY).read_bytes()
    refused_at = []
    for place in range(4, len(whole)):
        changed = whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :]
        try:
            found = extract_csv(file(tmp_path, changed, "changed.zip"), "users", tmp_path / "out")
        except DataError:
            refused_at.append(place)
        else:
            assert found.read_bytes() == HEADER_ONLY
    assert len(refused_at) > len(whole) // 2


def test_a_directory_that_points_nowhere_is_damage_and_no_error_of_the_system(tmp_path: Path) -> None:
    whole = bytearray(archive(tmp_path, users=HEADER_ONLY).read_bytes())
    whole[-6:-2] = b"\xff\xff\xff\x7f"  # where the directory begins
    with pytest.raises(DataError) as caught:
        extract_csv(file(tmp_path, bytes(whole), "bad.zip"), "users", tmp_path)
    assert caught.value.code == "report.zip"


@pytest.mark.parametrize("page", [b"<!DOCTYPE html>\n<html>", b"\xef\xbb\xbf\r\n <html>\n", b"<?xml version='1.0'?>\n"])
def test_a_web_page_is_refused(tmp_path: Path, page: bytes) -> None:
    with pytest.raises(DataError, match="web page") as caught:
        extract_csv(file(tmp_path, page), "users", tmp_path)
    assert caught.value.code == "report.html"


@pytest.mark.parametrize("nothing", [b"", b"\xef\xbb\xbf", b"\n\n"])
def test_an_empty_file_is_refused_in_an_archive_too(tmp_path: Path, nothing: bytes) -> None:
    for path in (file(tmp_path, nothing), archive(tmp_path, users=nothing)):
        with pytest.raises(DataError, match="empty") as caught:
            extract_csv(path, "users", tmp_path)
        assert caught.value.code == "report.empty"


def test_a_csv_without_a_line_end_at_its_end_is_cut(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cut short") as caught:
        extract_csv(file(tmp_path, HEADER_ONLY + b"1,2"), "users", tmp_path)
    assert caught.value.code == "report.cut"


# The header


def test_a_header_as_expected_lacks_nothing(tmp_path: Path) -> None:
    found = read_header(file(tmp_path, HEADER_ONLY), "users", ["login_id", "status"])
    assert (found.missing, found.extra, found.renamed) == ((), (), {})


def test_names_are_matched_without_case_blanks_and_bom(tmp_path: Path) -> None:
    path = file(tmp_path, '\ufeff"Canvas_User_ID", LOGIN_ID ,status\r\n'.encode())
    assert read_header(path, "users", ["canvas_user_id", "login_id", "STATUS"]).missing == ()


def test_a_renamed_column_is_missing_and_extra_and_guessed(tmp_path: Path) -> None:
    path = file(tmp_path, HEADER_ONLY.replace(b"sortable_name", b"sortable_nm"))
    found = read_header(path, "users", ["sortable_name", "login_id"])
    assert found.missing == ("sortable_name",)
    assert found.extra == ("sortable_nm",)
    assert found.renamed == {"sortable_name": "sortable_nm"}


def test_an_unlike_column_is_not_guessed(tmp_path: Path) -> None:
    path = file(tmp_path, HEADER_ONLY.replace(b"sortable_name", b"pet"))
    assert read_header(path, "users", ["sortable_name"]).renamed == {}


def test_a_column_of_a_newer_canvas_or_of_a_feature_is_not_extra(tmp_path: Path) -> None:
    header = (*KINDS["enrollments"].columns, "brand_new")
    path = file(tmp_path, ",".join(header) + "\n")
    assert read_header(path, "enrollments", ["role"]).extra == ("brand_new",)


@pytest.mark.parametrize(
    ("first_line", "told"),
    [
        ("login_id,status,LOGIN_ID ", "columns 1 and 3 have the same name"),
        ("login_id,,status", "column 2 has no name"),
        ("4711,S-0815,secret@example.edu", "not the header of a users file"),
        ("canvas_course_id,course_id", "not the header of a users file"),
    ],
)
def test_a_first_line_that_is_no_header_is_refused_without_being_told(
    tmp_path: Path, first_line: str, told: str
) -> None:
    with pytest.raises(DataError, match=told) as caught:
        read_header(file(tmp_path, f"{first_line}\n"), "users", ["login_id"])
    assert caught.value.code == "report.header"
    assert "report.csv:1:" in str(caught.value)
    assert "0815" not in str(caught.value)


# The rows


def test_every_value_stays_as_it_stands_and_empty_is_null(tmp_path: Path) -> None:
    values = [
        "007",
        "NA",
        "null",
        "9007199254740993",
        " blank ",
        "1e5",
        "true",
        "Zoë, 学生 😀",
        'say "hi"',
        "a\r\nb\n",
        "",
    ]
    lines = "".join(f'{n},"{value.replace(chr(34), chr(34) * 2)}",l,p\n' for n, value in enumerate(values, start=1))
    rows, contents = read([file(tmp_path, f"{LOGINS}\n{lines}9999,,l,p\n")], "users", ["user_id"])
    assert [row["user_id"] for row in rows] == [*values[:-1], None, None]
    assert (contents.rows, contents.duplicates) == (12, 0)
    assert [(column.name, column.kind, column.length) for column in contents.columns] == [("user_id", "text", None)]


def test_columns_come_in_the_wanted_order_and_a_missing_one_is_null(tmp_path: Path) -> None:
    path = file(tmp_path, f"{LOGINS}\r\n1,007,anna,\r\n")
    rows, _ = read([path], "users", ["login_id", "pronouns", "canvas_user_id"])
    assert [list(row.items()) for row in rows] == [[("login_id", "anna"), ("pronouns", None), ("canvas_user_id", "1")]]


def test_files_are_joined_without_their_headers_each_by_its_own_order_of_columns(tmp_path: Path) -> None:
    first = file(tmp_path, "canvas_course_id,course_id\n1,A\n", "fa19.csv")
    second = file(tmp_path, "course_id,canvas_course_id\nB,2\n", "sp20.csv")
    rows, _ = read([first, second], "courses", ["canvas_course_id", "course_id"])
    assert [tuple(row.values()) for row in rows] == [("1", "A"), ("2", "B")]


def test_of_the_same_row_that_of_the_last_file_counts(tmp_path: Path) -> None:
    first = file(tmp_path, "canvas_course_id,status\n1,active\n2,active\n2,deleted\n", "fa19.csv")
    second = file(tmp_path, "canvas_course_id,status\n3,active\n1,concluded\n", "sp20.csv")
    rows, contents = read([first, second], "courses", ["canvas_course_id", "status"])
    assert [tuple(row.values()) for row in rows] == [("2", "deleted"), ("3", "active"), ("1", "concluded")]
    assert (contents.rows, contents.duplicates) == (3, 2)


def test_two_logins_of_one_user_are_two_rows(tmp_path: Path) -> None:
    path = file(tmp_path, f"{LOGINS}\n1,,anna,\n1,,Anna,\n1,007,anna,\n1,,anna,8\n1,,anna,\n")
    rows, contents = read([path], "users", ["login_id"])
    assert (len(rows), contents.duplicates) == (4, 1)


ENROLLED = "canvas_section_id,canvas_user_id,role_id,canvas_associated_user_id,status"


def test_an_enrollment_is_told_by_its_id_where_canvas_gives_one(tmp_path: Path) -> None:
    text = f"{ENROLLED},canvas_enrollment_id\n1,2,3,,deleted,50\n1,2,3,,active,51\n9,9,9,,active,50\n"
    rows, contents = read([file(tmp_path, text)], "enrollments", ["status", "canvas_section_id"])
    assert [tuple(row.values()) for row in rows] == [("active", "1"), ("active", "9")]
    assert contents.duplicates == 1


def test_an_enrollment_of_an_older_canvas_is_told_by_who_is_what_where(tmp_path: Path) -> None:
    text = f"{ENROLLED}\n1,2,3,,invited\n1,2,3,4,active\n1,2,3,,active\n"
    rows, contents = read([file(tmp_path, text)], "enrollments", ["canvas_associated_user_id", "status"])
    assert [tuple(row.values()) for row in rows] == [("4", "active"), (None, "active")]
    assert contents.duplicates == 1


def test_one_file_without_enrollment_ids_makes_all_files_be_compared_without(tmp_path: Path) -> None:
    newer = file(tmp_path, f"{ENROLLED},canvas_enrollment_id\n1,2,3,,active,50\n", "newer.csv")
    older = file(tmp_path, f"{ENROLLED}\n1,2,3,,deleted\n", "older.csv")
    rows, contents = read([newer, older], "enrollments", ["status", "canvas_enrollment_id"])
    assert [tuple(row.values()) for row in rows] == [("deleted", None)]
    assert contents.duplicates == 1


def test_an_ended_membership_does_not_displace_a_present_one(tmp_path: Path) -> None:
    path = file(tmp_path, "canvas_group_id,canvas_user_id,status\n1,2,accepted\n1,2,deleted\n")
    assert read([path], "group_membership", ["status"])[1].duplicates == 0


def test_a_header_alone_is_no_rows(tmp_path: Path) -> None:
    rows, contents = read([file(tmp_path, HEADER_ONLY)], "users", ["login_id"])
    assert (rows, contents.rows, contents.duplicates) == ([], 0, 0)


def test_duplicates_are_found_across_batches_and_nothing_is_left_behind(tmp_path: Path) -> None:
    header, count = "canvas_course_id,course_id\n", 25_000
    first = file(tmp_path, header + "".join(f"{n},old\n" for n in range(count)), "1.csv")
    second = file(tmp_path, header + "".join(f"{n},new\n" for n in range(0, 2 * count, 2)), "2.csv")
    rows, contents = read([first, second], "courses", ["canvas_course_id", "course_id"])
    kept = [(str(n), "old") for n in range(1, count, 2)] + [(str(n), "new") for n in range(0, 2 * count, 2)]
    assert [tuple(row.values()) for row in rows] == kept
    assert (contents.rows, contents.duplicates) == (len(kept), count // 2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1.csv", "2.csv"]


# What is refused


@pytest.mark.parametrize("row", ["1,secret,anna", "1,secret,anna,p,more", "", ",,"])
def test_a_ragged_row_is_refused_with_its_line(tmp_path: Path, row: str) -> None:
    error = refused([file(tmp_path, f'{LOGINS}\n1,"two\nlines",a,p\n{row}\n')])
    fields = len(row.split(",")) if row else 0
    assert f"report.csv:4: the row has {fields} fields, the header 4." in str(error)
    assert error.code == "report.csv"


@pytest.mark.parametrize(
    ("lines", "line"),
    [
        (b"1,007,anna,p\n2,secr\xe9t,b,p\n", 3),
        (b'1,007,anna,p\n2,"secret,b,p\n3,4,5,6\n', 3),
        (b'1,"secret"x,anna,p\n', 2),
        (b"1,secret,an\rna,p\n", 2),
        (b"1," + b"secret" * 30_000 + b",anna,p\n", 2),
        (b"secret" * 800_000, 2),
    ],
    ids=["not UTF-8", "open quote", "after the quote", "bare CR", "endless value", "endless line"],
)
def test_what_is_no_csv_is_refused_with_its_line_and_without_its_values(
    tmp_path: Path, lines: bytes, line: int
) -> None:
    error = refused([file(tmp_path, f"{LOGINS}\n".encode() + lines)])
    assert re.search(rf"report\.csv:{line}: ", str(error))
    assert error.code == "report.csv"
    assert "secr" not in str(error)


def test_a_fault_in_the_last_file_is_known_before_the_first_batch(tmp_path: Path) -> None:
    good = file(tmp_path, f"{LOGINS}\n1,007,anna,p\n", "good.csv")
    bad = file(tmp_path, f"{LOGINS}\n1,007,anna\n", "bad.csv")
    with pytest.raises(DataError, match=r"bad\.csv:2"), open_rows([good, bad], "users", ["login_id"]):
        pytest.fail("it was opened")


def test_a_row_without_its_id_is_refused(tmp_path: Path) -> None:
    error = refused([file(tmp_path, f"{LOGINS}\n1,007,anna,p\n,008,bert,p\n")])
    assert "report.csv:3: the row has no canvas_user_id." in str(error)
    assert error.code == "report.key"


def test_a_file_whose_rows_cannot_be_told_apart_is_refused(tmp_path: Path) -> None:
    error = refused([file(tmp_path, "canvas_user_id,login_id\n1,anna\n")])
    assert "the header lacks user_id, authentication_provider_id" in str(error)
    assert error.code == "report.header"


# Against Python's own csv

KEY = LOGINS.split(",")
VALUES = st.text(
    st.sampled_from(list("ab0 ,\"\n\r;\t\\'\u00e9\u5b66\U0001f600\ufeff\0")) | st.characters(exclude_categories=["Cs"]),
    max_size=8,
)
ROWS = st.lists(
    st.tuples(st.sampled_from("12"), st.sampled_from(["", "0", "00"]), VALUES, st.sampled_from(["", "p"]), VALUES),
    max_size=12,
)


def as_ruby_writes(rows: Sequence[Sequence[str]], line_end: str, always_quoted: bool) -> str:
    def written(value: str) -> str:
        if always_quoted or re.search('[,"\r\n]', value):
            return '"' + value.replace('"', '""') + '"'
        return value

    return "".join(",".join(map(written, row)) + line_end for row in rows)


@settings(max_examples=80)
@given(files=st.lists(ROWS, min_size=1, max_size=3), line_end=st.sampled_from(["\n", "\r\n"]), quoted=st.booleans())
def test_rows_are_those_of_the_csv_module_with_the_last_of_each_key(
    files: list[list[tuple[str, ...]]], line_end: str, quoted: bool
) -> None:
    header = [*KEY, "full_name"]
    texts = [as_ruby_writes([header, *rows], line_end, quoted) for rows in files]
    last: dict[tuple[str, ...], tuple[str | None, ...]] = {}
    total = 0
    for text in texts:
        for row in list(csv.reader(io.StringIO(text, newline="")))[1:]:
            total += 1
            last.pop(tuple(row[:4]), None)
            last[tuple(row[:4])] = tuple(value or None for value in row)
    with TemporaryDirectory() as folder:
        paths = [file(Path(folder), text, f"{n}.csv") for n, text in enumerate(texts)]
        rows, contents = read(paths, "users", header)
    assert [tuple(row.values()) for row in rows] == list(last.values())
    assert (contents.rows, contents.duplicates) == (len(last), total - len(last))

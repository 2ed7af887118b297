"""What a log says: counts that add up, rejections without a value, and what else went wrong."""

import pytest

from canvas_replicate.databases.sqlldr.log_file import LoadLog, Rejection, find_coded_lines, read_log
from canvas_replicate.errors import DataError

HEAD = """
SQL*Loader: Release 21.0.0.0.0 - Production on Wed Sep 17 11:35:07 2025
Version 21.3.0.0.0

Copyright (c) 1982, 2021, Oracle and/or its affiliates.  All rights reserved.

Control File:   tmp_x.ctl
Data File:      tmp_x.dat
  Bad File:     tmp_x.bad
  Discard File: tmp_x.dsc
 (Allow all discards)

Number to load: ALL
Number to skip: 0
Errors allowed: 50
Bind array:     250 rows, maximum of 1048576 bytes
Continuation:    none specified
Path used:      Conventional

Table "REPORTING"."TMP_X", loaded from every logical record.
Insert option in effect for this table: TRUNCATE
TRAILING NULLCOLS option in effect

   Column Name                  Position   Len  Term Encl Datatype
------------------------------ ---------- ----- ---- ---- ---------------------
"ID"                                FIRST   255   |  O(") CHARACTER

"""


def summary(
    table: str = '"REPORTING"."TMP_X"',
    *,
    read: int,
    loaded: int,
    rejected: int = 0,
    when: int = 0,
    null: int = 0,
    discarded: int | None = None,
    errors: int | None = None,
) -> str:
    def rows(count: int) -> str:
        return f"  {count} {'Row' if count == 1 else 'Rows'}"

    return f"""
Table {table}:
{rows(loaded)} successfully loaded.
{rows(rejected if errors is None else errors)} not loaded due to data errors.
{rows(when)} not loaded because all WHEN clauses were failed.
{rows(null)} not loaded because all fields were null.


Space allocated for bind array:                 322500 bytes(250 rows)
Read   buffer bytes: 1048576

Total logical records skipped:          0
Total logical records read:             {read}
Total logical records rejected:         {rejected}
Total logical records discarded:        {when + null if discarded is None else discarded}

Run began on Wed Sep 17 11:35:07 2025
Run ended on Wed Sep 17 11:35:14 2025

Elapsed time was:     00:00:07.05
CPU time was:         00:00:00.25
"""


def test_a_load_without_any_trouble() -> None:
    assert read_log(HEAD + summary(read=4, loaded=4)) == LoadLog(4, 4, 0, 0, 0, ())


def test_one_row_is_a_row_and_many_are_rows() -> None:
    assert read_log(HEAD + summary(read=2, loaded=1, when=1)).loaded == 1


@pytest.mark.parametrize(
    "table",
    [
        "TMP_X",
        "REPORTING.TMP_X",
        '"REPORTING"."TMP_X"',
        "TMP_X, partition P_2030",
        '"REPORTING"."TMP_X", partition "P1"',
    ],
)
def test_records_are_told_however_the_table_is_named(table: str) -> None:
    text = HEAD + (
        f'Record 2: Rejected - Error on table {table}, column "UNITS".\nORA-01722: invalid number\n\n'
        f"Record 3: Rejected - Error on table {table}.\nORA-00001: unique constraint (REPORTING.TMP_X_PK) violated\n\n"
        "Record 4: Discarded - all columns null.\n"
        "Record 5: Discarded - failed all WHEN clauses.\n"
    )
    log = read_log(text + summary(table, read=5, loaded=1, rejected=2, when=1, null=1))
    assert log.rejections == (
        Rejection(2, "units", "ORA-01722", "invalid number"),
        Rejection(3, None, "ORA-00001", "a row with this key exists already"),
    )
    assert (log.read, log.loaded, log.rejected, log.discarded, log.stopped, log.fatal) == (5, 1, 2, 2, None, ())


def rejection(*reason: str) -> Rejection:
    text = HEAD + "\n".join(("Record 7: Rejected - Error on table TMP_X, column NAME.", *reason, ""))
    log = read_log(text + summary(read=1, loaded=0, rejected=1))
    assert (log.fatal, log.stopped) == ((), None)
    return log.rejections[0]


@pytest.mark.parametrize(
    ("reason", "code", "words"),
    [
        (
            ["ORA-01722: unable to convert string value containing 'Smith' to a number: "],
            "ORA-01722",
            "invalid number",
        ),
        (
            ['ORA-12899: value too large for column "R"."TMP_X"."NAME" (actual: 31, maximum: 30)'],
            "ORA-12899",
            "value too large",
        ),
        (["ORA-01438: value 12345 greater than specified precision"], "ORA-01438", "number too large"),
        (["ORA-20001: Smith owes 100"], "ORA-20001", "refused by a trigger or procedure"),
        (["ORA-29999: something odd near 'Smith' here"], "ORA-29999", "something odd near"),
        (
            ["ORA-29999: odd value 'MAXIMUM ERROR COUNT EXCEEDED ORA-00600: Specify SKIP=1 when continuing the load."],
            "ORA-29999",
            "odd value",
        ),
        (["ORA-29999: 'Smith'"], "ORA-29999", "no reason is given"),
        (
            ["ORA-04088: error during execution of trigger 'R.T'", "ORA-06512: at line 3", "ORA-01400: cannot insert NULL"],
            "ORA-01400",
            "NULL in a NOT NULL column",
        ),
        (["Field in data file exceeds maximum length"], "SQL*Loader", "Field in data file exceeds maximum length"),
        (
            ["Column not found before end of logical record (use TRAILING NULLCOLS)"],
            "SQL*Loader",
            "Column not found before end of logical record",
        ),
        (["SQL*Loader-2010: odd 'Smith'"], "SQL*Loader-2010", "odd"),
        ([], "SQL*Loader", "no reason is given"),
    ],
)  # fmt: skip
def test_a_reason_tells_the_code_and_never_a_value(reason: list[str], code: str, words: str) -> None:
    assert rejection(*reason) == Rejection(7, "name", code, words)


def test_rejections_without_an_empty_line_between_them_are_kept_apart() -> None:
    text = (
        "Record 1: Rejected - Error on table T, column A.\nORA-01722: invalid number\n"
        "Record 2: Rejected - Error on table T, column B.\nsecond enclosure string not present\n"
    )
    log = read_log(HEAD + text + summary("T", read=2, loaded=0, rejected=2))
    assert [(one.record, one.column, one.code) for one in log.rejections] == [
        (1, "a", "ORA-01722"),
        (2, "b", "SQL*Loader"),
    ]


def test_a_load_that_passed_its_error_limit_is_stopped_and_need_not_add_up() -> None:
    text = (
        "Record 1: Rejected - Error on table T, column A.\nORA-01722: invalid number\n\n"
        "MAXIMUM ERROR COUNT EXCEEDED - Above statistics reflect partial run.\n"
    )
    log = read_log(HEAD + text + summary("T", read=250, loaded=0, rejected=1))
    assert (log.stopped, log.read, log.rejected) == ("more records were rejected than allowed", 250, 1)


def test_a_load_that_the_database_discontinued_tells_where_and_why() -> None:
    text = (
        "SQL*Loader-605: Non-data dependent ORACLE error occurred -- load discontinued.\n"
        "ORA-01653: unable to extend table R.TMP_X by 128 in tablespace USERS\n\n"
        "Specify SKIP=500 when continuing the load.\n"
    )
    log = read_log(HEAD + text + summary(read=750, loaded=500))
    assert log.stopped == "discontinued after 500 records"
    assert log.fatal == (
        "SQL*Loader-605: Non-data dependent ORACLE error occurred -- load discontinued.",
        "ORA-01653: unable to extend table R.TMP_X by 128 in tablespace USERS",
    )


def test_an_index_that_a_direct_load_left_unusable_is_told_though_all_rows_are_loaded() -> None:
    text = HEAD.replace("Conventional", "Direct") + (
        "The following index(es) on table TMP_X were processed:\n"
        "ORA-39828: Constraint R.TMP_X_PK was disabled because of index R.TMP_X_PK error.\n"
        "index R.TMP_X_PK was made unusable due to:\n"
        "ORA-01452: cannot CREATE UNIQUE INDEX; duplicate keys found\n"
        'index "R"."TMP_X_U" was made unusable due to:\n'
        "SKIP_INDEX_MAINTENANCE option requested\n"
        "index R.TMP_X_N loaded successfully with 3 keys\n"
    )
    end = summary("TMP_X", read=3, loaded=3).replace(
        "Space allocated for bind array:                 322500 bytes(250 rows)",
        "Bind array size not used in direct path.\nColumn array  rows :    5000\nStream buffer bytes:  256000",
    )
    log = read_log(text + end + "Total stream buffers loaded by SQL*Loader main thread:        1\n")
    assert log.unusable_indexes == ("R.TMP_X_PK", "R.TMP_X_U")
    assert (log.loaded, log.fatal, log.stopped) == (3, (), None)


def test_the_release_line_is_no_error_and_coded_lines_are_found_without_a_summary() -> None:
    text = "SQL*Loader-704: Internal error: ulconnect: OCISessionBegin [0]\nORA-01017: invalid username/password\n"
    assert find_coded_lines(HEAD + text) == tuple(text.splitlines())
    assert find_coded_lines(HEAD) == ()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is incomplete: it does not show 'successfully loaded'."),
        (HEAD, "is incomplete"),
        (HEAD + summary(read=4, loaded=4).partition("Total logical records read")[0], "does not show 'read'."),
        (HEAD + summary(read=4, loaded=4) * 2, "more than one summary."),
        (HEAD + summary(read=5, loaded=4), "read, and loaded + rejected + discarded are 5 and 4."),
        (HEAD + summary(read=5, loaded=4, rejected=1, errors=0), "rejected, and rows with data errors are 1 and 0."),
        (HEAD + summary(read=5, loaded=4, rejected=1), "rejected, and records named are 1 and 0."),
        (HEAD + summary(read=5, loaded=4, null=2, discarded=1), "discarded, and rows not loaded are 1 and 2."),
    ],
)
def test_a_log_that_is_not_whole_or_contradicts_itself_is_not_believed(text: str, message: str) -> None:
    with pytest.raises(DataError) as caught:
        read_log(text)
    assert caught.value.code == "sqlldr.log"
    assert message in str(caught.value)

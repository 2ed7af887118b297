"""AS OF SCN on a real Oracle (oracle.md 4.5): one moment for all tables, and every way in which there is none."""

from __future__ import annotations

import pytest
from tests.real_oracle.carrying import values, wait_for_moments
from tests.real_oracle.real_oracle import Server, User

from canvas_replicate.databases.oracle.source import OracleSource
from canvas_replicate.databases.ports import SnapshotUnavailable
from canvas_replicate.errors import PermanentError


@pytest.fixture
def source(reporting: User) -> OracleSource:
    reporting.sql(
        "CREATE TABLE one (id NUMBER(3), born TIMESTAMP(9))",
        "CREATE TABLE two (id NUMBER(3), note CLOB)",
        "INSERT INTO one VALUES (1, TIMESTAMP '2030-01-01 00:00:00.123456789')",
        "INSERT INTO two VALUES (1, 'old')",
    )
    made = OracleSource(reporting.opened)
    wait_for_moments(made, "SELECT * FROM one", "SELECT * FROM two")
    return made


def test_every_table_of_a_query_is_read_as_of_the_same_moment(source: OracleSource, reporting: User) -> None:
    moment = source.moment()
    reporting.sql(
        "UPDATE two SET note = 'new'", "INSERT INTO one VALUES (2, NULL)", "INSERT INTO two VALUES (2, 'new')"
    )
    joined = "SELECT a.id, b.note FROM one a JOIN two b ON b.id = a.id ORDER BY 1"
    nested = "WITH q AS (SELECT id FROM one) SELECT q.id, (SELECT COUNT(*) FROM two) AS n FROM q ORDER BY 1"
    assert values(source, joined, as_of=moment) == [(1, "old")]
    assert values(source, joined) == [(1, "new"), (2, "new")]
    assert values(source, nested, as_of=moment) == [(1, 1)]
    assert values(source, nested) == [(1, 2), (2, 2)]


def test_a_column_that_is_read_through_a_mask_is_read_as_of_the_moment_too(
    source: OracleSource, reporting: User
) -> None:
    moment = source.moment()
    reporting.sql("DELETE FROM one")
    found = values(source, "SELECT born, id FROM reporting.one o WHERE id IN (SELECT id FROM two) -- end", as_of=moment)
    assert found == [("2030-01-01 00:00:00.123456789", 1)]


def test_reading_as_of_a_moment_needs_flashback_on_the_table(
    source: OracleSource, reporting: User, oracle_server: Server
) -> None:
    reporting.sql("GRANT SELECT ON one TO campus_guest")
    guest, moment = OracleSource(oracle_server.user("campus_guest").opened), source.moment()
    query = "SELECT id FROM reporting.one"
    assert values(guest, query) == [(1,)]
    with pytest.raises(SnapshotUnavailable, match=r"ORA-01031|ORA-41900"):
        values(guest, query, as_of=moment)
    reporting.sql("GRANT FLASHBACK ON one TO campus_guest")
    oracle_server.sql("GRANT EXECUTE ON SYS.DBMS_FLASHBACK TO campus_guest")
    try:
        assert values(guest, query, as_of=wait_for_moments(guest, query)) == [(1,)]
    finally:
        oracle_server.sql("REVOKE EXECUTE ON SYS.DBMS_FLASHBACK FROM campus_guest")


def test_a_user_who_may_not_ask_for_the_moment_is_told_what_to_ask_for(oracle_server: Server) -> None:
    with pytest.raises(SnapshotUnavailable, match="Grant EXECUTE on DBMS_FLASHBACK"):
        OracleSource(oracle_server.user("campus_guest").opened).moment()


@pytest.mark.parametrize("change", ["TRUNCATE TABLE one", "ALTER TABLE one DROP COLUMN born"])
def test_a_table_that_ddl_changed_since_has_no_such_moment(source: OracleSource, reporting: User, change: str) -> None:
    moment = source.moment()
    reporting.sql(change)
    with pytest.raises(SnapshotUnavailable, match="ORA-01466"):
        values(source, "SELECT id FROM one", as_of=moment)
    assert len(values(source, "SELECT id FROM one")) <= 1


@pytest.mark.parametrize("far", [1, None])
def test_a_number_that_is_no_moment_says_so(source: OracleSource, far: int | None) -> None:
    moment = source.moment() + 10**9 if far is None else far
    with pytest.raises(SnapshotUnavailable, match=r"ORA-08181|ORA-01555|ORA-01466|ORA-08180|ORA-30052"):
        values(source, "SELECT id FROM one", as_of=moment)


def test_a_query_that_is_wrong_is_no_matter_of_the_moment(source: OracleSource) -> None:
    with pytest.raises(PermanentError, match="ORA-00942") as caught:
        values(source, "SELECT id FROM no_such_table", as_of=source.moment())
    assert not isinstance(caught.value, SnapshotUnavailable)


def test_what_may_read_tables_as_of_now_is_refused(source: OracleSource, reporting: User) -> None:
    reporting.sql("CREATE VIEW v AS SELECT id FROM one")
    assert values(source, "SELECT id FROM v", as_of=source.moment()) == [(1,)]
    with pytest.raises(SnapshotUnavailable, match="calls"):
        values(source, "SELECT own_function(id) AS x FROM one", as_of=source.moment())

"""What the campus holds: seven tables of a PeopleSoft-like student system.

Three of them have the sizes that stand in the old scripts' log: 26,421, 34,674 and 178,018 rows.

Types are DuckDB's. It has no DATE with a time of day: TIMESTAMP_S stands for Oracle's DATE (no fraction),
TIMESTAMP for TIMESTAMP(6), DECIMAL(p,s) for NUMBER(p,s).
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from replicate_demo import rows
from replicate_demo.draws import Rng


@dataclass(frozen=True)
class SourceTable:
    """How many rows a table has at scale 1, its DuckDB columns, and what fills them."""

    size: int
    definition: str
    fill: Callable[[Rng, rows.Sizes], rows.Columns]


def make_table(name: str, *, seed: int, sizes: rows.Sizes) -> pa.Table:
    """One whole table of the campus of that seed and those sizes.

    Every table has a generator of its own, so a change to one leaves the content of the others alone.
    """
    rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
    return pa.table(TABLES[name].fill(rng, sizes))


def sizes_at(scale: float) -> dict[str, int]:
    """Table -> rows at a scale. Terms are a calendar, they do not grow with the campus."""
    return {
        name: table.size if name == "terms" else max(1, round(table.size * scale)) for name, table in TABLES.items()
    }


TABLES = {
    "students": SourceTable(
        12_000,
        """
        emplid         VARCHAR NOT NULL,
        first_name     VARCHAR NOT NULL,
        last_name      VARCHAR NOT NULL,
        preferred_name VARCHAR,
        email          VARCHAR,
        acad_level     DECIMAL(2,0),
        cum_gpa        DECIMAL(4,3),
        balance_due    DECIMAL(12,2),
        ledger_key     DECIMAL(38,0) NOT NULL,
        birthdate      TIMESTAMP_S,
        admit_dt       TIMESTAMP_S NOT NULL,
        last_login     TIMESTAMPTZ,
        last_updated   TIMESTAMP NOT NULL
        """,
        rows.students,
    ),
    "terms": SourceTable(
        len(rows.TERMS),
        """
        strm        VARCHAR NOT NULL,
        descr       VARCHAR NOT NULL,
        canvas_term VARCHAR NOT NULL,
        acad_year   DECIMAL(4,0) NOT NULL,
        begin_dt    TIMESTAMP_S NOT NULL,
        end_dt      TIMESTAMP_S NOT NULL
        """,
        rows.terms,
    ),
    "courses": SourceTable(
        2_500,
        """
        crse_id       VARCHAR NOT NULL,
        effdt         TIMESTAMP_S NOT NULL,
        end_effdt     TIMESTAMP_S,
        subject       VARCHAR NOT NULL,
        catalog_nbr   VARCHAR NOT NULL,
        course_title  VARCHAR NOT NULL,
        units_minimum DECIMAL(5,2) NOT NULL,
        descr_long    VARCHAR
        """,
        rows.courses,
    ),
    "sections": SourceTable(
        6_000,
        """
        strm          VARCHAR NOT NULL,
        class_nbr     DECIMAL(6,0) NOT NULL,
        crse_id       VARCHAR NOT NULL,
        class_section VARCHAR NOT NULL,
        meeting_slot  VARCHAR,
        instructor_id VARCHAR,
        enrl_cap      DECIMAL(4,0),
        lab_fee       DECIMAL(12,2),
        start_dt      TIMESTAMP_S NOT NULL,
        last_updated  TIMESTAMP NOT NULL
        """,
        rows.sections,
    ),
    "enrollments": SourceTable(
        178_018,
        """
        strm         VARCHAR NOT NULL,
        class_nbr    DECIMAL(6,0) NOT NULL,
        emplid       VARCHAR NOT NULL,
        enrl_status  VARCHAR NOT NULL,
        units_taken  DECIMAL(5,2) NOT NULL,
        crse_grade   VARCHAR,
        tuition      DECIMAL(12,2),
        add_dt       TIMESTAMP_S NOT NULL,
        drop_dt      TIMESTAMP_S,
        last_updated TIMESTAMP NOT NULL
        """,
        rows.enrollments,
    ),
    "advisor_notes": SourceTable(
        26_421,
        """
        note_id       DECIMAL(15,0) NOT NULL,
        emplid        VARCHAR NOT NULL,
        advisor_name  VARCHAR NOT NULL,
        minutes_spent DECIMAL(6,1),
        noted_at      TIMESTAMPTZ NOT NULL,
        follow_up_dt  TIMESTAMP_S,
        summary       VARCHAR,
        body          VARCHAR
        """,
        rows.advisor_notes,
    ),
    "class_meetings": SourceTable(
        34_674,
        """
        strm         VARCHAR NOT NULL,
        class_nbr    DECIMAL(6,0) NOT NULL,
        meeting_nbr  DECIMAL(3,0) NOT NULL,
        facility_id  VARCHAR,
        meeting_dt   TIMESTAMP_S NOT NULL,
        opens_at     TIMESTAMPTZ,
        seats        DECIMAL(4,0),
        topic        VARCHAR,
        last_updated TIMESTAMP NOT NULL
        """,
        rows.class_meetings,
    ),
}

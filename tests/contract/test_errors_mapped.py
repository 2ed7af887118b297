"""No driver's exception is left without a meaning of ours."""

from __future__ import annotations

import duckdb
import pytest

from canvas_replicate.databases.duckdb import translated
from canvas_replicate.errors import DataError, PermanentError, TransientError

DUCKDB_ERRORS = [kind for kind in vars(duckdb).values() if isinstance(kind, type) and issubclass(kind, duckdb.Error)]


@pytest.mark.parametrize("kind", DUCKDB_ERRORS, ids=lambda kind: kind.__name__)
def test_every_duckdb_error_is_one_of_ours(kind: type[duckdb.Error]) -> None:
    error = translated(kind("first line\nsecond line"), "table x")
    assert isinstance(error, TransientError | PermanentError)
    assert error.code == f"duckdb.{kind.__name__}"
    assert "table x" in str(error)
    assert "second line" not in str(error)


def test_a_refused_value_does_not_get_into_the_text() -> None:
    error = translated(duckdb.ConversionException("Could not convert string '123-45-6789' to INT32"), "table x")
    assert isinstance(error, DataError)
    assert "6789" not in str(error)


def test_what_may_pass_is_retried_and_what_cannot_is_not() -> None:
    assert isinstance(translated(duckdb.TransactionException("conflict"), "x"), TransientError)
    assert isinstance(translated(duckdb.IOException("disk"), "x"), TransientError)
    assert not isinstance(translated(duckdb.CatalogException("no table"), "x"), TransientError)
    assert isinstance(translated(duckdb.ConstraintException("duplicate key"), "x"), DataError)

"""A whole campus in one DuckDB file, the same to the last cell whenever seed and scale are the same."""

from __future__ import annotations

import difflib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb

from replicate_demo.tables import TABLES, make_table, sizes_at

SCHEMA = "sis"
SEED = 2020
VERSION = 1  # raised whenever the content changes: files of an older campus are then rebuilt
SMALLEST, LARGEST = 0.01, 100.0


class CampusError(Exception):
    """One sentence for the person at the terminal, and the command's exit code."""

    def __init__(self, message: str, exit_code: int = 2) -> None:
        super().__init__(message)
        self.exit_code = exit_code


@dataclass(frozen=True)
class Recipe:
    """What decides every cell of a campus."""

    seed: int
    scale: float
    version: int = VERSION


def build_campus(path: Path, *, seed: int = SEED, scale: float = 1.0) -> dict[str, int]:
    """Write the campus and return table -> rows.

    It is written beside ``path`` and renamed, so ``path`` is never half a campus. A campus that is there
    already is replaced, but only while nobody has it open; any other file is refused (CampusError).
    """
    recipe = Recipe(seed, _checked(scale))
    path.parent.mkdir(parents=True, exist_ok=True)
    with _old_campus_locked(path), tempfile.TemporaryDirectory(prefix=".campus-", dir=path.parent) as aside:
        part = Path(aside, path.name)
        with _connected(part) as connection:
            _write_campus(connection, recipe)
        part.replace(path)
    return sizes_at(scale)


def kept_campus(path: Path, *, seed: int, scale: float) -> dict[str, int] | None:
    """Table -> rows, if ``path`` is exactly that campus with all of its rows; None if it must be built."""
    if not path.exists():
        return None
    with _connected(path, read_only=True) as connection:
        same = _recipe(connection, path) == Recipe(seed, _checked(scale))
        return sizes_at(scale) if same and _sizes(connection) == sizes_at(scale) else None


def empty_table(path: Path, table: str) -> int:
    """Take all rows out of one table and return how many there were: what an upstream accident looks like."""
    _check_table(table)
    with _existing_campus(path) as (connection, _):
        before = _sizes(connection).get(table, 0)
        connection.execute(f"DELETE FROM {SCHEMA}.{table}")
    return before


def restore_table(path: Path, table: str) -> int:
    """Make one table anew as it was built, in one transaction, whatever became of it; return its rows."""
    _check_table(table)
    with _existing_campus(path) as (connection, recipe):
        connection.begin()
        _write_table(connection, table, recipe)
        connection.commit()
    return sizes_at(recipe.scale)[table]


def _write_campus(connection: duckdb.DuckDBPyConnection, recipe: Recipe) -> None:
    connection.execute(f"CREATE SCHEMA {SCHEMA}")
    for name in TABLES:
        _write_table(connection, name, recipe)
    connection.execute("CREATE SCHEMA demo")
    connection.execute("CREATE TABLE demo.recipe (seed BIGINT, scale DOUBLE, version INTEGER)")
    connection.execute("INSERT INTO demo.recipe VALUES (?, ?, ?)", [recipe.seed, recipe.scale, recipe.version])


def _write_table(connection: duckdb.DuckDBPyConnection, name: str, recipe: Recipe) -> None:
    content = make_table(name, seed=recipe.seed, sizes=sizes_at(recipe.scale))
    connection.execute(f"CREATE OR REPLACE TABLE {SCHEMA}.{name} ({TABLES[name].definition})")
    connection.register("content", content)
    connection.execute(f"INSERT INTO {SCHEMA}.{name} BY NAME SELECT * FROM content")
    connection.unregister("content")


def _sizes(connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """Table -> rows, of what is really there."""
    found = connection.execute(
        "SELECT table_name FROM information_schema.tables WHERE table_schema = ?", [SCHEMA]
    ).fetchall()
    return {name: _count(connection, f'{SCHEMA}."{name}"') for (name,) in found}


def _count(connection: duckdb.DuckDBPyConnection, table: str) -> int:
    return int(connection.execute(f"SELECT count(*) FROM {table}").fetchall()[0][0])


def _recipe(connection: duckdb.DuckDBPyConnection, path: Path) -> Recipe:
    try:
        found = connection.execute("SELECT seed, scale, version FROM demo.recipe").fetchall()
    except duckdb.CatalogException as error:
        raise CampusError(f"{path} is a database, but not a campus; it is left as it is. Name another file.") from error
    return Recipe(*found[0])


@contextmanager
def _connected(path: Path, *, read_only: bool = False) -> Iterator[duckdb.DuckDBPyConnection]:
    try:
        connection = duckdb.connect(str(path), read_only=read_only)
    except duckdb.IOException as error:
        if "Could not set lock" in str(error):
            raise CampusError(
                f"{path} is open in another process, and a DuckDB file belongs to one at a time; "
                "try again when that one has ended.",
                exit_code=6,
            ) from error
        raise CampusError(f"{path} cannot be opened as a DuckDB file: {_first_line(error)}") from error
    try:
        yield connection
    finally:
        connection.close()


@contextmanager
def _existing_campus(path: Path) -> Iterator[tuple[duckdb.DuckDBPyConnection, Recipe]]:
    if not path.exists():
        raise CampusError(f"{path} does not exist; make it with: replicate-demo campus {path}")
    with _connected(path) as connection:
        recipe = _recipe(connection, path)
        if recipe.version != VERSION:
            raise CampusError(
                f"{path} was built as version {recipe.version}, this is version {VERSION}; "
                f"rebuild it with: replicate-demo campus {path} --fresh"
            )
        yield connection, recipe


@contextmanager
def _old_campus_locked(path: Path) -> Iterator[None]:
    """Hold the file that is about to be replaced, so that nobody else is at work in it."""
    if not path.exists():
        yield
        return
    with _connected(path) as connection:
        _recipe(connection, path)
        yield


def _checked(scale: float) -> float:
    if not SMALLEST <= scale <= LARGEST:
        raise CampusError(f"scale {scale:g} is out of range; it goes from {SMALLEST:g} to {LARGEST:g}.")
    return scale


def _check_table(table: str) -> None:
    if table in TABLES:
        return
    near = difflib.get_close_matches(table.lower(), TABLES, n=1)
    hint = f"; did you mean {near[0]}?" if near else f"; there are {', '.join(TABLES)}."
    raise CampusError(f"the campus has no table {table!r}{hint}")


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0]

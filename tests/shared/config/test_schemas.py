"""The JSON schemas of the YAML files: what an editor accepts, and what it marks."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator
from tests.repository import ROOT
from typer.testing import CliRunner

from canvas_replicate.cli import app
from canvas_replicate.config.schemas import YAML_FILES, build_file_schema
from canvas_replicate.errors import ConfigError, ExitCode

CONF = ROOT / "conf"
SAMPLES = [path for path in sorted(CONF.iterdir()) if path.name.removesuffix(".example") in YAML_FILES]


def marks(file: str, text: str) -> list[str]:
    """The paths at which an editor marks something; PyYAML reads numbers and switches as editors do."""
    found = Draft202012Validator(build_file_schema(file)).iter_errors(yaml.safe_load(text))
    return sorted(error.json_path for error in found)


@pytest.mark.parametrize("name", YAML_FILES)
def test_every_file_has_a_valid_schema(name: str) -> None:
    Draft202012Validator.check_schema(build_file_schema(name))
    assert build_file_schema(f"some/where/{name}")["title"] == name


def test_the_samples_are_what_their_schemas_want() -> None:
    assert len(SAMPLES) == len(YAML_FILES)
    for path in SAMPLES:
        assert marks(path.name.removesuffix(".example"), path.read_text("utf-8")) == [], path


@pytest.mark.parametrize(
    ("file", "text", "path"),
    [
        ("tablesconf.yaml", "t: {cstable: t, mvtable: v, sql: S, toggle: onn}", ["$.t.toggle"]),
        ("tablesconf.yaml", "t: {cstable: t, mvtable: v, sql: S, toggle: On, max_rejected: 5, max_shrink: 0.5}", []),
        ("tablesconf.yaml", "t: {cstable: t, mvtable: v, sql: S, varbl1: , max_shrink: 50%}", []),
        ("tablesconf.yaml", "t: {cstable: t, mvtable: v, sql: S, max_shrink: 50}", ["$.t.max_shrink"]),
        ("tablesconf.yaml", "t: {cstable: t, sql: S}", ["$.t"]),
        ("tablesconf.yaml", "schedules: {hourly: {deadlin: 6h}}", ["$.schedules.hourly"]),
        ("tablesconf.yaml", "schedules: {hourly: {max_age: 6h, busy: mon-fri 6-22, quiet_max_age: 3d}}", []),
        ("tablesconf.yaml", "schedules: {hourly: {max_age: 6 hours}}", ["$.schedules.hourly.max_age"]),
        ("tablelist.yaml", "hourly: tmp_a", ["$.hourly"]),
        ("provisions.yaml", "{terms: [fa19, 2199], regular: {users: {scope: term, cstable: t, mvtable: v}}}", ["$.regular"]),
        ("provisions.yaml", "{regular: {terms: [fa19], courses: {scope: term, cstable: t, mvtable: v}}}", []),
        ("provisions.yaml", "{regular: {terms: {scope: account, cstable: t, mvtable: v}}}", []),
        ("pushes.yaml", "regular: [{process: p, kind: enrolments, sql: S}]", ["$.regular[0].kind"]),
        ("pushes.yaml", "{regular: [{process: p, kind: users, sql: S, budget: {removals_percent: 5}}], orgs: }", []),
        ("appconf.yaml", "odl: {user: a, dsn: b, pasword: aGVsbG8=}", ["$.odl"]),
    ],
)  # fmt: skip
def test_an_editor_marks_what_the_command_refuses(file: str, text: str, path: list[str]) -> None:
    assert [found for found in marks(file, text) if any(found.startswith(each) for each in path)] == marks(file, text)
    assert bool(marks(file, text)) == bool(path)


def run(*arguments: str) -> Any:
    return CliRunner().invoke(app.app, ["config", "schema", *arguments])


def test_the_command_prints_the_schema_of_a_file_or_of_the_settings() -> None:
    assert json.loads(run("conf/pushes.yaml").output) == build_file_schema("pushes.yaml")
    assert "bus_url" in json.loads(run().output)["properties"]


def test_another_name_is_refused_with_the_names_that_there_are() -> None:
    error = run("tables.yaml").exception
    assert isinstance(error, ConfigError)
    assert error.exit_code is ExitCode.USAGE
    assert str(error) == (
        "There is no schema of 'tables.yaml'. "
        "Name one of appconf.yaml, provisions.yaml, pushes.yaml, tablelist.yaml, tablesconf.yaml."
    )

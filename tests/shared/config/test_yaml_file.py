"""Reading YAML: every value has its place, and every fault has one."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import create_model

from canvas_replicate.config.yaml_file import YamlNode, raise_problems, read_yaml, together
from canvas_replicate.config.yaml_models import (
    Duration,
    FilledText,
    Keys,
    Maybe,
    Switch,
    Text,
    WholeNumber,
    parse_duration,
    read_model,
)
from canvas_replicate.errors import ConfigError, Place
from canvas_replicate.suggest import did_you_mean

HERE = Path("x.yaml")


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def read(text: str | bytes) -> YamlNode:
    HERE.write_bytes(text.encode() if isinstance(text, str) else text)
    return read_yaml(HERE)


def value_of(kind: Any, text: str) -> Any:
    """What a model whose only key is ``a`` makes of the file."""
    problems: list[ConfigError] = []
    found = read_model(create_model("Made", __base__=Keys, a=(kind, ...)), read(text), problems)
    raise_problems(problems)
    return found and getattr(found, "a")  # noqa: B009


def refusal(text: str | bytes) -> str:
    with pytest.raises(ConfigError) as caught:
        read(text)
    return str(caught.value)


def test_keys_and_values_know_their_places() -> None:
    node = read("a:\n  bb: 'text'\n").mapping()["a"].mapping()["bb"]
    assert (node.name, node.text()) == ("a.bb", "text")
    assert (node.key_place, node.place) == (Place(HERE, 2, 3), Place(HERE, 2, 7))


@pytest.mark.parametrize("written", ["2201", "'0042'", "1.50", "on", "2020-01-01", "1_000", "0x1f", "12:30"])
def test_scalars_stay_the_text_that_was_written(written: str) -> None:
    assert read(f"a: {written}").mapping()["a"].text() == written.strip("'")


@pytest.mark.parametrize("written", ["", "~", "null"])
def test_an_empty_value_is_empty_text(written: str) -> None:
    assert read(f"a: {written}\n").mapping()["a"].text() == ""


@pytest.mark.parametrize("text", ["", "# nothing but this\n", "---\n", "~\n", "\n\n"])
def test_an_empty_file_is_an_empty_map(text: str) -> None:
    assert read(text).mapping() == {}
    assert read(text).place == Place(HERE, 1, 1)


def test_a_byte_order_mark_is_passed_over() -> None:
    assert read(b"\xef\xbb\xbfa: b\n").mapping()["a"].place == Place(HERE, 1, 4)


@pytest.mark.parametrize("written", ["on", '"on"', "ON", "true", "yes", "'True'"])
def test_every_spelling_of_on_switches_on(written: str) -> None:
    assert value_of(Switch, f"a: {written}") is True


@pytest.mark.parametrize("written", ["off", '"off"', "Off", "false", "no"])
def test_every_spelling_of_off_switches_off(written: str) -> None:
    assert value_of(Switch, f"a: {written}") is False


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            'sql: "SELECT "A" FROM t"\n',
            "x.yaml:1:15: not valid YAML: the quote before this place ends the text, and more follows. "
            "For SQL that holds quotes use a block scalar: sql: |",
        ),
        (
            'a:\n  sql: "SELECT ""A"" FROM t"\n',
            "x.yaml:2:17: not valid YAML: the quote before this place ends the text, and more follows. "
            "For SQL that holds quotes use a block scalar: sql: |",
        ),
        ("a:\n\tb: 1\n", "x.yaml:2:1: not valid YAML: a tab is used for indentation. Use spaces."),
        ("a:\n  b: 1\n  \tc: 2\n", "x.yaml:3:3: not valid YAML: a tab is used for indentation. Use spaces."),
        ("a:\n  sql: |\n\tSELECT\n", "x.yaml:3:1: not valid YAML: a tab is used for indentation. Use spaces."),
        ("a: b\nc: 'd\n", "x.yaml:2:4: not valid YAML: the quote that opens here is never closed."),
        (
            "a: x: y\n",
            "x.yaml:1:5: not valid YAML: mapping values are not allowed here. "
            "Text that holds a colon and a blank needs quotes, SQL a block scalar: sql: |",
        ),
        (
            "a: [1\nb: 2\n",
            "x.yaml:2:2: not valid YAML: expected ',' or ']', but got ':' "
            "(while parsing a flow sequence that starts in line 1).",
        ),
        ("a: 1\nb: 2\na: 3\n", "x.yaml:3:1: the key 'a' is here twice, first in line 1."),
        ("a:\n  b: 1\n  'b': 2\n", "x.yaml:3:3: the key 'b' is here twice, first in line 2."),
        ("a: ok\nb: \x07\n", "x.yaml:2:4: not valid YAML: a control character."),
        (b"a: ok\nb: M\xfcller\n", "x.yaml:2:5: not UTF-8 text. Save the file as UTF-8."),
        ("? [a]\n: b\n", "x.yaml:1:3: a key must be text."),
        ("a: !secret b\n", "x.yaml:1:4: the tag '!secret' is not supported."),
        ("a: &x b\nc: *x\n", "x.yaml:2:4: not valid YAML: an alias (*name) is not supported, write it out."),
        ("a: &x [*x]\n", "x.yaml:1:8: not valid YAML: an alias (*name) is not supported, write it out."),
        ("[" * 5000, "x.yaml: not valid YAML: nested too deeply."),
    ],
)
def test_what_is_not_valid_is_refused_at_its_place(text: str | bytes, message: str) -> None:
    assert refusal(text) == message


def test_a_missing_file_names_the_setting_that_leads_to_it() -> None:
    with pytest.raises(ConfigError) as caught:
        read_yaml(Path("conf/tablelist.yaml"))
    assert str(caught.value) == (
        "conf/tablelist.yaml: the file does not exist. "
        "REPLICATE_CONF_DIR names the folder of the configuration files, now 'conf'."
    )


def test_a_folder_in_the_place_of_the_file_is_refused() -> None:
    HERE.mkdir()
    with pytest.raises(ConfigError, match=r"^x\.yaml: cannot be read: Is a directory\.$"):
        read_yaml(HERE)


@pytest.mark.parametrize(
    ("written", "kind", "message"),
    [
        ("onn", Switch, "x.yaml:1:4: a must be on or off, not 'onn'."),
        ("", Switch, "x.yaml:1:3: a must be on or off, not ''."),
        ("-1", WholeNumber, "x.yaml:1:4: a must be a whole number, 0 or more, not '-1'."),
        ("[b]", Text, "x.yaml:1:4: a must be text, not a list."),
        ("[b]", WholeNumber, "x.yaml:1:4: a must be text, not a list."),
        ("{b: c}", Literal["b"], "x.yaml:1:4: a must be text, not a map."),
        ("{b: c}", tuple[str, ...], "x.yaml:1:4: a must be a list, not a map."),
        ("", tuple[str, ...], "x.yaml:1:3: a must be a list, not empty."),
        ("b", dict[str, str], "x.yaml:1:4: a must be a map of keys, not text."),
        ("b", Keys, "x.yaml:1:4: a must be a map of keys, not text."),
        ("''", FilledText, "x.yaml:1:4: a must not be empty."),
        ("6 hours", Duration, "x.yaml:1:4: a: '6 hours' is not a duration such as 45s, 90m, 6h or 1d."),
        ("c", Literal["b", "bb"], "x.yaml:1:4: a cannot be 'c'. Known: b, bb."),
    ],
)
def test_a_value_of_another_kind_is_refused_at_its_place(written: str, kind: Any, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        value_of(kind, f"a: {written}")
    assert str(caught.value) == message


@pytest.mark.parametrize("written", ["", "''", "~", "null"])
def test_an_empty_value_of_a_key_that_may_be_left_out_is_none(written: str) -> None:
    assert value_of(Maybe[Duration], f"a: {written}\n") is None
    assert value_of(Maybe[FilledText], f"a: {written}\n") is None


def test_the_accessors_of_a_node_refuse_another_kind_as_well() -> None:
    keys = read("a: [b]\nb: {c: d}\nc: d\n").mapping()
    for ask, message in [
        (keys["a"].text, "x.yaml:1:4: a must be text, not a list."),
        (keys["b"].items, "x.yaml:2:4: b must be a list, not a map."),
        (keys["c"].mapping, "x.yaml:3:4: c must be a map of keys, not text."),
    ]:
        with pytest.raises(ConfigError) as caught:
            ask()
        assert str(caught.value) == message


class Entry(Keys):
    cstable: str
    mvtable: str
    toggle: Switch = True


def test_an_unknown_key_is_answered_with_the_nearest() -> None:
    with pytest.raises(ConfigError) as caught:
        value_of(Entry, "a:\n  cstabel: x\n  cstable: x\n  mvtable: x\n")
    assert str(caught.value) == "x.yaml:2:3: a has a key 'cstabel' that is not known. Did you mean 'cstable'?"


def test_a_missing_key_is_reported_at_the_entry() -> None:
    problems: list[ConfigError] = []
    read_model(
        create_model("Made", __base__=Keys, a=(Entry, ...), b=(str, ...)), read("b: 1\na:\n  cstable: x\n"), problems
    )
    assert [str(problem) for problem in problems] == ["x.yaml:2:1: a has no key 'mvtable', which it needs."]


def test_all_that_is_wrong_in_one_entry_is_told_in_the_order_of_the_file() -> None:
    with pytest.raises(ConfigError) as caught:
        value_of(Entry, "a:\n  toggle: onn\n  cstable: [x]\n  mvtabel: x\n")
    assert str(caught.value).splitlines() == [
        "x.yaml:1:1: a has no key 'mvtable', which it needs.",
        "x.yaml:2:11: a.toggle must be on or off, not 'onn'.",
        "x.yaml:3:12: a.cstable must be text, not a list.",
        "x.yaml:4:3: a has a key 'mvtabel' that is not known. Did you mean 'mvtable'?",
    ]


@pytest.mark.parametrize(
    ("text", "line", "column", "place"),
    [
        ("a:\n  sql: |\n    SELECT\n      FORM t\n", 2, 3, (4, 7)),
        ("a:\n  sql: |  # why\n\n    SELECT\n", 2, 1, (4, 5)),
        ("a:\n  sql: |4\n      SELECT\n", 1, 1, (3, 7)),
        ("a:\r\n  sql: |-\r\n    SELECT\r\n    FORM\r\n", 2, 1, (4, 5)),
        ("a:\n  sql: SELECT b FORM t\n", 1, 10, (2, 17)),
        ("a:\n  sql: 'SELECT b FORM t'\n", 1, 10, (2, 18)),
        ("a:\n  sql: 'SELECT ''b'' FORM t'\n", 1, 12, (2, None)),
        ("a:\n  sql: SELECT b\n    FORM t\n", 1, 10, (2, None)),
        ("a:\n  sql: >\n    SELECT b\n    FORM t\n", 1, 10, (2, None)),
    ],
)
def test_a_place_in_a_text_is_a_place_in_the_file(
    text: str, line: int, column: int, place: tuple[int, int | None]
) -> None:
    sql = read(text).mapping()["a"].mapping()["sql"]
    assert sql.place_at(line, column) == Place(HERE, *place)


@given(lines=st.lists(st.text("ab (),'\"#:-", max_size=8), min_size=1).filter(lambda lines: "".join(lines).strip()))
def test_every_character_of_a_block_scalar_is_found_again_in_the_file(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str]
) -> None:
    lines = ["x", *lines]  # the first line sets the indentation
    path = tmp_path_factory.mktemp("block") / "x.yaml"
    path.write_text("a:\n  sql: |\n" + "".join(f"    {line}\n" for line in lines))
    raw = path.read_text().split("\n")
    sql = read_yaml(path).mapping()["a"].mapping()["sql"]
    for number, line in enumerate(sql.text().split("\n"), start=1):
        for column, letter in enumerate(line, start=1):
            place = sql.place_at(number, column)
            assert place.line is not None
            assert place.column is not None
            assert raw[place.line - 1][place.column - 1] == letter


@pytest.mark.parametrize(
    ("text", "seconds"), [("45s", 45), ("90m", 5400), ("6h", 21600), ("1d", 86400), (" 2h ", 7200)]
)
def test_durations_are_a_number_and_a_unit(text: str, seconds: int) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "6", "h", "0h", "-1h", "1.5h", "6H", "1w", "6h30m", "٣h"])
def test_anything_else_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a duration such as 45s, 90m, 6h or 1d$"):
        parse_duration(text)


def test_where_no_word_is_near_the_known_ones_are_listed() -> None:
    assert did_you_mean("HOURLEY", ["hourly", "daily"]) == "Did you mean 'hourly'?"
    assert did_you_mean("zzz", ["hourly", "daily"]) == "Known: daily, hourly."
    assert did_you_mean("zzz", []) == "None is configured."


def test_of_many_problems_ten_are_shown() -> None:
    error = together([ConfigError(f"wrong {n}.", place=Place(HERE, n)) for n in range(1, 13)])
    assert str(error).splitlines()[0] == "x.yaml:1: wrong 1."
    assert str(error).splitlines()[9:] == ["x.yaml:10: wrong 10.", "... and 2 more."]
    assert error.place == Place(HERE, 1)


@given(text=st.one_of(st.text(), st.text("ab:- |>\"'[]{}#&*!%@\n\t?,", max_size=60)))
def test_no_text_gives_anything_but_a_node_or_a_config_error(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    path = tmp_path_factory.mktemp("any") / "x.yaml"
    path.write_text(text, encoding="utf-8", newline="")
    message = complaint(path)
    assert message is None or message.startswith(str(path))


def complaint(path: Path) -> str | None:
    try:
        read_yaml(path)
    except ConfigError as error:
        return str(error)
    return None

"""``oracle://`` URLs: what they mean, and what is refused without being repeated."""

from __future__ import annotations

import pytest

from canvas_replicate.databases.oracle.address import Address, read_address
from canvas_replicate.errors import ConfigError


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("oracle://odl_usr@db.example.edu:1521/camp", Address("odl_usr", "db.example.edu:1521/camp")),
        ("oracle://odl_usr@db/camp", Address("odl_usr", "db/camp")),
        ("oracle://u%40x@db:1521/camp", Address("u@x", "db:1521/camp")),
        ("oracle://u@[::1]:1521/camp", Address("u", "[::1]:1521/camp")),
        ("oracle://db:1521/camp", Address(None, "db:1521/camp")),
        ("oracle://u@CAMPUS?config_dir=/etc/tns", Address("u", "CAMPUS", config_dir="/etc/tns")),
        ("oracle://CAMPUS?wallet_location=/w&config_dir=/t", Address(None, "CAMPUS", config_dir="/t", wallet_location="/w")),
        ("oracle://u@db:2484/camp?protocol=tcps", Address("u", "tcps://db:2484/camp")),
        ("oracle://u@db:1521/camp?retry_count=3&retry_delay=5", Address("u", "db:1521/camp?retry_count=3&retry_delay=5")),
        ("oracle://u@db:1521/camp?mode=thick&lib_dir=/ic", Address("u", "db:1521/camp", thick=True, lib_dir="/ic")),
    ],
)  # fmt: skip
def test_a_url_says_where_the_database_is_and_how_to_get_in(url: str, expected: Address) -> None:
    assert read_address(url) == expected


@pytest.mark.parametrize(
    "url",
    [
        "oracle://u:secret@db:1521/camp",
        "oracle://secret@",
        "oracle:///secret",
        "oracle://secret@db:1521",
        "oracle://secret@[::1/camp",
        "oracle://secret@db:1521/camp?mode=thin-ish",
        "oracle://u@db:1521/camp?protocol=secret",
        "oracle://u@CAMPUS?retry_count=3",
        "oracle://u@CAMPUS?protocol=tcps",
    ],
)
def test_what_cannot_be_read_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_address(url)
    assert "secret" not in str(caught.value)
    assert caught.value.next_step


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("oracle://u@db:1521/camp?wallet_password=x", "db:1521/camp"),
        ("oracle://u@db:2484/camp?protocol=tcps", "db:2484/camp"),
        ("oracle://u@CAMPUS", "CAMPUS"),
    ],
)
def test_people_are_told_the_place_without_its_parameters(url: str, name: str) -> None:
    assert read_address(url).name == name

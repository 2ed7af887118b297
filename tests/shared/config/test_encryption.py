"""A connection to another machine that is not encrypted is refused, unless a setting allows it."""

from __future__ import annotations

import pytest
from tests.workplace import Workplace

from canvas_replicate.config.settings_sources import load_settings
from canvas_replicate.errors import ConfigError, ExitCode

DATABASE = "REPLICATE_DATABASES__CAMPUS"


def refusal(**variables: str) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        load_settings({"REPLICATE_CONF_DIR": "none", **variables})
    return caught.value


@pytest.mark.parametrize(
    ("setting", "url", "host", "secure", "switch"),
    [
        (
            "REPLICATE_BUS_URL",
            "amqp://u:hunter2@bus.example/v",
            "bus.example",
            "amqps://",
            "REPLICATE_BUS_ALLOW_INSECURE",
        ),
        (
            *("REPLICATE_CANVAS__BASE_URL", "http://canvas.example", "canvas.example"),
            *("https://", "REPLICATE_CANVAS__ALLOW_INSECURE"),
        ),
        (
            *(f"{DATABASE}__URL", "postgresql://u@db.example:5433/x", "db.example"),
            *("?sslmode=verify-full", f"{DATABASE}__ALLOW_INSECURE"),
        ),
    ],
)
def test_a_plain_connection_names_the_secure_form_and_the_setting_that_allows_it(
    setting: str, url: str, host: str, secure: str, switch: str
) -> None:
    error = refusal(**{setting: url})
    assert error.exit_code == ExitCode.USAGE
    [problem] = error.problems
    assert problem.message.startswith(f"{setting}: ")
    assert f"{host} is not encrypted" in problem.message
    assert problem.next_step.startswith(f"Write {secure}")
    assert problem.next_step.endswith(f"{switch}=true")
    assert "hunter2" not in str(error)
    load_settings({"REPLICATE_CONF_DIR": "none", setting: url, switch: "true"})


@pytest.mark.parametrize(
    ("url", "hosts"),
    [
        ("postgresql://db/x?sslmode=prefer", "db"),
        ("postgresql://db/x?sslmode=require&sslmode=disable", "db"),  # libpq takes the last one
        ("postgresql://u@10.0.0.1/x", "10.0.0.1"),
        ("postgresql://u@[2001:db8::1]:5432/x", "2001:db8::1"),
        ("postgresql://localhost,db/x", "db"),
        ("postgresql:///x?host=db", "db"),
        ("postgresql://localhost/x?hostaddr=10.0.0.1", "10.0.0.1"),
        ("postgresql://localhost.evil.example/x", "localhost.evil.example"),
    ],
)
def test_postgresql_on_another_machine_is_found_wherever_its_url_names_it(url: str, hosts: str) -> None:
    assert f"PostgreSQL on {hosts} is not encrypted" in refusal(**{f"{DATABASE}__URL": url}).message


@pytest.mark.parametrize(
    ("setting", "url"),
    [
        *(("REPLICATE_BUS_URL", url) for url in ("amqps://bus/v", "amqp://localhost/v", "amqp://[::1]/v")),
        *(("REPLICATE_CANVAS__BASE_URL", url) for url in ("https://canvas.example", "http://127.0.0.9:8765")),
        *(
            (f"{DATABASE}__URL", f"postgresql://{rest}")
            for rest in (
                *("u@LOCALHOST/x", "127.0.0.1:5433/x", "[::1]:5433/x", "/x", "%2Fvar%2Frun/x", "/x?host=/var/run"),
                *("db/x?sslmode=require", "db/x?sslmode=verify-ca", "a,b/x?sslmode=verify-full&connect_timeout=3"),
            )
        ),
        (f"{DATABASE}__URL", "duckdb:///x"),
    ],
)
def test_encryption_and_this_machine_need_no_permission(setting: str, url: str) -> None:
    load_settings({"REPLICATE_CONF_DIR": "none", setting: url})


def test_all_plain_connections_are_told_at_once() -> None:
    error = refusal(REPLICATE_BUS_URL="amqp://bus/v", REPLICATE_CANVAS__BASE_URL="http://canvas.example")
    assert [problem.message.partition(":")[0] for problem in error.problems] == [
        "REPLICATE_BUS_URL",
        "REPLICATE_CANVAS__BASE_URL",
    ]


def test_check_warns_of_what_is_allowed(workplace: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    workplace.add_students()
    for name, value in {"HOST": "mail.example", "SENDER": "a@b.example", "RECIPIENTS": "a@b.example"}.items():
        monkeypatch.setenv(f"REPLICATE_SMTP__{name}", value)
    monkeypatch.setenv("REPLICATE_SMTP__STARTTLS", "false")
    found = workplace.run("replicate", "check", "--json").json["findings"]
    [warning] = [each for each in found if each["what"] == "configuration"]
    assert warning["level"] == "warning"
    assert "mail.example is not encrypted" in warning["message"]

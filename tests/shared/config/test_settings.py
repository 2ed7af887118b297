"""Settings: what wins over what, and one clear line for every mistake, without a secret in it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canvas_replicate.config.schemas import build_settings_schema
from canvas_replicate.config.settings import (
    Settings,
    list_setting_fields,
    mask_settings,
    require_alias,
    target_alias,
)
from canvas_replicate.config.settings_sources import decode_password, encode_password, load_settings
from canvas_replicate.errors import ConfigError, ExitCode

ODL_URL = "REPLICATE_DATABASES__ODL_USR__URL"
ODL_PASSWORD = "REPLICATE_DATABASES__ODL_USR__PASSWORD"
DBPROD_URL = "REPLICATE_DATABASES__DBPROD__URL"


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write(path: str, content: str | bytes) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_bytes(content.encode() if isinstance(content, str) else content)


def refusal(environ: dict[str, str]) -> str:
    with pytest.raises(ConfigError) as caught:
        load_settings(environ)
    assert caught.value.exit_code is ExitCode.USAGE
    return str(caught.value)


def password_of(settings: Settings, alias: str) -> str | None:
    password = settings.databases[alias].password
    return password.get_secret_value() if password else None


def test_nothing_needs_to_be_set() -> None:
    settings = load_settings({})
    assert settings == Settings()
    assert (settings.bus_url, settings.bus_declare, settings.metrics_port) == ("memory://", True, 9100)
    folders = (settings.conf_dir, settings.ctl_dir, settings.ddl_dir, settings.data_dir)
    assert folders == (Path("conf"), Path("ctls"), Path("ddl"), Path("data"))
    assert (settings.retention_days, settings.canvas.account, settings.databases) == (7, "self", {})


def test_the_class_itself_never_looks_at_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REPLICATE_METRICS_PORT", "1")
    assert Settings().metrics_port == 9100
    assert load_settings().metrics_port == 1


def test_names_of_databases_have_no_case() -> None:
    settings = load_settings({ODL_URL: "duckdb:///a", DBPROD_URL: "duckdb:///b", "REPLICATE_TARGET": "DbProd"})
    assert sorted(settings.databases) == ["dbprod", "odl_usr"]
    assert target_alias(settings) == "dbprod"
    assert require_alias("ODL_USR", settings, "DB") == "odl_usr"
    assert list(Settings.model_validate({"databases": {"ODL_USR": {"url": "duckdb:///a"}}}).databases) == ["odl_usr"]


def test_an_empty_variable_counts_as_not_set() -> None:
    assert load_settings({"REPLICATE_TARGET": "", "REPLICATE_METRICS_PORT": ""}) == Settings()


@pytest.mark.parametrize("secret", ["12345", "null", "true", '{"a": 1}', "[1]", "{broken", " blank ", "ü|€"])
def test_a_secret_is_taken_letter_by_letter(secret: str) -> None:
    write("secrets/REPLICATE_CANVAS__TOKEN", secret + "\n")
    settings = load_settings({ODL_URL: "duckdb:///a", ODL_PASSWORD: secret, "REPLICATE_SECRETS_DIR": "secrets"})
    assert password_of(settings, "odl_usr") == secret
    assert settings.canvas.token is not None
    assert settings.canvas.token.get_secret_value() == secret


def test_environment_wins_over_secret_files_and_these_over_appconf_field_by_field() -> None:
    write("conf/appconf.yaml", "ODL_usr: {user: joe, password: aGVsbG8=, dsn: 'db:1521/odl'}\n")
    assert password_of(load_settings({}), "odl_usr") == "hello"
    assert load_settings({}).databases["odl_usr"].url == "oracle://joe@db:1521/odl"

    write(f"secrets/{ODL_PASSWORD.lower()}", "from the file\n")
    from_file = load_settings({"REPLICATE_SECRETS_DIR": "secrets"})
    assert password_of(from_file, "odl_usr") == "from the file"
    assert from_file.databases["odl_usr"].url == "oracle://joe@db:1521/odl"

    both = load_settings({"REPLICATE_SECRETS_DIR": "secrets", ODL_PASSWORD: "outside", ODL_URL: "duckdb:///a"})
    assert password_of(both, "odl_usr") == "outside"
    assert both.databases["odl_usr"].url == "duckdb:///a"


def test_a_mounted_secret_volume_is_read_through_its_links_and_other_files_are_ignored() -> None:
    write("secrets/..2030/REPLICATE_CANVAS__TOKEN", "abc")
    write("secrets/wallet.p12", b"\xff\xfe\x00")
    Path("secrets/..data").symlink_to("..2030")
    Path("secrets/REPLICATE_CANVAS__TOKEN").symlink_to("..data/REPLICATE_CANVAS__TOKEN")
    token = load_settings({"REPLICATE_SECRETS_DIR": "secrets"}).canvas.token
    assert token is not None
    assert token.get_secret_value() == "abc"


def test_a_secrets_folder_may_be_missing() -> None:
    assert load_settings({"REPLICATE_SECRETS_DIR": "nowhere"}).secrets_dir == Path("nowhere")


def test_appconf_is_looked_for_where_the_configuration_is() -> None:
    write("etc/appconf.yaml", "odl: {user: 'o/r', dsn: ODLPRD}\n")
    assert load_settings({"REPLICATE_CONF_DIR": "etc"}).databases["odl"].url == "oracle://o%2Fr@ODLPRD"


def test_variables_by_which_kubernetes_announces_services_are_no_settings() -> None:
    links = {
        "REPLICATE_RABBITMQ_SERVICE_HOST": "10.0.0.1",
        "REPLICATE_RABBITMQ_SERVICE_PORT_AMQP": "5672",
        "REPLICATE_RABBITMQ_PORT": "tcp://10.0.0.1:5672",
        "REPLICATE_RABBITMQ_PORT_5672_TCP_ADDR": "10.0.0.1",
        "REPLICATE_METRICS_PORT": "tcp://10.0.0.2:9100",
    }
    assert load_settings(links) == Settings()


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({"REPLICATE_TARGTE": "x"}, "REPLICATE_TARGTE is not a setting. Did you mean 'REPLICATE_TARGET'?"),
        (
            {"REPLICATE_METRIC_PORT": "1"},
            "REPLICATE_METRIC_PORT is not a setting. Did you mean 'REPLICATE_METRICS_PORT'?",
        ),
        (
            {"REPLICATE_CANVAS_TOKEN": "x"},
            "REPLICATE_CANVAS_TOKEN is not a setting. Did you mean 'REPLICATE_CANVAS__TOKEN'?",
        ),
        (
            {"REPLICATE_DATABASES__ODL_USR__PASWORD": "x"},
            "REPLICATE_DATABASES__ODL_USR__PASWORD is not a setting. "
            "Did you mean 'REPLICATE_DATABASES__ODL_USR__PASSWORD'?",
        ),
        (
            {"REPLICATE_METRICS_PORT": "http"},
            "REPLICATE_METRICS_PORT must be a whole number.",
        ),
        ({"REPLICATE_METRICS_PORT": "99999"}, "REPLICATE_METRICS_PORT must be at most 65535."),
        *(
            ({ODL_URL: url}, f"{ODL_URL}: the port of a URL is a whole number from 1 to 65535.")
            for url in ("oracle://u@h:99999/s", "postgresql://u@h:abc/s")
        ),
        (
            {"REPLICATE_TIMEZONE": "Europe/Berln"},
            "REPLICATE_TIMEZONE: no time zone 'Europe/Berln' is known. Did you mean 'Europe/Berlin'?",
        ),
        ({"REPLICATE_RETENTION_DAYS": "0"}, "REPLICATE_RETENTION_DAYS must be at least 1."),
        (
            {"REPLICATE_BUS_DECLARE": "maybe"},
            "REPLICATE_BUS_DECLARE must be true or false.",
        ),
        (
            {"REPLICATE_BUS_URL": "http://x"},
            "REPLICATE_BUS_URL: a bus URL is memory:// or begins with amqp:// or amqps://.",
        ),
        (
            {"REPLICATE_LOG_LEVEL": "loud"},
            "REPLICATE_LOG_LEVEL must be 'DEBUG', 'INFO', 'WARNING' or 'ERROR'.",
        ),
        (
            {"REPLICATE_BASE_SCHEMA": "a; drop"},
            "REPLICATE_BASE_SCHEMA: a name is a letter, then letters, digits, _, $ and #.",
        ),
        (
            {"REPLICATE_CANVAS__BASE_URL": "https://canvas.example.edu/api/v1"},
            "REPLICATE_CANVAS__BASE_URL: this must be like https://canvas.example.edu, without user and without /api/v1.",
        ),
        (
            {ODL_PASSWORD: "x"},
            "REPLICATE_DATABASES__ODL_USR__URL is not set. It is needed because another setting of its group is set.",
        ),
        (
            {ODL_URL: "mysql://x"},
            "REPLICATE_DATABASES__ODL_USR__URL: a database URL starts with duckdb:///, postgresql:// or oracle://.",
        ),
        (
            {ODL_URL: "duckdb:///a", "REPLICATE_TARGET": "odl_urs"},
            "REPLICATE_TARGET: no database 'odl_urs' is configured. Did you mean 'odl_usr'?",
        ),
        (
            {"REPLICATE_TARGET": "odl__usr"},
            "REPLICATE_TARGET: 'odl__usr' cannot name a database: use letters, digits and single underscores.",
        ),
    ],
)
def test_a_mistake_in_the_environment_is_one_line(environ: dict[str, str], message: str) -> None:
    assert refusal(environ) == message


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://joe:hunter2@db/x",
        "oracle://joe:hunter2@db:1521/x",
        "oracle://:hunter2@db",
        "postgresql://db/x?user=joe&PASSWORD=hunter2",
    ],
)
def test_a_password_in_a_url_is_refused_and_never_shown(url: str) -> None:
    assert refusal({ODL_URL: url}) == (
        "REPLICATE_DATABASES__ODL_USR__URL: a URL may not hold a password; "
        "set it apart, as ..__PASSWORD or in a secret file."
    )


@pytest.mark.parametrize("url", ["oracle://joe:hunter2@[db", "hunter2", "oracle://joe:hunter2@℀.example/x"])
def test_a_url_that_cannot_be_read_is_not_shown_either(url: str) -> None:
    assert "hunter2" not in refusal({ODL_URL: url})


def test_all_mistakes_are_told_at_once() -> None:
    assert refusal({"REPLICATE_TARGTE": "x", "REPLICATE_CONFDIR": "x"}).splitlines() == [
        "REPLICATE_CONFDIR is not a setting. Did you mean 'REPLICATE_CONF_DIR'?",
        "REPLICATE_TARGTE is not a setting. Did you mean 'REPLICATE_TARGET'?",
    ]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "REPLICATE_CANVAS__TOKN",
            "x",
            "secrets/REPLICATE_CANVAS__TOKN: REPLICATE_CANVAS__TOKN is not a setting. "
            "Did you mean 'REPLICATE_CANVAS__TOKEN'?",
        ),
        (
            "REPLICATE_METRICS_PORT",
            "x",
            "secrets/REPLICATE_METRICS_PORT: REPLICATE_METRICS_PORT must be a whole number.",
        ),
        ("REPLICATE_CANVAS__TOKEN", b"\xff", "secrets/REPLICATE_CANVAS__TOKEN: not UTF-8 text."),
    ],
)
def test_a_mistake_in_a_secret_file_names_the_file(name: str, content: str | bytes, message: str) -> None:
    write(f"secrets/{name}", content)
    assert refusal({"REPLICATE_SECRETS_DIR": "secrets"}) == message


def test_a_file_in_the_place_of_the_secrets_folder_is_refused() -> None:
    write("secrets", "x")
    assert refusal({"REPLICATE_SECRETS_DIR": "secrets"}) == (
        "secrets: REPLICATE_SECRETS_DIR cannot be read: Not a directory."
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "odl:\n  user: a\n  pasword: aGVsbG8=\n  dsn: db\n",
            "conf/appconf.yaml:3:3: odl has a key 'pasword' that is not known. Did you mean 'password'?",
        ),
        ("odl:\n  user: a\n", "conf/appconf.yaml:1:1: odl has no key 'dsn', which it needs."),
        (
            "odl: {user: a, dsn: db, password: hunter2}\n",
            "conf/appconf.yaml:1:35: the password is not base64 text. Make one with: replicate secret encode",
        ),
        (
            "odl: {user: a, dsn: '(DESCRIPTION=(ADDRESS=x))'}\n",
            "conf/appconf.yaml:1:21: odl.dsn must be like host:1521/service. "
            "Put a longer descriptor into tnsnames.ora and give its name.",
        ),
        (
            "odl: {user: a, dsn: db}\nODL: {user: a, dsn: db}\n",
            "conf/appconf.yaml:2:1: the database 'odl' is here twice; case does not matter in its name.",
        ),
        (
            "odl usr: {user: a, dsn: db}\n",
            "conf/appconf.yaml:1:1: 'odl usr' cannot name a database: use letters, digits and single underscores.",
        ),
        ("- odl\n", "conf/appconf.yaml:1:1: the file must be a map of keys, not a list."),
    ],
)
def test_a_mistake_in_appconf_is_told_at_its_place(text: str, message: str) -> None:
    write("conf/appconf.yaml", text)
    assert refusal({}) == message


def test_one_database_is_the_target_and_several_need_a_choice() -> None:
    assert target_alias(load_settings({ODL_URL: "duckdb:///a"})) == "odl_usr"
    with pytest.raises(ConfigError) as two:
        target_alias(load_settings({ODL_URL: "duckdb:///a", DBPROD_URL: "duckdb:///b"}))
    assert str(two.value) == (
        "2 databases are configured and REPLICATE_TARGET names none of them. "
        "Set REPLICATE_TARGET to the alias of the reporting database."
    )
    with pytest.raises(ConfigError, match=r"^no database is configured\. Set REPLICATE_DATABASES__<ALIAS>__URL"):
        target_alias(load_settings({}))


def test_no_secret_is_in_what_is_shown() -> None:
    settings = load_settings(
        {
            ODL_URL: "oracle://joe@db",
            ODL_PASSWORD: "hunter2",
            "REPLICATE_CANVAS__TOKEN": "hunter2",
            "REPLICATE_BUS_URL": "amqps://joe:hunter2@bus:5671/v",
        }
    )
    shown = json.dumps(mask_settings(settings)) + repr(settings)
    assert "hunter2" not in shown
    assert mask_settings(settings)["bus_url"] == "amqps://joe:**********@bus:5671/v"
    assert mask_settings(settings)["databases"]["odl_usr"]["password"] == "**********"


def test_every_setting_is_described() -> None:
    assert "REPLICATE_DATABASES__<ALIAS>__MAX_PARALLEL" in list_setting_fields()
    assert [name for name, field in list_setting_fields().items() if not field.description] == []
    assert set(build_settings_schema()["properties"]) == set(Settings.model_fields)


def test_hello_is_encoded_as_the_original_did() -> None:
    assert encode_password("hello") == "aGVsbG8="
    assert decode_password("aGVsbG8=\n") == "hello"


@given(text=st.text(min_size=1))
def test_a_password_survives_encoding(text: str) -> None:
    assert decode_password(encode_password(text)) == text


@given(
    st.dictionaries(
        st.sampled_from([name.replace("<ALIAS>", "A") for name in list_setting_fields()]),
        st.text(st.characters(exclude_characters="\0"), min_size=1) | st.sampled_from(["duckdb:///a", "a", "1"]),
        max_size=6,
    )
)
def test_no_environment_gives_anything_but_settings_or_a_config_error(environ: dict[str, str]) -> None:
    assert complaint(environ) != ""


def complaint(environ: dict[str, str]) -> str | None:
    try:
        load_settings(environ)
    except ConfigError as error:
        return str(error)
    return None


def test_a_folder_name_that_is_no_name_is_told() -> None:
    assert refusal({"REPLICATE_CONF_DIR": "x" * 300}).endswith("/appconf.yaml: cannot be read: File name too long.")


@pytest.mark.parametrize("text", ["hello", "", "aGVs bG8=", "aGVsbG8", "/w==", "grün"])
def test_what_is_not_base64_text_is_refused(text: str) -> None:
    with pytest.raises(
        ConfigError, match=r"^the password is not base64 text\. Make one with: replicate secret encode$"
    ):
        decode_password(text)

from pathlib import Path

import pytest

from app.cli.settings_reference import settings_page
from app.settings import Settings, needs_value
from app.settings_source import SettingsError, load_settings

ROOT = Path(__file__).parents[2]


def problems(**env: str) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        load_settings({f"LEADGLOW_{name}": value for name, value in env.items()})
    return caught.value.problems


def settings_file(directory: Path, text: str) -> str:
    path = directory / "leadglow.toml"
    path.write_bytes(text.encode("latin-1"))
    return str(path)


def test_nothing_set_gives_the_defaults() -> None:
    assert load_settings({}) == Settings()


def test_the_process_environment_is_read_when_no_other_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEADGLOW_NAMESPACE", "from-process")

    assert load_settings().namespace == "from-process"


def test_settings_that_are_built_directly_ignore_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEADGLOW_NAMESPACE", "from-process")

    assert Settings().namespace == "leadglow"


def test_values_come_from_the_environment() -> None:
    settings = load_settings(
        {"LEADGLOW_KAFKA": "a:1,b:2", "LEADGLOW_PARTITIONS": "3", "LEADGLOW_KAFKA_IDEMPOTENCE": "false"}
    )

    assert (settings.kafka, settings.partitions, settings.kafka_idempotence) == ("a:1,b:2", 3, False)


def test_sources_are_separated_by_commas() -> None:
    assert load_settings({"LEADGLOW_SOURCES": "web, mail ,"}).sources == ("web", "mail")


def test_an_empty_variable_of_an_optional_setting_is_ignored() -> None:
    env = {"LEADGLOW_KAFKA_SASL_MECHANISM": "", "LEADGLOW_BOARD_REDIS": "", "LEADGLOW_SETTINGS": ""}

    assert load_settings(env) == Settings()


@pytest.mark.parametrize("name", [name for name in Settings.model_fields if needs_value(name)])
def test_an_empty_variable_of_a_required_setting_is_refused(name: str) -> None:
    assert problems(**{name.upper(): ""}) == [
        f"LEADGLOW_{name.upper()}: is empty: give it a value, or remove it to use the default"
    ]


def test_an_empty_consent_path_turns_the_check_off() -> None:
    assert load_settings({"LEADGLOW_COLLECTOR_CONSENT_PATH": ""}).collector_consent_path == ""


def test_an_empty_required_setting_in_the_file_is_refused(tmp_path: Path) -> None:
    path = settings_file(tmp_path, 'kafka = ""\nscorecards = ""\n')

    assert problems(SETTINGS=path) == [
        f"{name} (in the settings file): is empty: give it a value, or remove it to use the default"
        for name in ("kafka", "scorecards")
    ]


def test_the_file_fills_settings_that_the_environment_lacks(tmp_path: Path) -> None:
    path = settings_file(tmp_path, 'namespace = "filed"\npartitions = 4\nsources = ["one", "two"]\n')

    settings = load_settings({"LEADGLOW_SETTINGS": path, "LEADGLOW_PARTITIONS": "5"})

    assert (settings.namespace, settings.partitions, settings.sources) == ("filed", 5, ("one", "two"))


def test_an_unknown_variable_names_the_nearest_known_one() -> None:
    assert problems(KAFFKA="x") == ["LEADGLOW_KAFFKA: unknown; did you mean LEADGLOW_KAFKA?"]


def test_an_unknown_key_of_the_file_names_the_nearest_known_one(tmp_path: Path) -> None:
    path = settings_file(tmp_path, "partitons = 4\n")

    assert problems(SETTINGS=path) == ["partitons (in the settings file): unknown; did you mean partitions?"]


def test_variables_of_the_tests_are_ignored() -> None:
    env = {"LEADGLOW_TEST_KAFKA": "x:1", "LEADGLOW_CRASH_AT": "scored:3"}

    assert load_settings(env) == Settings()


def test_a_text_in_place_of_a_number_is_reported_in_plain_words() -> None:
    assert problems(METRICS_PORT="abc", BOARD_METRICS_PORT="1.5") == [
        "LEADGLOW_METRICS_PORT: must be a whole number",
        "LEADGLOW_BOARD_METRICS_PORT: must be a whole number",
    ]


def test_every_mistake_is_reported_at_once_on_its_own_line(tmp_path: Path) -> None:
    path = settings_file(tmp_path, 'metrics_port = 70000\nnamespace = "No Good"\n')

    found = problems(KAFFKA="x", PARTITIONS="none", LOG="xml", REDIS="localhost:6379", SETTINGS=path)

    assert [line.split(":")[0] for line in found] == [
        "LEADGLOW_KAFFKA",
        "LEADGLOW_REDIS",
        "namespace (in the settings file)",
        "LEADGLOW_PARTITIONS",
        "metrics_port (in the settings file)",
        "LEADGLOW_LOG",
    ]
    assert not any("\n" in line for line in found)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("a = 1\npartitions = \n", "(at line 2, column 14)"), ('log = "\xff"', "utf-8")],
)
def test_a_file_that_is_not_toml_is_reported_with_the_place(tmp_path: Path, text: str, expected: str) -> None:
    [problem] = problems(SETTINGS=settings_file(tmp_path, text))

    assert "leadglow.toml: " in problem
    assert expected in problem


def test_a_missing_file_is_reported() -> None:
    assert problems(SETTINGS="/nowhere/at/all.toml") == [
        "LEADGLOW_SETTINGS: cannot read /nowhere/at/all.toml: No such file or directory"
    ]


SASL = {
    "KAFKA_SASL_MECHANISM": "SCRAM-SHA-512",
    "KAFKA_SASL_USERNAME": "leadglow",
    "KAFKA_SASL_PASSWORD": "hunter2",
}


def test_a_log_in_without_tls_is_refused() -> None:
    [problem] = problems(**SASL)

    assert "LEADGLOW_KAFKA_TLS=true" in problem
    assert "hunter2" not in problem


@pytest.mark.parametrize("allowed_by", ["KAFKA_TLS", "KAFKA_INSECURE_SASL"])
def test_a_log_in_is_accepted_with_tls_or_if_explicitly_allowed(allowed_by: str) -> None:
    settings = load_settings({f"LEADGLOW_{k}": v for k, v in {**SASL, allowed_by: "true"}.items()})

    assert settings.kafka_sasl_password is not None
    assert settings.kafka_sasl_password.get_secret_value() == "hunter2"


def test_no_secret_shows_when_the_settings_are_printed() -> None:
    env = {**SASL, "KAFKA_TLS": "true", "REDIS": "redis://me:opensesame@host"}

    shown = repr(load_settings({f"LEADGLOW_{k}": v for k, v in env.items()}))

    assert "hunter2" not in shown
    assert "opensesame" not in shown


@pytest.mark.parametrize(
    ("env", "expected"),
    [
        ({"KAFKA_SASL_MECHANISM": "PLAIN", "KAFKA_TLS": "1"}, "needs LEADGLOW_KAFKA_SASL_USERNAME"),
        ({"KAFKA_SASL_USERNAME": "me"}, "has no effect without LEADGLOW_KAFKA_SASL_MECHANISM"),
        ({"KAFKA_CA_FILE": __file__}, "has no effect without LEADGLOW_KAFKA_TLS=true"),
        ({"KAFKA_CA_FILE": "/nowhere.pem"}, "there is no file /nowhere.pem"),
        ({"SOURCES": "web,handoff"}, "every topic needs its own name"),
        ({"SOURCES": ","}, "LEADGLOW_SOURCES"),
        ({"MIN_INSYNC_REPLICAS": "2"}, "more than LEADGLOW_REPLICATION_FACTOR"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(env: dict[str, str], expected: str) -> None:
    [problem] = problems(**env)

    assert expected in problem


@pytest.mark.parametrize("kafka", ["host", "a:1,b:65535", "a:1, b:2", "[::1]:9092", "[::1]", "kafka_1.example:9092"])
def test_addresses_of_kafka_are_taken(kafka: str) -> None:
    assert Settings(kafka=kafka).kafka == kafka


@pytest.mark.parametrize(
    "kafka", ["h:abc", "h:99999", "h:0", "h:", "a:1,,b:2", "a:1,", "kafka://h:1", "::1", "a b", "h:²"]
)
def test_an_invalid_address_of_kafka_is_reported_with_a_remedy(kafka: str) -> None:
    assert problems(KAFKA=kafka) == [
        "LEADGLOW_KAFKA: must be host:port, or several separated by commas, with ports from 1 to 65535"
    ]


@pytest.mark.parametrize(
    "url",
    [
        "redis://h", "redis://h:6379/", "redis://u:p%40@h:6379/15", "rediss://h?ssl_ca_certs=/ca.pem", "redis://[::1]:1",
        "redis://h:1?cluster=true", "unix:///run/redis.sock?db=1", "redis://h?socket_timeout=1.5",
    ],
)  # fmt: skip
def test_addresses_of_redis_are_taken(url: str) -> None:
    assert Settings(redis=url, board_redis=url).board_redis == url


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://", "must name a host"),
        ("redis://:hunter2@", "must name a host"),
        ("redis://127.0.0.1:abc", "port from 1 to 65535"),
        ("redis://127.0.0.1:99999", "port from 1 to 65535"),
        ("redis://127.0.0.1:0", "port from 1 to 65535"),
        ("redis://[::1", "port from 1 to 65535"),
        ("redis://me:hunter2#@h", "%XX"),
        ("redis://h/abc", "number of a database"),
        ("redis://h?bogus=1", "options after the ?"),
        ("redis://h?cluster=true&bogus=1", "options after the ?"),
        ("redis://h?ssl_ca_certs=/ca.pem", "options after the ?"),
        ("redis://h?socket_timeout=hunter2", "options after the ?"),
        ("unix://", "must name a socket"),
        ("unix:///s?cluster=true", "options after the ?"),
        ("bogus", "must start with redis://"),
    ],
)
@pytest.mark.parametrize("name", ["REDIS", "BOARD_REDIS"])
def test_an_invalid_address_of_redis_is_reported_with_a_remedy(name: str, url: str, expected: str) -> None:
    [problem] = problems(**{name: url})

    assert problem.startswith(f"LEADGLOW_{name}: ")
    assert expected in problem
    assert "hunter2" not in problem


def test_every_setting_is_described() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


def test_the_page_of_settings_is_current() -> None:
    assert (ROOT / "docs" / "settings.md").read_text() == settings_page()

"""Every setting, and the only reader of the environment.

A setting ``name`` is the variable ``LEADGLOW_NAME``, or ``name`` in the TOML file that
``LEADGLOW_SETTINGS`` names. The environment wins.
"""

import difflib
import os
import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from app.server_urls import kafka_servers, redis_url

PREFIX = "LEADGLOW_"
FILE = f"{PREFIX}SETTINGS"
_FOR_TESTS = re.compile(f"{PREFIX}(TEST_.*|CRASH_AT)")

TopicName = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,249}$")]


class SettingsError(Exception):
    """Everything that is wrong with the settings, one line each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class Settings(BaseSettings):
    """How this Leadglow is connected and named. Built by ``load_settings``, or by hand in tests."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="forbid", frozen=True)

    kafka: str = Field("localhost:9092", min_length=1, description="Kafka's bootstrap servers, `host:port,host:port`.")
    kafka_tls: bool = Field(False, description="Talk TLS to Kafka.")
    kafka_ca_file: Path | None = Field(
        None, description="PEM file of the authorities that sign Kafka's certificates; else the system's."
    )
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = Field(
        None, description="How to log in to Kafka."
    )
    kafka_sasl_username: str | None = Field(None, description="Who logs in to Kafka.")
    kafka_sasl_password: SecretStr | None = Field(None, description="The password for it.")
    kafka_insecure_sasl: bool = Field(
        False, description="Allow a log-in without TLS, which shows the password to the network."
    )
    kafka_idempotence: bool = Field(
        True, description="Produce idempotently; false only for a broker that cannot (the embedded one)."
    )
    redis: str = Field(
        "redis://localhost:6379",
        repr=False,  # it may hold a password
        description="Redis or Valkey: `redis://user:password@host:port/db`, `rediss://` for TLS, "
        "`?cluster=true` for a cluster's entry node, `?ssl_ca_certs=FILE` for an authority of your own.",
    )
    namespace: str = Field(
        "leadglow",
        pattern=r"^[a-z0-9][a-z0-9-]{0,62}$",
        description="Prefix of every Redis key, and the consumer group's id.",
    )
    scorecards: Path = Field(Path("scorecards.yaml"), description="The scorecard file.")
    partitions: int = Field(8, ge=1, le=4096, description="Partitions of `lead-events`: asked for once, then checked.")
    sources: Annotated[tuple[TopicName, ...], NoDecode] = Field(
        ("web-events", "email-events", "crm-events"),
        min_length=1,
        description="The source topics, separated by commas (a list in the file).",
    )
    lead_events: TopicName = Field("lead-events", description="Topic of the events, keyed by lead.")
    handoff: TopicName = Field("handoff", description="Topic of the alerts.")
    lead_scores: TopicName = Field("lead-scores", description="Compacted topic of the scores.")
    rejected: TopicName = Field("rejected-events", description="Topic of what could not be read.")
    retention_days: int = Field(
        28, ge=1, description="How long `topics create` lets topics keep records, in days; not `lead-scores`."
    )
    replication_factor: int = Field(1, ge=1, description="Copies of each partition, for `topics create`.")
    min_insync_replicas: int = Field(1, ge=1, description="Copies that must have a record before it counts as written.")
    lateness_hours: int = Field(72, ge=0, description="How late an event may come and still count exactly, in hours.")
    cache_leads: int = Field(200_000, ge=0, description="Leads kept in memory for each shard.")
    rebuild_when_lost: bool = Field(
        False,
        description="When Redis lost its state: rebuild it from `lead-events` instead of refusing to start.",
    )
    link_base_url: str = Field(
        "", description="Where people see a lead: alerts link to this address followed by the lead's id."
    )
    metrics_host: str = Field("127.0.0.1", description="Address of `/metrics`, `/live` and `/ready`.")
    metrics_port: int = Field(9095, ge=0, le=65535, description="Their port; 0 takes any free one.")
    log: Literal["json", "text"] = Field("text", description="Form of the log.")
    collector_host: str = Field("127.0.0.1", description="Address that the collector takes requests on.")
    collector_port: int = Field(8080, ge=0, le=65535, description="Its port; 0 takes any free one.")
    collector_metrics_port: int = Field(
        9096,
        ge=0,
        le=65535,
        description="Port of the collector's `/metrics`, `/live` and `/ready`, on `LEADGLOW_METRICS_HOST`.",
    )
    collector_keys: Path | None = Field(
        None, description="The keys file: who may send to the collector. `leadglow keys new` makes one."
    )
    collector_web_topic: TopicName = Field(
        "web-events", description="The one of `LEADGLOW_SOURCES` that the collector writes web events to."
    )
    collector_mail_topic: TopicName = Field(
        "email-events", description="The one of `LEADGLOW_SOURCES` that the collector writes mail events to."
    )
    collector_public_url: str = Field(
        "",
        pattern=r"^(https?://[^\s/]+[^\s]*)?$",
        description="Where the world reaches the collector, `https://events.acme.example`; else what requests name.",
    )
    collector_trusted_proxies: int = Field(
        0,
        ge=0,
        le=16,
        description="Proxies in front of the collector that append to `X-Forwarded-For`; with 0 it is not believed.",
    )
    collector_honour_gpc: bool = Field(
        True, description="Drop what browsers send with `Sec-GPC: 1` or `DNT: 1`; the answer is 200 all the same."
    )
    collector_consent_path: str = Field(
        "context.consent.categoryPreferences.Advertising",
        pattern=r"^([^\s.]+(\.[^\s.]+)*)?$",
        description="Dotted path in an event; if the visitor refused there (`false`, `denied`), the event is dropped. "
        "Empty: nowhere.",
    )
    collector_max_body_bytes: int = Field(
        5 * 1024 * 1024, ge=1024, description="Largest request body, in bytes after inflating it."
    )
    collector_max_in_flight_bytes: int = Field(
        64 * 1024 * 1024,
        ge=4 * 1024 * 1024,
        description="Bytes of requests that the collector holds at a time, a quarter of them of one address; above "
        "that it answers 503.",
    )
    board_host: str = Field("127.0.0.1", description="Address that the board is on.")
    board_port: int = Field(8090, ge=0, le=65535, description="Its port; 0 takes any free one.")
    board_metrics_port: int = Field(
        9097,
        ge=0,
        le=65535,
        description="Port of the board's `/metrics`, `/live` and `/ready`, on `LEADGLOW_METRICS_HOST`.",
    )
    board_redis: str = Field(
        "",
        repr=False,
        description="Redis that the board reads from, for example a replica; else `LEADGLOW_REDIS`.",
    )
    board_access: Path | None = Field(
        None,
        description="The access file: who may see the board. `leadglow tokens new` makes one. "
        "Without one, the board must be on a loopback address.",
    )
    board_costs: Path | None = Field(None, description="The costs file: what channels cost.")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take arguments only: ``load_settings`` brings environment and file together."""
        return (init_settings,)

    @field_validator("sources", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(name.strip() for name in value.split(",") if name.strip())
        return value

    @field_validator("kafka")
    @classmethod
    def _kafka_servers(cls, value: str) -> str:
        return kafka_servers(value)

    @field_validator("redis")
    @classmethod
    def _redis_url(cls, value: str) -> str:
        return redis_url(value)

    @field_validator("board_redis")
    @classmethod
    def _redis_url_or_none(cls, value: str) -> str:
        return value and redis_url(value)

    @field_validator("kafka_ca_file")
    @classmethod
    def _readable(cls, value: Path | None) -> Path | None:
        if value is not None and not value.is_file():
            msg = f"there is no file {value}"
            raise ValueError(msg)
        return value

    @model_validator(mode="after")
    def _agree(self) -> Self:
        problems = [problem for wrong, problem in _disagreements(self) if wrong]
        if problems:
            raise ValueError("\n".join(problems))
        return self


def load_settings(env: Mapping[str, str] | None = None) -> Settings:
    """Read the settings from the environment and the file that it names.

    Raises:
        SettingsError: with everything that is wrong at once.
    """
    env = os.environ if env is None else env
    problems = _unknown_variables(env)
    from_file, file_problems = _read_file(env.get(FILE))
    source = EnvSettingsSource(Settings)
    source.env_vars = {name.lower(): value for name, value in env.items() if value}  # empty is unset
    from_env = source()
    settings = None
    try:
        settings = Settings(**(from_file | from_env))
    except ValidationError as error:
        problems += [line for detail in error.errors() for line in _explain(detail, from_env)]
    if settings is None or problems or file_problems:
        raise SettingsError(problems + file_problems)
    return settings


def settings_table() -> str:
    """Every setting as a page of Markdown."""
    rows = [
        f"| `{variable(name)}` | {_shown_default(field.default)} | {field.description} |"
        for name, field in Settings.model_fields.items()
    ]
    return "\n".join([_PAGE_HEAD, "| Variable | Default | Meaning |", "| --- | --- | --- |", *rows, _PAGE_END])


def variable(field: str) -> str:
    """The environment variable of a field."""
    return PREFIX + field.upper()


_PAGE_HEAD = f"""\
# Settings

Made by `make docs` from `app/settings.py`; a test keeps the two alike.

A setting is an environment variable, or, without the prefix and in small letters, a key of the TOML file
that `{FILE}` names. The environment wins. An unknown name is an error that names the nearest known one.
"""


_PAGE_END = """
## Rights

A worker, and every command, may log in to Redis as a user with these rights (`ACL SETUSER`), where `leadglow` is
`LEADGLOW_NAMESPACE`; on a cluster it also needs `+cluster`:

```text
~leadglow:* +@read +@write +@scripting +@transaction +@connection -@dangerous +info
```
"""


def _shown_default(value: object) -> str:
    if value is None or value == "":
        return "none"
    if isinstance(value, tuple):
        return f"`{','.join(value)}`"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _disagreements(settings: Settings) -> Iterable[tuple[bool, str]]:
    """Pairs of: is it wrong, and what to say then."""
    sasl = settings.kafka_sasl_mechanism
    credentials = (settings.kafka_sasl_username, settings.kafka_sasl_password)
    ours = [settings.lead_events, settings.handoff, settings.lead_scores, settings.rejected]
    topics = [*settings.sources, *ours]
    yield (
        bool(sasl) and None in credentials,
        f"{variable('kafka_sasl_mechanism')} needs {variable('kafka_sasl_username')} and _PASSWORD",
    )
    yield (
        not sasl and credentials != (None, None),
        f"Kafka's user and password do nothing without {variable('kafka_sasl_mechanism')}",
    )
    yield (
        bool(sasl) and not settings.kafka_tls and not settings.kafka_insecure_sasl,
        f"a log-in to Kafka without TLS shows the password: set {variable('kafka_tls')}=true "
        f"(or, where the network is trusted, {variable('kafka_insecure_sasl')}=true)",
    )
    yield (
        settings.kafka_ca_file is not None and not settings.kafka_tls,
        f"{variable('kafka_ca_file')} does nothing without {variable('kafka_tls')}=true",
    )
    yield (
        len(set(topics)) < len(topics),
        f"every topic needs its own name; given: {', '.join(topics)}",
    )
    yield (
        settings.min_insync_replicas > settings.replication_factor,
        f"{variable('min_insync_replicas')} is more than {variable('replication_factor')}",
    )


def _unknown_variables(env: Mapping[str, str]) -> list[str]:
    known = {variable(field) for field in Settings.model_fields} | {FILE}
    return [
        f"{name}: unknown{_nearest(name, known)}"
        for name in sorted(env)
        if name.startswith(PREFIX) and name not in known and not _FOR_TESTS.fullmatch(name)
    ]


def _nearest(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {near[0]}?" if near else ""


def _read_file(path: str | None) -> tuple[dict[str, Any], list[str]]:
    if not path:
        return {}, []
    try:
        return tomllib.loads(Path(path).read_text()), []
    except OSError as error:
        return {}, [f"{FILE}: cannot read {path}: {error.strerror}"]
    except ValueError as error:  # of TOML, or of UTF-8
        return {}, [f"{path}: {error}"]


def _explain(detail: Mapping[str, Any], from_env: Mapping[str, Any]) -> list[str]:
    """One error of pydantic's as lines for a person; never the value, which may be a secret."""
    message = str(detail["msg"]).removeprefix("Value error, ")
    if not detail["loc"]:
        return message.split("\n")
    field = str(detail["loc"][0])
    if detail["type"] == "extra_forbidden":
        return [f"{field} (in the settings file): unknown{_nearest(field, Settings.model_fields)}"]
    place = variable(field) if field in from_env else f"{field} (in the settings file)"
    return [f"{place}: {message[0].lower()}{message[1:]}"]

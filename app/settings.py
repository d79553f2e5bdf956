"""Every setting, with its default, its bounds and its description."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from app.kafka_settings import KafkaSettings
from app.server_urls import redis_url
from app.settings_checks import checks_across_settings
from streams.units import HOUR_MS

PREFIX = "LEADGLOW_"
MAY_BE_EMPTY = {"collector_consent_path", "board_traits"}
"""Settings that have a default and for which an empty value has a meaning."""

TraitName = Annotated[str, Field(pattern=r"^[^\s,][^,]{0,99}$")]
TopicName = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,249}$")]


class Settings(KafkaSettings):
    """All settings. Built by ``load_settings``, or directly in tests."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="forbid", frozen=True)

    redis: str = Field(
        "redis://localhost:6379",
        repr=False,  # it may hold a password
        description="Redis or Valkey: `redis://user:password@host:port/db`, `rediss://` for TLS, "
        "`?cluster=true` for any node of a cluster, `?ssl_ca_certs=FILE` for a private authority.",
    )
    namespace: str = Field(
        "leadglow",
        pattern=r"^[a-z0-9][a-z0-9-]{0,62}$",
        description="Prefix of every Redis key, and the consumer group's id.",
    )
    scorecards: Path = Field(
        Path("scorecards.yaml"),
        description="The scorecard file. A worker publishes it at its start and when it changes; see "
        "`leadglow scorecards publish`.",
    )
    scorecards_topic: TopicName = Field(
        "scorecards", description="Compacted topic of the published scorecards, with one partition."
    )
    most_model_alerts: int = Field(
        50,
        ge=0,
        description="A change of the scorecards that would send more alerts at once needs confirmation; a worker does "
        "not publish such a file.",
    )
    partitions: int = Field(
        8,
        ge=1,
        le=4096,
        description="Partitions of `lead-events`; once state exists, only `leadglow repartition` changes them.",
    )
    sources: Annotated[tuple[TopicName, ...], NoDecode] = Field(
        ("web-events", "email-events", "crm-events"),
        min_length=1,
        description="The source topics, separated by commas (a list in the file).",
    )
    lead_events: TopicName = Field("lead-events", description="Topic of the events, keyed by lead.")
    handoff: TopicName = Field("handoff", description="Topic of the alerts.")
    lead_scores: TopicName = Field("lead-scores", description="Compacted topic of the scores.")
    rejected: TopicName = Field("rejected-events", description="Topic of rejected events.")
    undelivered: TopicName = Field("undelivered", description="Topic of alerts that the notifier could not deliver.")
    retention_days: int = Field(
        28, ge=1, description="Retention, in days, of the topics that `topics create` makes; not of `lead-scores`."
    )
    replication_factor: int = Field(1, ge=1, description="Replicas of each partition, for `topics create`.")
    min_insync_replicas: int = Field(
        1, ge=1, description="Replicas that must have a record before it is acknowledged, for `topics create`."
    )
    lateness_hours: int = Field(72, ge=0, description="How late an event may arrive and still count exactly, in hours.")
    cache_leads: int = Field(500_000, ge=0, description="Leads kept in memory for each shard, at 0.8 KB each or more.")
    accelerator: Literal["auto", "on", "off", "check"] = Field(
        "auto",
        description="Whether compiled code scores (`pip install 'leadglow[fast]'`): `auto` where it is installed, `on` "
        "or not at all, `off` never. `check` also scores a sample of every batch by the reference, and a partition in "
        "which the two differ goes on with the reference.",
    )
    rebuild_when_lost: bool = Field(
        False,
        description="If the state in Redis is lost, rebuild it from `lead-events` instead of refusing to start.",
    )
    link_base_url: str = Field(
        "", description="Address of a lead's page, without the id at its end; alerts link to it."
    )
    metrics_host: str = Field("127.0.0.1", description="Address of `/metrics`, `/live` and `/ready`.")
    metrics_port: int = Field(
        9095, ge=0, le=65535, description="Port of the worker's `/metrics`, `/live` and `/ready`; 0 for any free port."
    )
    log: Literal["json", "text"] = Field("text", description="Format of the log: `text` or `json`.")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Log lines of Leadglow from this level on; those of libraries from `warning` on."
    )
    audit_log: str = Field(
        "",
        description="File for the audit log, which says who saw, exported, erased or changed what; `-` for stdout; by "
        "default there is none. See docs/audit.md.",
    )
    trace_ratio: float = Field(
        0.0,
        ge=0,
        le=1,
        description="Share of events that are traced from the collector to the notifier, `0.01` for one in a hundred; "
        "0 for none. Needs `pip install 'leadglow[tracing]'`; see docs/tracing.md.",
    )
    collector_host: str = Field("127.0.0.1", description="Address that the collector listens on.")
    collector_port: int = Field(8080, ge=0, le=65535, description="Port of the collector; 0 for any free port.")
    collector_metrics_port: int = Field(
        9096,
        ge=0,
        le=65535,
        description="Port of the collector's `/metrics`, `/live` and `/ready`, on `LEADGLOW_METRICS_HOST`.",
    )
    collector_keys: Path | None = Field(
        None, description="The keys file, which lists who may send to the collector. `leadglow keys new` makes one."
    )
    collector_web_topic: TopicName = Field("web-events", description="Topic for web events, one of `LEADGLOW_SOURCES`.")
    collector_mail_topic: TopicName = Field(
        "email-events", description="Topic for mail events, one of `LEADGLOW_SOURCES`."
    )
    collector_public_url: str = Field(
        "",
        pattern=r"^(https?://[^\s/]+[^\s]*)?$",
        description="Public URL of the collector, `https://events.acme.example`; by default the `Host` of requests.",
    )
    collector_trusted_proxies: int = Field(
        0,
        ge=0,
        le=16,
        description="Proxies in front of the collector that append to `X-Forwarded-For`; with 0 the header is ignored.",
    )
    collector_honour_gpc: bool = Field(
        True,
        description="Drop events that browsers send with `Sec-GPC: 1` or `DNT: 1`; the response is 200 nevertheless.",
    )
    collector_consent_path: str = Field(
        "context.consent.categoryPreferences.Advertising",
        pattern=r"^([^\s.]+(\.[^\s.]+)*)?$",
        description="Dotted path of the consent in an event; if refused (`false`, `denied`), the event is dropped. "
        "Empty: not checked.",
    )
    collector_max_body_bytes: int = Field(
        5 * 1024 * 1024, ge=1024, description="Largest request body, in bytes after decompression."
    )
    collector_max_in_flight_bytes: int = Field(
        64 * 1024 * 1024,
        ge=4 * 1024 * 1024,
        description="Maximum bytes of requests in memory at a time, a quarter of them from one address; above "
        "that the collector responds with 503.",
    )
    board_host: str = Field("127.0.0.1", description="Address that the board listens on.")
    board_port: int = Field(8090, ge=0, le=65535, description="Port of the board; 0 for any free port.")
    board_metrics_port: int = Field(
        9097,
        ge=0,
        le=65535,
        description="Port of the board's `/metrics`, `/live` and `/ready`, on `LEADGLOW_METRICS_HOST`.",
    )
    board_redis: str = Field(
        "",
        repr=False,
        description="Redis that the board reads from, for example a replica; by default `LEADGLOW_REDIS`.",
    )
    board_access: Path | None = Field(
        None,
        description="The access file, which lists who may see the board. `leadglow tokens new` makes one. "
        "Without one, the board must listen on a loopback address.",
    )
    board_costs: Path | None = Field(None, description="The costs file, with the cost of each channel.")
    board_index: Path | None = Field(
        None,
        description="Folder for the board's search index, which has a copy of names, addresses and other traits and is "
        "removed at the end; by default the folder for temporary files. A `tmpfs` keeps it in memory.",
    )
    board_traits: Annotated[tuple[TraitName, ...], NoDecode] = Field(
        ("title", "industry", "country"),
        max_length=16,
        description="Traits by which the board's lists can be searched, filtered and sorted, besides name, company and "
        "owner; separated by commas (a list in the file).",
    )
    board_compare_minutes: float = Field(
        5.0,
        gt=0,
        description="How often the board compares its search index with all leads, in minutes: a change that moves no "
        "score is known to search, filters and order after so long at most; one of a score or stage at once.",
    )
    notify_routes: Path | None = Field(
        None, description="The routes file of the notifier, which lists which alerts go where; see docs/notify.md."
    )
    notify_metrics_port: int = Field(
        9098,
        ge=0,
        le=65535,
        description="Port of the notifier's `/metrics`, `/live` and `/ready`, on `LEADGLOW_METRICS_HOST`.",
    )

    @property
    def lateness_ms(self) -> int:
        """``lateness_hours`` in milliseconds."""
        return self.lateness_hours * HOUR_MS

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Use only arguments: ``load_settings`` merges the environment and the file."""
        return (init_settings,)

    @field_validator("sources", "board_traits", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(name.strip() for name in value.split(",") if name.strip())
        return value

    @field_validator("*", mode="before")
    @classmethod
    def _require_value(cls, value: object, info: ValidationInfo) -> object:
        if value == "" and needs_value(str(info.field_name)):
            msg = "is empty: give it a value, or remove it to use the default"
            raise ValueError(msg)
        return value

    @field_validator("redis")
    @classmethod
    def _redis_url(cls, value: str) -> str:
        return redis_url(value)

    @field_validator("board_redis")
    @classmethod
    def _redis_url_or_none(cls, value: str) -> str:
        return value and redis_url(value)

    @field_validator("board_index")
    @classmethod
    def _require_folder(cls, value: Path | None) -> Path | None:
        if value is not None and not value.is_dir():
            msg = f"there is no folder {value}"
            raise ValueError(msg)
        return value

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        problems = [problem for wrong, problem in checks_across_settings(self, variable) if wrong]
        if problems:
            raise ValueError("\n".join(problems))
        return self


def needs_value(field: str) -> bool:
    """Whether an empty value of a setting is a mistake: it has a default, and empty means nothing."""
    return Settings.model_fields[field].default not in (None, "") and field not in MAY_BE_EMPTY


def variable(field: str) -> str:
    """The environment variable of a field."""
    return PREFIX + field.upper()

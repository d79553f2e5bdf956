"""``leadglow topics create``: creates, checks and updates the topics."""

import asyncio
import json
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Annotated, Any

import typer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import InvalidConfigurationError, TopicAlreadyExistsError, for_code

from app.cli.audit import noted
from app.cli.common import ask_noted, open_admin, run
from app.cli.errors import CommandError
from app.settings import Settings
from app.settings_source import load_settings
from app.topic_settings import (
    ANY_TIMESTAMP,
    TopicSpec,
    TopicState,
    differences,
    read_topics,
    topic_specs,
    update_topic,
)
from streams.counts import count_of
from streams.exits import Exit
from streams.partition_numbers import explain_topic

LISTING_TIMEOUT_S = 10.0
topics = typer.Typer(no_args_is_help=True, help="The Kafka topics of Leadglow.")


def register(root: typer.Typer) -> None:
    """Add the command."""
    root.add_typer(topics, name="topics")


@topics.callback()
def _group() -> None:
    """Keep ``create`` a subcommand although it is the only one."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was done with a topic."""

    topic: str
    outcome: str
    partitions: int
    compacted: bool
    faults: tuple[str, ...] = ()

    @property
    def line(self) -> str:
        """The outcome for people."""
        return f"{self.topic}: {self.outcome}{', compacted' if self.compacted else ''}"


@topics.command()
def create(
    update: Annotated[
        bool,
        typer.Option(
            "--update",
            help="Change settings of existing topics that differ; not those of source topics, nor partitions.",
        ),
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would be done, and change nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Create missing topics and check existing ones.

    Safe to repeat: existing topics are not changed without --update. Exit status 78 if an existing topic has a wrong
    number of partitions or, unless it is a source topic, another cleanup policy, retention or rule for timestamps than
    the settings, or fewer replicas.
    """
    settings = load_settings()
    changes = noted(settings, "update_topics") if update and not dry_run else nullcontext(dict[str, Any]())
    with changes as found:
        outcomes = run(_create(settings, update, dry_run, print_line=not as_json), "asking Kafka")
        found["topics"] = {each.topic: each.outcome for each in outcomes}
    if as_json:
        rows = [{"topic": each.topic, "outcome": each.outcome, "faults": each.faults} for each in outcomes]
        typer.echo(json.dumps(rows, ensure_ascii=False))
    if faults := [fault for each in outcomes for fault in each.faults]:
        raise CommandError(Exit.REFUSED, "\n".join(faults))


async def require_lead_events(settings: Settings) -> None:
    """See that the topic of the events is the one that the settings describe.

    Raises:
        CommandError: it is not there, or has another number of partitions.
    """
    async with open_admin(settings) as admin:
        found = (await read_topics(admin, [settings.lead_events], configs=False)).get(settings.lead_events)
    if found is None:
        message = f"Kafka has no topic {settings.lead_events}: run `leadglow topics create` first."
        raise CommandError(Exit.REFUSED, message)
    if found.partitions != settings.partitions:
        noted = await ask_noted(settings)
        message = explain_topic(settings.lead_events, settings.partitions, found.partitions, noted)
        raise CommandError(Exit.REFUSED, message)


async def _create(settings: Settings, update: bool, dry_run: bool, print_line: bool) -> list[Outcome]:
    outcomes = []
    async with open_admin(settings) as admin:
        specs = topic_specs(settings)
        existing = await read_topics(admin, [spec.name for spec in specs])
        for spec in specs:
            if spec.name in existing:
                outcome = await _check(admin, spec, existing[spec.name], update, dry_run)
            elif dry_run:
                outcome = _outcome(spec, "would be created")
            else:
                outcome = await _create_one(admin, settings, spec)
            outcomes.append(outcome)
            if print_line:
                typer.echo(outcome.line)
        if not dry_run:
            await _wait_until_listed(admin, {spec.name for spec in specs})
    return outcomes


async def _check(
    admin: AIOKafkaAdminClient, spec: TopicSpec, state: TopicState, update: bool, dry_run: bool
) -> Outcome:
    """Compare a topic, and with ``update`` change its settings that differ."""
    faults = [_explain_partitions(spec, state.partitions)]
    found = differences(spec, state)
    changeable = [each for each in found if each.setting != "replicas"]
    done = ""
    if update and changeable:
        names = ", ".join(f"{each.setting}={(spec.configs | ANY_TIMESTAMP)[each.setting]}" for each in changeable)
        done = f", {'would be set' if dry_run else 'set'}: {names}"
        if not dry_run and (why := await update_topic(admin, spec, state)):
            raise CommandError(Exit.REFUSED, f"Kafka refused to change {spec.name}: {why}")
        found = [each for each in found if each not in changeable]
    faults += [each.text for each in found]
    note = "" if state.partitions == spec.partitions or spec.exactly else _explain_other_number(spec)
    wrong = f" instead of {spec.partitions}" if spec.exactly and state.partitions != spec.partitions else ""
    text = f"exists, {'but with ' if wrong else ''}{count_of(state.partitions, 'partition')}{wrong}{note}{done}"
    return Outcome(spec.name, text, state.partitions, False, tuple(filter(None, faults)))


def _explain_other_number(spec: TopicSpec) -> str:
    """Why another number of partitions is no fault."""
    more = "; adding some moves leads to other partitions" if spec.by_lead else ""
    return f", which works (a new topic would have {spec.partitions}{more})"


def _explain_partitions(spec: TopicSpec, actual: int) -> str:
    """A message if the number of partitions is wrong."""
    if actual == spec.partitions or not spec.exactly:
        return ""
    if spec.partitions == 1:
        return f"{spec.name} must have 1 partition: name a fresh topic in LEADGLOW_SCORECARDS_TOPIC."
    return explain_topic(spec.name, spec.partitions, actual)


async def _create_one(admin: AIOKafkaAdminClient, settings: Settings, spec: TopicSpec) -> Outcome:
    """Create a topic with all of its settings that the broker supports."""
    code, why = await _send(admin, settings, spec, spec.configs | ANY_TIMESTAMP)
    note = ""
    if _unknown_setting(code):  # brokers know it from Kafka 3.6 on
        code, why = await _send(admin, settings, spec, spec.configs)
    if _unknown_setting(code):
        note = ", without its settings, which this broker does not support"
        code, why = await _send(admin, settings, spec, {})
    if code == 0:
        return _outcome(spec, f"created{note}")
    if for_code(code) is TopicAlreadyExistsError:
        return _outcome(spec, "created by another process meanwhile")
    reason = why or for_code(code).__name__
    raise CommandError(Exit.REFUSED, f"Kafka refused to create {spec.name}: {reason}")


async def _wait_until_listed(admin: AIOKafkaAdminClient, names: set[str]) -> None:
    """Wait until the brokers list the topics, so that a worker can be started right afterwards."""
    async with asyncio.timeout(LISTING_TIMEOUT_S):
        while True:
            if names <= (await read_topics(admin, names, configs=False)).keys():
                return
            await asyncio.sleep(0.05)


def _unknown_setting(code: int) -> bool:
    return for_code(code) is InvalidConfigurationError


async def _send(
    admin: AIOKafkaAdminClient, settings: Settings, spec: TopicSpec, configs: Mapping[str, str]
) -> tuple[int, str]:
    """Kafka's error code (0 for success) and error message."""
    new = NewTopic(spec.name, spec.partitions, settings.replication_factor, topic_configs=dict(configs))
    reply: Any = await admin.create_topics([new])
    _, code, *why = reply.topic_errors[0]
    return code, str(why[0] or "") if why else ""


def _outcome(spec: TopicSpec, done: str) -> Outcome:
    compacted = spec.configs.get("cleanup.policy") == "compact"
    return Outcome(spec.name, f"{done}, {count_of(spec.partitions, 'partition')}", spec.partitions, compacted)

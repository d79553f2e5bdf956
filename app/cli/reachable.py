"""Waiting until Redis and Kafka answer, and checking that they are set up for Leadglow."""

import asyncio
import logging
from collections.abc import Collection

from app.cli.common import open_admin
from app.cli.errors import CommandError
from app.cli.unreachable import explain_missing
from app.permissions import find_missing, topics_needed
from app.settings import Settings
from app.topic_settings import TopicState, differences, read_topics, topic_specs
from streams.exits import Exit
from streams.store.base import Store
from streams.store.checks import StoreRefused

log = logging.getLogger(__name__)
AGAIN_S = 2.0
"""Pause between attempts to reach Kafka at the start."""


async def check_store(store: Store, writes: bool = True) -> None:
    """Wait for Redis, and refuse one that loses leads, or that does not permit what a process does."""
    try:
        await store.verify(writes)
    except StoreRefused as refused:
        raise CommandError(Exit.REFUSED, str(refused)) from None


async def check_kafka(settings: Settings, process: str) -> dict[str, TopicState]:
    """Wait for Kafka, and refuse one without the topics or the permissions of a process; returns its topics.

    A broker that creates topics itself uses the wrong settings.

    Args:
        settings: of this process.
        process: the name of its command, as in ``PERMISSIONS``.

    Raises:
        CommandError: topics or permissions are missing, or the settings of topics lose records.
    """
    names = list(topics_needed(settings, [process]))
    found = await _ask_kafka(settings, process, names)
    if missing := ", ".join(name for name in names if name not in found):
        raise CommandError(Exit.REFUSED, f"Kafka has no topic {missing}: run `leadglow topics create` first.")
    for spec in (spec for spec in topic_specs(settings) if spec.name in found):
        for each in differences(spec, found[spec.name]):
            if each.loses_records:
                raise CommandError(Exit.REFUSED, each.text)
            log.warning("%s", each.text)
    return found


async def check_permissions(settings: Settings, process: str) -> None:
    """Wait for Kafka, and refuse one that does not permit what a process does.

    Raises:
        CommandError: permissions are missing.
    """
    await _ask_kafka(settings, process, [settings.handoff])


async def _ask_kafka(settings: Settings, process: str, names: Collection[str]) -> dict[str, TopicState]:
    """The topics that there are; tries again until Kafka answers."""
    while True:
        try:
            async with open_admin(settings) as admin:
                if missing := await find_missing(admin, settings, [process]):
                    raise CommandError(Exit.REFUSED, explain_missing(settings, missing))
                return await read_topics(admin, names)
        except CommandError as error:
            if error.status is not Exit.TROUBLE:
                raise
            log.warning("%s Trying again.", error)
        await asyncio.sleep(AGAIN_S)

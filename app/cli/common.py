"""What the commands share: mistakes in one sentence, clients with a deadline."""

import asyncio
import logging
import sys
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Annotated, Any, TypeVar

import typer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from redis.exceptions import RedisClusterException, RedisError
from rich.console import Console

from app.cli.unreachable import Ear, kafka_away, redis_away
from app.settings import Settings, load_settings
from app.wiring import admin_of, store_of
from streams.exits import Exit
from streams.scorefile import ScorefileError, load_file
from streams.scoring.rules import Rules
from streams.store.client import connect
from streams.store.keys import meta_key
from streams.store.redis import RedisStore

T = TypeVar("T")
PIPE_WIDTH = 160
REDIS_S = 10.0
"""How long a command waits for an answer of Redis; a worker waits for ever."""


def _in_utf8(value: str) -> str:
    """What is not UTF-8 on the command line comes with characters that cannot be sent."""
    try:
        value.encode()
    except UnicodeEncodeError:
        msg = "it is not UTF-8, and ids are text in UTF-8"
        raise typer.BadParameter(msg) from None
    return value


LeadId = Annotated[
    str,
    typer.Argument(
        metavar="ID",
        callback=_in_utf8,
        help="The lead's id, any id that was joined to it, or its e-mail address.",
    ),
]


class Fault(Exception):
    """A command cannot do what it was asked for; the message says what to do about it."""

    def __init__(self, status: Exit, message: str) -> None:
        super().__init__(message)
        self.status = status


def settings() -> Settings:
    """The settings of this command."""
    return load_settings()


def rules_of(settings: Settings) -> Rules:
    """The scorecards in use.

    Raises:
        Fault: the scorecard file is no good.
    """
    try:
        return Rules(load_file(settings.scorecards), settings.lateness_hours * 3_600_000)
    except ScorefileError as error:
        message = f"{error}\nCorrect the file, or name another one in LEADGLOW_SCORECARDS."
        raise Fault(Exit.REFUSED, message) from None


def console() -> Console:
    """Where tables go; a pipe or a file is as wide as it takes."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else PIPE_WIDTH)


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a command's work; only its own words are for people, not the libraries' grumbling."""
    logging.basicConfig(handlers=[logging.NullHandler()])
    return asyncio.run(work)


@asynccontextmanager
async def opened_store(settings: Settings, deadline_s: float | None = REDIS_S) -> AsyncIterator[RedisStore]:
    """The state in Redis, closed afterwards.

    Raises:
        Fault: Redis does not answer, or the whole block takes longer than ``deadline_s`` (None: no limit).
    """
    await _look_at_redis(settings)
    store = store_of(settings)
    try:
        async with asyncio.timeout(deadline_s):
            yield store
    except (TimeoutError, RedisError, OSError) as error:
        raise Fault(Exit.TROUBLE, redis_away(settings, error)) from None
    finally:
        with suppress(RedisError, OSError, TimeoutError):
            await asyncio.wait_for(store.close(), 1.0)


async def _look_at_redis(settings: Settings) -> None:
    """See that Redis answers, at once, and that its state is for as many partitions as the settings say."""
    client = connect(settings.redis)
    try:
        async with asyncio.timeout(REDIS_S):
            agreed = await client.hget(meta_key(settings.namespace), "partitions")
    except (TimeoutError, RedisError, RedisClusterException, OSError) as error:
        raise Fault(Exit.TROUBLE, redis_away(settings, error)) from None
    finally:
        await client.aclose()
    if agreed is not None and int(agreed) != settings.partitions:
        message = (
            f"LEADGLOW_PARTITIONS is {settings.partitions}, but Redis holds state for {int(agreed)} "
            f"partitions: set LEADGLOW_PARTITIONS={int(agreed)}."
        )
        raise Fault(Exit.REFUSED, message)


@asynccontextmanager
async def opened_admin(settings: Settings) -> AsyncIterator[AIOKafkaAdminClient]:
    """A client for topics, closed afterwards.

    Raises:
        Fault: Kafka does not answer.
    """
    admin = admin_of(settings)
    with Ear() as ear:
        try:
            await admin.start()
            yield admin
        except (KafkaError, TimeoutError) as error:
            raise Fault(Exit.TROUBLE, kafka_away(settings, ear.reason or error)) from None
        finally:
            await admin.close()

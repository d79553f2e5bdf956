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

from app.cli.unreachable import KafkaErrorCapture, explain_kafka_failure, explain_redis_failure
from app.instants import parse_instant
from app.settings import Settings
from app.wiring import make_admin, make_store
from streams.clock import now_ms
from streams.exits import Exit
from streams.scorefile import YamlFileError, load_file
from streams.scoring.rules import Rules
from streams.store.keys import meta_key
from streams.store.redis import RedisStore, connect

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
At = Annotated[
    str | None,
    typer.Option(
        metavar="TIME",
        help="Now or later: 2026-12-24T18:00:00Z, 2026-12-24, or +7d (s, m, h, d, w). "
        "Shows what will be if nothing else arrives.",
    ),
]


class CommandError(Exception):
    """A command cannot do what it was asked for; the message says what to do about it."""

    def __init__(self, status: Exit, message: str) -> None:
        super().__init__(message)
        self.status = status


def load_rules(settings: Settings) -> Rules:
    """The scorecards in use.

    Raises:
        CommandError: the scorecard file is no good.
    """
    try:
        return Rules(load_file(settings.scorecards), settings.lateness_ms)
    except YamlFileError as error:
        message = f"{error}\nCorrect the file, or name another one in LEADGLOW_SCORECARDS."
        raise CommandError(Exit.REFUSED, message) from None


def parse_at(text: At) -> int:
    """The instant that ``--at`` names, in ms since the epoch; now without it."""
    now = now_ms()
    try:
        return now if text is None else parse_instant(text, now)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--at") from None


def console() -> Console:
    """Where tables go; a pipe or a file is as wide as it takes."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else PIPE_WIDTH)


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a command's work; only its own words are for people, not the libraries' grumbling."""
    logging.basicConfig(handlers=[logging.NullHandler()])
    return asyncio.run(work)


@asynccontextmanager
async def open_store(settings: Settings, deadline_s: float | None = REDIS_S) -> AsyncIterator[RedisStore]:
    """The state in Redis, closed afterwards.

    Raises:
        CommandError: Redis does not answer, or the whole block takes longer than ``deadline_s`` (None: no limit).
    """
    await _check_redis(settings)
    store = make_store(settings)
    try:
        async with asyncio.timeout(deadline_s):
            yield store
    except (TimeoutError, RedisError, OSError) as error:
        raise CommandError(Exit.TROUBLE, explain_redis_failure(settings, error)) from None
    finally:
        with suppress(RedisError, OSError, TimeoutError):
            await asyncio.wait_for(store.close(), 1.0)


async def _check_redis(settings: Settings) -> None:
    """See that Redis answers, at once, and that its state is for as many partitions as the settings say."""
    client = connect(settings.redis)
    try:
        async with asyncio.timeout(REDIS_S):
            agreed = await client.hget(meta_key(settings.namespace), "partitions")
    except (TimeoutError, RedisError, RedisClusterException, OSError) as error:
        raise CommandError(Exit.TROUBLE, explain_redis_failure(settings, error)) from None
    finally:
        await client.aclose()
    if agreed is not None and int(agreed) != settings.partitions:
        message = (
            f"LEADGLOW_PARTITIONS is {settings.partitions}, but Redis holds state for {int(agreed)} "
            f"partitions: set LEADGLOW_PARTITIONS={int(agreed)}."
        )
        raise CommandError(Exit.REFUSED, message)


@asynccontextmanager
async def open_admin(settings: Settings) -> AsyncIterator[AIOKafkaAdminClient]:
    """A client for topics, closed afterwards.

    Raises:
        CommandError: Kafka does not answer.
    """
    admin = make_admin(settings)
    with KafkaErrorCapture() as ear:
        try:
            await admin.start()
            yield admin
        except (KafkaError, TimeoutError) as error:
            raise CommandError(Exit.TROUBLE, explain_kafka_failure(settings, ear.reason or error)) from None
        finally:
            await admin.close()

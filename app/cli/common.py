"""Shared by the commands: errors in one sentence, clients with a deadline."""

import asyncio
import logging
import sys
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, nullcontext, suppress
from typing import Annotated, Any, TypeVar

import typer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from redis.exceptions import RedisClusterException, RedisError
from rich.console import Console
from rich.status import Status

from app.agreed import Agreed, read_agreed
from app.cli.errors import CommandError
from app.cli.unreachable import KafkaErrorCapture, explain_missing, kafka_fault, redis_fault
from app.instants import parse_instant
from app.repartition.kafka_side import read_noted
from app.settings import Settings
from app.topic_settings import TopicsForbidden
from app.wiring import make_store, started_admin
from streams.clock import now_ms
from streams.exits import Exit
from streams.mismatch import Mismatch
from streams.partition_numbers import explain_state, explain_unfinished, is_switching
from streams.scoring.stored import DamagedBlob
from streams.store.format import require_readable
from streams.store.redis import RedisStore

T = TypeVar("T")
PIPE_WIDTH = 160
REDIS_S = 10.0
"""How long a command waits for a response of Redis; a worker waits for ever."""
DAMAGED = (
    "{error}. Restore a backup of Redis, or run `leadglow rebuild`, while Kafka has records from before a repartition "
    "with --after-repartition."
)
NOTED_S = 5.0


def _require_utf8(value: str) -> str:
    """Refuse bytes that are not UTF-8: Python passes them as characters that cannot be sent."""
    try:
        value.encode()
    except UnicodeEncodeError:
        msg = "it is not UTF-8, but ids are UTF-8 text"
        raise typer.BadParameter(msg) from None
    return value


LeadId = Annotated[
    str,
    typer.Argument(
        metavar="ID",
        callback=_require_utf8,
        help="The lead's id, any id that was merged into it, or its e-mail address.",
    ),
]
At = Annotated[
    str | None,
    typer.Option(
        metavar="TIME",
        help="Now or later: 2026-12-24T18:00:00Z, 2026-12-24, or +7d (s, m, h, d, w). "
        "Assumes that no further events arrive.",
    ),
]


def parse_at(text: At) -> int:
    """The instant that ``--at`` names, in ms since the epoch; now without it."""
    now = now_ms()
    try:
        return now if text is None else parse_instant(text, now)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--at") from None


def console() -> Console:
    """The console for tables; a pipe or a file has a fixed width."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else PIPE_WIDTH)


def require_yes(would_ask: bool, yes: bool) -> None:
    """Refuse to ask where stdout has JSON for a program.

    Raises:
        CommandError: ``would_ask``, and the answer is not given.
    """
    if would_ask and not yes:
        raise CommandError(Exit.USAGE, "--json needs --yes.")


def confirm(question: str, otherwise: str) -> None:
    """Ask; the end of the input is no.

    Raises:
        CommandError: the answer is no; ``otherwise`` is its message.
    """
    try:
        agreed = typer.confirm(question)
    except typer.Abort:
        typer.echo()  # ends the line of the question
        agreed = False
    if not agreed:
        raise CommandError(Exit.CHECK_FAILED, otherwise)


def run(work: Coroutine[Any, Any, T], doing: str = "") -> T:
    """Run a command's coroutine without the log lines of libraries; a terminal shows what it is ``doing``."""
    logging.basicConfig(handlers=[logging.NullHandler()])
    with busy(doing) if doing else nullcontext():
        return asyncio.run(work)


def busy(doing: str) -> Status:
    """Show on stderr that the command works, if that is a terminal."""
    return Console(stderr=True).status(f"{doing} …")


@asynccontextmanager
async def open_store(settings: Settings, deadline_s: float | None = REDIS_S) -> AsyncIterator[RedisStore]:
    """The state in Redis, closed afterwards.

    Raises:
        CommandError: Redis does not respond, or the block takes longer than ``deadline_s`` (None: no limit);
            or a lead in it is damaged.
    """
    await check_partitions(settings)
    store = make_store(settings)
    try:
        async with asyncio.timeout(deadline_s):
            yield store
    except (TimeoutError, RedisError, OSError) as error:
        raise redis_fault(settings, error) from None
    except DamagedBlob as error:
        raise CommandError(Exit.REFUSED, DAMAGED.format(error=error)) from None
    finally:
        with suppress(RedisError, OSError, TimeoutError):
            await asyncio.wait_for(store.close(), 1.0)


async def check_partitions(settings: Settings) -> Agreed:
    """Check that Redis responds, that this release reads its state, and the number of partitions in the settings.

    Returns what the processes agree on.

    Raises:
        CommandError: it does not.
    """
    agreed = await ask_agreed(settings)
    if agreed.plan and is_switching(agreed.plan):
        raise CommandError(Exit.REFUSED, explain_unfinished(agreed.plan))
    if agreed.partitions is not None and agreed.partitions != settings.partitions:
        noted = await ask_noted(settings)
        raise CommandError(Exit.REFUSED, explain_state(settings.partitions, agreed.partitions, noted))
    return agreed


async def ask_noted(settings: Settings) -> int | None:
    """The number of partitions among which leads were divided last; None if they never were, or Kafka does not say."""
    with suppress(KafkaError, OSError, TimeoutError, TopicsForbidden, Mismatch):
        async with asyncio.timeout(NOTED_S):
            return await read_noted(settings)
    return None


async def ask_agreed(settings: Settings) -> Agreed:
    """What the processes of the system agree on, of which this release reads the state.

    Raises:
        CommandError: it does not, or Redis does not respond.
    """
    try:
        async with asyncio.timeout(REDIS_S):
            agreed = await read_agreed(settings)
        require_readable(agreed.form)
    except (TimeoutError, RedisError, RedisClusterException, OSError) as error:
        raise redis_fault(settings, error) from None
    except Mismatch as mismatch:
        raise CommandError(Exit.REFUSED, f"{mismatch}.") from None
    return agreed


@asynccontextmanager
async def open_admin(settings: Settings) -> AsyncIterator[AIOKafkaAdminClient]:
    """A client for topics, closed afterwards.

    Raises:
        CommandError: Kafka does not respond, or the user may not see a topic.
    """
    with KafkaErrorCapture() as capture:
        try:
            async with started_admin(settings) as admin:
                yield admin
        except TopicsForbidden as forbidden:
            missing = [f"describe on topic {name}" for name in forbidden.names]
            raise CommandError(Exit.REFUSED, explain_missing(settings, missing)) from None
        except (KafkaError, TimeoutError) as error:
            raise kafka_fault(settings, capture.cause_of(error)) from None

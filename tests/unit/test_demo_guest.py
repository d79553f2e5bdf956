"""What the live demo tells a newcomer to paste."""

import json
import shlex
from types import SimpleNamespace

from app.collector import authority, segment
from app.collector.event_writer import record_of
from app.collector.inbound import Inbound
from app.collector.keyring import load_keys
from app.collector.webhooks import SERVICES
from app.demo.guest import GUEST, command
from app.demo.servers import KEYS, SCORECARD
from streams.environment import Environment
from streams.metrics import Metrics
from streams.scorefile import load_file
from streams.scoring.rules import Rules
from streams.shard.shard import Shard
from streams.store.memory import MemoryStore
from streams.transport.topics import Partitioner, Topics

NOW_MS = 1_795_400_000_000
LONGEST = command("127.0.0.1:65535")


def test_every_line_fits_into_a_terminal_of_80_columns() -> None:
    assert max(map(len, LONGEST.splitlines())) <= 80


def test_a_shell_takes_it_even_with_the_blanks_that_a_terminal_puts_behind_its_lines() -> None:
    padded = "\n".join(line.ljust(120) for line in LONGEST.splitlines())

    program, address, option, body = shlex.split(padded)

    assert (program, address, option) == ("curl", "127.0.0.1:65535/v1/batch", "-d")
    assert len(json.loads(body)["batch"]) == 3


async def test_the_demos_keys_let_it_in_and_the_demos_scorecard_makes_it_an_alert() -> None:
    delivery = segment.read_segment(
        Inbound("POST", "/v1/batch", body=shlex.split(LONGEST)[-1].encode(), received_ms=NOW_MS)
    )
    key = load_keys(KEYS, SERVICES).admit(delivery.write_key, "", "127.0.0.1", len(delivery.calls), 0.0)
    store = MemoryStore()
    env = Environment(store, Topics(), Partitioner(1), Metrics(), "worker")
    shard = Shard(0, Rules(load_file(SCORECARD), NOW_MS), env)
    await shard.open()
    for i, call in enumerate(delivery.calls):
        record = record_of(authority.stamp_call(call, key), "web-events", NOW_MS)  # type: ignore[arg-type]
        value = SimpleNamespace(offset=i, key=GUEST.encode(), value=record.value, timestamp=NOW_MS, headers=())  # type: ignore[union-attr]
        await shard.score_batch([value])

    [alert] = await store.outbox(0)

    assert delivery.bad == []
    assert b"leadglow.stage.entered.v1" in alert.payload
    assert b"qualified" in alert.payload

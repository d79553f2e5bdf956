"""``leadglow repartition`` asks Redis first which format the system has; Kafka is not there."""

from __future__ import annotations

from types import SimpleNamespace
from unittest.mock import AsyncMock

import pytest
import redis
from typer.testing import CliRunner

from app.cli import rebuild
from app.cli.lead_log import LogEnds
from app.cli.root import build
from app.repartition.run import open_copier
from app.settings import Settings
from app.wiring import make_store
from streams.implementation import REFERENCE
from streams.store.base import Commit
from streams.store.format import FORMAT, NAME, OLDEST, begin_format
from streams.store.keys import meta_key, shard_keys

NO_KAFKA = "127.0.0.1:1"


TO = ("--to", "12", "--yes")
NEWER, FINISH = "run the newer release", "`leadglow upgrade --finish`"


@pytest.mark.parametrize(
    ("noted", "args", "remedy"),
    [
        ({NAME: str(FORMAT + 1)}, TO, NEWER),
        ({NAME: str(FORMAT + 1)}, ("--to", "4"), NEWER),
        ({NAME: str(FORMAT + 1)}, ("--cancel",), NEWER),
        ({NAME: str(OLDEST)}, TO, FINISH),
        ({}, TO, FINISH),
        ({}, (*TO, "--dry-run"), FINISH),
    ],
)
def test_a_system_of_another_format_is_refused(
    redis_url: str, unique: str, monkeypatch: pytest.MonkeyPatch,
    noted: dict[str, str], args: tuple[str, ...], remedy: str,
) -> None:  # fmt: skip
    assert remedy in refused(redis_url, unique, monkeypatch, noted, "repartition", *args)


@pytest.mark.parametrize("step", ["copy", "clean"])
def test_no_shard_is_emptied_while_a_repartition_has_begun(
    step: str, redis_url: str, unique: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def read_ends(settings: Settings) -> LogEnds:
        return LogEnds({}, {}, {})

    monkeypatch.setattr(rebuild, "read_ends", read_ends)
    noted = {NAME: str(FORMAT), "repartition": f'{{"old":4,"new":12,"step":"{step}"}}'}

    said = refused(redis_url, unique, monkeypatch, noted, "rebuild", "--yes")

    assert "`leadglow repartition --to 12` has begun and not ended" in said


def refused(
    redis_url: str, namespace: str, monkeypatch: pytest.MonkeyPatch, noted: dict[str, str], *command: str
) -> str:
    """Why a command is refused where this is noted and a repartition has begun."""
    with redis.Redis.from_url(redis_url) as client:
        client.hset(meta_key(namespace), mapping={"partitions": "4", "repartition": '{"old":4,"new":12}', **noted})
    settings = {"REDIS": redis_url, "NAMESPACE": namespace, "KAFKA": NO_KAFKA, "PARTITIONS": "4"}
    for name, value in settings.items():
        monkeypatch.setenv(f"LEADGLOW_{name}", value)
    result = CliRunner().invoke(build([command[0]]), [*command])
    assert result.exit_code == 78, result.output
    return result.stderr


async def test_a_rebuild_replaces_a_state_from_before_a_repartition_with_its_copies(
    redis_url: str, unique: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(redis=redis_url, namespace=unique, kafka=NO_KAFKA, partitions=6)
    monkeypatch.setattr(rebuild, "ask_noted", AsyncMock(return_value=6))
    monkeypatch.setattr(rebuild, "has_topic", AsyncMock(return_value=False))
    begins = SimpleNamespace(first=dict.fromkeys(range(6), 0), end={})
    monkeypatch.setattr(rebuild, "read_ends", AsyncMock(return_value=begins))
    store = make_store(settings.model_copy(update={"partitions": 4}))
    await begin_format(store)
    await store.meta("partitions", "4")
    await store.meta("repartition", '{"old":4,"new":6}')
    await store.commit(3, Commit(0, "", "s1", {"ckpt": b"3"}, {"ana": b"..."}))
    async with open_copier(settings, 4, 6, REFERENCE) as copier:
        await copier.put_control(5, {"step": b"copied"}, ())
        assert await copier.find_missing([5], "copied") == []

        await rebuild._rebuild(settings, {1: 9}, backfill=False)

        assert await copier.find_missing([5], "copied") == [5]
        assert (await store.meta("partitions"), await store.meta("repartition")) == ("6", "")
    await store.close()
    store = make_store(settings)
    controls = [await store.control(partition) for partition in range(6)]
    assert [each.fields["ckpt"] for each in controls] == [b"0", b"9", *[b"0"] * 4]
    await store.close()
    with redis.Redis.from_url(redis_url) as client:
        shards = {shard_keys(unique, partition, 6).ctl.encode() for partition in range(6)}
        assert {*client.scan_iter(f"*{unique}*")} == {meta_key(unique).encode(), *shards}

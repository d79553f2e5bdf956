"""``leadglow repartition`` asks Redis first which format the system has; Kafka is not there."""

from __future__ import annotations

import pytest
import redis
from typer.testing import CliRunner

from app.cli import rebuild
from app.cli.lead_log import LogEnds
from app.cli.root import build
from app.settings import Settings
from streams.store.format import FORMAT, NAME, OLDEST
from streams.store.keys import meta_key

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

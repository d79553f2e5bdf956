"""``leadglow repartition`` asks Redis first which format the system has; Kafka is not there."""

from __future__ import annotations

import pytest
import redis
from typer.testing import CliRunner

from app.cli.root import build
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
    with redis.Redis.from_url(redis_url) as client:
        client.hset(meta_key(unique), mapping={"partitions": "4", "repartition": '{"old":4,"new":12}', **noted})
    for name, value in (("REDIS", redis_url), ("NAMESPACE", unique), ("KAFKA", NO_KAFKA)):
        monkeypatch.setenv(f"LEADGLOW_{name}", value)

    result = CliRunner().invoke(build(["repartition"]), ["repartition", *args])

    assert result.exit_code == 78, result.output
    assert remedy in result.stderr

"""The board's search over a million leads that differ: building the index, and how long a search takes by HTTP."""

from __future__ import annotations

import asyncio
import time
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any, Final

import aiohttp

from streams.scorefile import load_file
from streams.scoring.lead import Lead
from streams.scoring.rules import Rules
from streams.scoring.stored import decode, encode
from streams.shard.position import RANKING
from streams.store.base import Commit, Verdict
from streams.store.redis import RedisStore
from streams.transport.topics import partition_of
from tests.benchmarks import leadglow, measure
from tests.benchmarks.board import STEP, Board, make_kinds, running
from tests.benchmarks.decayed import SCORECARD
from tests.benchmarks.rig import Rig
from tests.benchmarks.workload import PARTITIONS

SEARCHES: Final = 100
"""Searches of each kind."""
LIMIT: Final = 50
BUILD_S: Final = 3600
FIRSTS: Final = ("Ana", "José", "Søren", "Zoë", "Ben", "Dora", "Eva", "Max", "Maria", "Łukasz", "Jürgen", "Chloé")
OWNERS: Final = ("Olga Ott", "Otto Ude", "Iris Ahl", "Jan Kok")


async def measured(rig: Rig, leads: int) -> dict[str, Any]:
    """Time, processor time, memory and disk of the index, and the percentiles of each kind of search in ms."""
    await rig.empty_redis()
    store = RedisStore(rig.redis.address, rig.name("search"), partitions=PARTITIONS)
    await _fill_leads(store, leads)
    await store.close()
    names = leadglow.topics(rig, "search")
    await leadglow.prepare(rig, names, names["lead_events"])
    folder = rig.folder / "index"
    folder.mkdir()
    async with running(rig, names | {"board_index": str(folder)}, rig.redis.address, "search") as board:
        began_s = time.monotonic()
        await _wait_built(board)
        figures: dict[str, Any] = {
            "leads": leads,
            "build_s": round(time.monotonic() - began_s),
            "build_cpu_s": round(measure.cpu_s(board.pid)),
            "index_bytes_per_lead": round(_size_bytes(folder) / leads),
            "rss_bytes": measure.memory_bytes(board.pid),
        }
        return figures | await _search(board, leads)


async def _wait_built(board: Board) -> None:
    async with asyncio.timeout(BUILD_S), aiohttp.ClientSession() as session:
        while "indexing" in (await _asked(session, board, "q=nobody"))[1]:  # noqa: ASYNC110 - in another process
            await asyncio.sleep(0.5)


async def _search(board: Board, leads: int) -> dict[str, Any]:
    """All kinds in turns, one request at a time, each with another text."""
    chance = Random(17)
    times: dict[str, list[float]] = {}
    async with aiohttp.ClientSession() as session:
        for _ in range(SEARCHES):
            for name, query in _searches(chance, leads).items():
                times.setdefault(name, []).append((await _asked(session, board, query))[0])
    every = sorted(each for found in times.values() for each in found)
    return {
        "all_ms": _percentiles(every),
        **{f"{name}_ms": _percentiles(sorted(found)) for name, found in times.items()},
    }


def _searches(chance: Random, leads: int) -> dict[str, str]:
    """The query of each kind of search."""
    person = _traits_of(chance.randrange(leads))
    first, last = person["name"].split()
    digits = person["phone"].replace("+49 ", "0")
    return {
        "mail": f"q={person['email']}",
        "name": f"q={last}%20{first}",
        "beginnings": f"q={last[:3]}%20{first[:2]}",
        "common_name": f"q={first}",
        "letter": f"q={first[0]}",
        "company": f"q={person['company'].split()[0]}",
        "phone": f"q={digits.replace(' ', '%20')}",
        "nobody": f"q={last}%20{last[::-1]}x%20example",
        "owner_seen": f"owner={person['owner'].replace(' ', '%20')}&sort=seen",
        "name_of_owner": f"q={last}&owner={person['owner'].replace(' ', '%20')}&sort=company",
    }


async def _asked(session: aiohttp.ClientSession, board: Board, query: str) -> tuple[float, dict[str, Any]]:
    """(Milliseconds, the response)."""
    began_s = time.perf_counter()
    async with session.get(f"{board.url}/api/v1/leads?limit={LIMIT}&{query}") as answer:
        body = await answer.json()
        assert answer.status == 200, body
    return 1000 * (time.perf_counter() - began_s), body


def _percentiles(times: list[float]) -> dict[str, float]:
    return {f"p{p}": round(times[min(len(times) * p // 100, len(times) - 1)], 1) for p in (50, 95, 99)}


def _size_bytes(folder: Path) -> int:
    return sum(each.stat().st_size for each in folder.rglob("*") if each.is_file())


async def _fill_leads(store: RedisStore, leads: int) -> None:
    """Put so many leads into the shards, each with traits of its own."""
    rules = Rules(load_file(SCORECARD))
    kinds = make_kinds(rules)
    homes: dict[int, list[int]] = {partition: [] for partition in range(PARTITIONS)}
    for number in range(leads):
        homes[partition_of(_id_of(number), PARTITIONS)].append(number)
    for partition, numbers in homes.items():
        version, rest = 0, iter(numbers)
        while step := list(islice(rest, STEP)):
            chosen = {number: kinds[number % len(kinds)] for number in step}
            blobs = {_id_of(number): _blob_of(kind.blob, number) for number, kind in chosen.items()}
            commit = Commit(
                version,
                f"fill-{version - 1}" if version else "",
                f"fill-{version}",
                {"ckpt": b"0", "scorecards": rules.version.encode(), "ranking": RANKING},
                dict(blobs),
                ranks={rules.cards[0].name: {_id_of(number): kind.score for number, kind in chosen.items()}},
            )
            assert await store.commit(partition, commit) is Verdict.OK
            version += 1


def _id_of(number: int) -> str:
    return f"lead-{number:07d}"


def _blob_of(blob: bytes, number: int) -> bytes:
    lead = decode(blob)
    assert isinstance(lead, Lead)
    traits: dict[str, Any] = {**_traits_of(number), "title": "CTO", "industry": "logistics", "country": "DE"}
    lead.traits = {name: [value, 0, ""] for name, value in traits.items()}
    return encode(lead)


def _traits_of(number: int) -> dict[str, str]:
    """The traits of a lead: 12 first names, 8,000 last names, 50,000 companies, 4 owners."""
    chance = Random(number)
    first, last = chance.choice(FIRSTS), _word(chance.randrange(8000), 3).capitalize()
    company = _word(chance.randrange(50_000), 4)
    return {
        "name": f"{first} {last}",
        "email": f"{last.lower()}.{number}@{company}.example",
        "company": f"{company.capitalize()} GmbH",
        "owner": chance.choice(OWNERS),
        "phone": f"+49 {chance.randrange(30, 999)} {chance.randrange(10**6, 10**7)}",
    }


def _word(number: int, syllables: int) -> str:
    """A word of syllables, the same for the same number."""
    word = ""
    for _ in range(syllables):
        number, place = divmod(number, 60)
        word += "bdfgklmnprst"[place % 12] + "aeiou"[place // 12]
    return word

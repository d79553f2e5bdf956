"""Loads the Lua scripts that run in Redis, and builds the arguments of a step."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha1
from importlib.resources import files
from itertools import chain

from msgspec.msgpack import Encoder

from streams.store.base import Commit
from streams.store.checks import require_finite, split


def load_script(name: str) -> tuple[str, str]:
    """The text of a script and its SHA-1, by which Redis identifies it."""
    text = files("streams.store").joinpath(f"lua/{name}.lua").read_text("utf-8")
    return text, sha1(text.encode(), usedforsecurity=False).hexdigest()


COMMIT, COMMIT_SHA = load_script("commit")
REPLACE, _ = load_script("replace")
_encode = Encoder().encode


def _sized(names: Iterable[str], blobs: Iterable[bytes]) -> list[object]:
    return list(chain.from_iterable(zip(names, map(len, blobs), strict=True)))


def _scored(scores: Mapping[str, float]) -> list[object]:
    require_finite(scores.values())
    return list(chain.from_iterable(zip(scores.values(), scores, strict=True)))


def _ranked(ranks: Mapping[str, dict[str, float | None]], scorecards: Iterable[str]) -> Iterator[object]:
    for scorecard in scorecards:
        kept, removed = split(ranks.get(scorecard, {}))
        yield from (scorecard, _scored(kept), removed)


def _text(amount: float | None) -> str:
    return "" if amount is None else repr(amount)


def arguments(commit: Commit, scorecards: Iterable[str]) -> tuple[bytes, bytes]:
    """Build ARGV of ``commit.lua``. KEYS must include the rankings and histories of ``scorecards``."""
    fields = commit.fields
    leads, removed = split(commit.packed.over(commit.leads))
    due, not_due = split(commit.due)
    payloads = [entry.payload for entry in commit.outbox]
    body = (
        *(commit.after, commit.step, str(commit.version + 1), str(commit.trim_to)),
        _sized(fields, fields.values()),
        _sized(leads, leads.values()),
        _sized((f"{entry.seq}-0" for entry in commit.outbox), payloads),
        *(_scored(due), not_due),
        list(_ranked(commit.ranks, scorecards)),
        *(commit.clean, commit.dirty),
        removed,
        *(commit.second, commit.day),
        [each for signal, (count, amount) in commit.fired.items() for each in (signal, count, _text(amount))],
        list(chain.from_iterable(commit.sales)),
    )
    return _encode(body), b"".join(chain(fields.values(), leads.values(), payloads))

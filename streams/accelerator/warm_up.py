"""Compile everything, or load it from the cache, before the first event has to wait for it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import orjson

from streams.accelerator.codec import AcceleratedCodec
from streams.accelerator.forwarding import forward_calls
from streams.accelerator.hashing import murmur2
from streams.accelerator.id_index import NameIndex
from streams.accelerator.scorer import AcceleratedScorer
from streams.scoring.rules import Rules
from streams.scoring.scorecard import Limit, Model, Points, Scorecard, Signal, Stage

_THEN = "1970-01-01T00:00:00.000Z"


def warm_up() -> None:
    """Call every compiled function by decoding and scoring events of made-up scorecards."""
    signals = (
        Signal("visit", ("page",)),
        Signal("day", ("page",), limit=Limit(1, "day")),
        Signal("place", ("page",), distinct="name"),
    )
    card = Scorecard("card", {"visit": Points(1.0)}, stages=(Stage("stage", 2.0, 1.0),))
    rules = Rules(Model(signals, (card,)))
    codec, scorer = AcceleratedCodec(rules.paths, rules.numeric), AcceleratedScorer(rules)
    for number in range(3):
        records = [_record(2 * number), _record(2 * number + 1)]
        records = records if number else records[:1]  # Numba compiles a column of one record as another type
        batch = codec.decode_batch(records, [""] * len(records)).batch
        scorer.put_leads(dict.fromkeys(scorer.missing(batch)))
        scorer.apply_batch(batch)
    blob = scorer.finish().all_blobs()["lead"]
    scorer.update_ranking(["lead"])
    scorer.advance_due(["lead"], 1)
    scorer.finish()
    scorer.clear()
    scorer.put_lead("lead", blob)
    forward_calls({"source:0": [_record(0), _record(1)]}, 0, 1, lambda place, record, arrival: {})
    murmur2(b"lead")
    names = NameIndex()
    for first in range(0, 4000, 1000):  # until it has to grow
        names.add([b"lead-%d" % number for number in range(first, first + 1000)], range(first, first + 1000))
    names.remove(0)


def _record(number: int) -> Any:
    sent = {"type": "page", "name": str(number), "messageId": str(number), "userId": "lead", "timestamp": _THEN}
    return SimpleNamespace(offset=number, value=orjson.dumps(sent), timestamp=0, key=None, headers=())

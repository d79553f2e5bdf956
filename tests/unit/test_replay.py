"""Records are played in memory as a worker takes them: each place once, in order, step by step."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

from streams.events.codec import Codec
from streams.events.controls import encode_control, kind_of
from streams.events.records import KIND_HEADER, SOURCE_HEADER
from streams.events.rejects import Reject
from streams.scoring.event import Erase, LeadEvent
from streams.scoring.lead import Lead
from streams.scoring.replay import Replay
from streams.scoring.rules import Rules
from streams.scoring.score import rank_of
from streams.scoring.scorecard import Model, Points, Scorecard, Signal
from streams.shard.log import read_log
from tests.properties.strategies import START_MS, Fact

VIEW = Signal("view", ("page",))
RULES = Rules(Model((VIEW,), (Scorecard("card", {"view": Points(1.0)}),)))
PAGE = json.dumps({"type": "page", "anonymousId": "visitor", "messageId": "m"}).encode()


@dataclass
class Arriving:
    """A record of ``lead-events``."""

    value: bytes | None
    key: bytes | None = b"lead-1"
    headers: Iterable[tuple[str, bytes]] = ()
    timestamp: int = START_MS


def page(message_id: str, at_ms: int = START_MS, lead_id: str = "u") -> LeadEvent:
    return Fact("page", message_id, at_ms).event(RULES, at_ms, lead_id)


def read(*records: Arriving) -> list[object]:
    return [item for _, item in read_log(Codec(()), records)]


def test_the_lead_of_a_record_from_intake_is_its_key() -> None:
    events = read(Arriving(PAGE), Arriving(PAGE, headers=[(SOURCE_HEADER, b"web-events:0:1")]))
    assert [event.lead_id for event in events if isinstance(event, LeadEvent)] == ["visitor", "lead-1"]


def test_a_record_that_repeats_an_earlier_one_is_left_out() -> None:
    places = (b"web:0:1", b"web:0:2", b"web:0:1", b"web:0:2", b"web:1:1")
    assert len(read(*(Arriving(PAGE, headers=[(SOURCE_HEADER, place)]) for place in places))) == 3


def test_control_records_and_rejects_are_read() -> None:
    erase = Erase("lead-1", START_MS)
    control = Arriving(encode_control(erase), headers=[(KIND_HEADER, kind_of(erase).encode())])
    *erasures, reject = read(control, Arriving(None), Arriving(b"?"))
    assert erasures == [erase, erase]
    assert isinstance(reject, Reject)


def test_only_results_of_ended_steps_are_visible() -> None:
    replay = Replay(RULES)
    replay.play(page("1"))
    assert replay.state("u") is None
    replay.end_step()
    assert isinstance(lead := replay.state("u"), Lead)
    assert replay.show_leads(["u"]).ranks == {"card": {"u": rank_of(1.0, lead.last_seen)}}


def test_leads_that_are_loaded_again_are_scored_as_before() -> None:
    kept, reloaded = Replay(RULES), Replay(RULES)
    for replay in (kept, reloaded):
        for number in range(3):
            replay.play(page(str(number % 2), START_MS + number))
            replay.end_step()
            if replay is reloaded:
                replay.reload_leads()
    assert kept.blobs == reloaded.blobs
    assert kept.tally["duplicates"] == reloaded.tally["duplicates"] == 1


def test_an_event_of_another_shard_is_forwarded_with_its_offset() -> None:
    replay = Replay(RULES, at_home=lambda lead_id: False)
    replay.play(page("1"), 41)
    replay.end_step()
    assert [(forward.target, forward.at) for forward in replay.forwards] == [("u", 41)]
    assert replay.blobs == {}

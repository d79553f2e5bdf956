"""Writes the tables of docs/scorecards.md; those of its worked example from the card and the events on the page."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from docs.markdown import fill, table
from docs.record_examples import at
from docs.scorecard_words import word_parts
from streams.events.codec import Codec
from streams.scorefile import load
from streams.scoring.event import LeadEvent
from streams.scoring.explanation import Explanation, explain
from streams.scoring.lead import Lead
from streams.scoring.replay import Replay
from streams.scoring.rules import Rules
from streams.scoring.stages import Transition
from streams.units import DAY_MS

PAGE = Path(__file__).parent / "scorecards.md"
END = "2027-12-31T00:00:00Z"


def blocks(language: str) -> list[str]:
    """The code blocks of the page in a language."""
    return re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(), re.S)


def card_rules() -> Rules:
    """The complete card of the page."""
    return Rules(load(blocks("yaml")[-1]))


def events() -> list[dict[str, Any]]:
    """The events of the worked example."""
    return [json.loads(line) for line in blocks("json")[-1].splitlines()]


class Example:
    """The worked example, played as far as an instant."""

    def __init__(self, until_ms: int, count: int = 100) -> None:
        """Play the first ``count`` events up to ``until_ms``."""
        self.rules, self.until_ms = card_rules(), until_ms
        self.replay, codec = Replay(self.rules), Codec(self.rules.paths)
        for call in [call for call in events()[:count] if at(call["timestamp"]) <= until_ms]:
            record = SimpleNamespace(
                key=None, value=json.dumps(call).encode(), timestamp=at(call["timestamp"]), headers=()
            )
            event = codec.decode_event(record)
            assert isinstance(event, LeadEvent)
            self.replay.play(event)
            self.replay.end_step()
        self.replay.advance_lead("ana", until_ms)
        self.replay.end_step()

    def explain(self) -> Explanation:
        """The score at the instant."""
        lead = self.replay.state("ana")
        assert isinstance(lead, Lead)
        (card,) = self.rules.cards
        return explain(card, lead, self.until_ms, self.rules)

    def transitions(self) -> list[Transition]:
        """Every crossing so far."""
        return [each.transition for each in self.replay.crossings]


def _number(points: float) -> str:
    return f"{points:.4f}".rstrip("0").rstrip(".")


def score_table(days: int) -> str:
    """The parts of the score, some days after the request for a demo."""
    (asked,) = [at(call["timestamp"]) for call in events() if call.get("event") == "Demo Requested"]
    found = Example(asked + days * DAY_MS).explain()
    rows = [
        (part.kind, f"`{part.name}`", "" if part.amount is None else f"{part.amount:.4f}", _number(part.points))
        for part in found.parts
    ]
    rows.append(("**exact score**", "", "", f"**{_number(found.exact)}**"))
    rows.append(("**published score, grade**", "", "", f"**{found.score}, {found.grade}**"))
    return table(("Part", "Of", "Amount", "Points"), rows)


def _time(at_ms: int) -> str:
    """To the minute."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M")


def crossings_table() -> str:
    """Every crossing of the example."""
    rows = [
        (_time(each.at_ms), f"`{each.stage}` {each.kind}", each.cause, "yes" if each.is_alert else "no")
        for each in Example(at(END)).transitions()
    ]
    return table(("Time", "Stage", "Cause", "Alert"), rows)


def event_rows() -> Iterator[tuple[str, ...]]:
    """What each event of the example changes."""
    for count, call in enumerate(events(), 1):
        example = Example(at(call["timestamp"]), count)
        found = example.explain()
        inside: list[str] = []
        for each in example.transitions():
            inside = [*inside, each.stage] if each.kind == "entered" else [s for s in inside if s != each.stage]
        yield (
            str(count),
            call.get("event", call["type"]),
            _number(found.engagement),
            _number(found.fit),
            _number(found.exact),
            str(found.score),
            ", ".join(f"`{stage}`" for stage in inside) or "none",
        )


def parts() -> dict[str, str]:
    """Name of a marker in the page -> what follows it."""
    heads = ("Line", "Event", "Engagement", "Fit", "Exact score", "Published", "Stages")
    return {
        **word_parts(),
        "the example after each event": table(heads, event_rows()),
        "the example at once": score_table(0),
        "the example after 60 days": score_table(60),
        "the crossings of the example": crossings_table(),
    }


def scorecards_page() -> str:
    """The page with its generated parts made anew."""
    return fill(PAGE, parts())

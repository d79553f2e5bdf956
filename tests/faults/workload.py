"""A seeded stream of events over several sources: joins, limits, verdicts, duplicates, misrouted records, poison."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

from streams.scoring.verdicts import VERDICT_EVENTS

URLS = ("/", "/pricing", "/jobs/1", "/jobs/2", "/product/a", "/product/b", "/product/c", "/blog")
SOURCES = (("web-events", 2), ("email-events", 1), ("crm-events", 1))
"""Source topics with their partitions."""
POISON = (
    b"", b"nonsense", b"\xff\xfe", b"null", b"[]", b"{}", b'{"type":"page"}', b'{"type":"dance","userId":"u1"}',
    b'{"type":"track","userId":"u1"}', b'{"type":"page","userId":"a\\u0000b"}', b'{"type":"page","userId":["u1"]}',
    b'{"type":"page","userId":"u1","properties":1e999}', b'{"type":"page","userId":"\\ud800"}', b"[" * 10_000,
    b'{"type":"track","event":"x","userId":' + b"9" * 5000 + b"}",
)  # fmt: skip


@dataclass(frozen=True)
class Sent:
    """A record for a partition of a topic."""

    topic: str
    partition: int
    value: bytes
    key: bytes | None = None


class Workload:
    """An endless, seeded stream that counts its distinct events."""

    def __init__(self, seed: int, now: datetime, leads: int = 300, partitions: int = 4, hot: float = 0) -> None:
        """Events happened within ten hours before ``now``; ``hot`` of them are of one lead."""
        self.clicks = 0
        """Distinct events that each lead must have counted exactly once: they have no limit and are people's."""
        self._random = random.Random(seed)
        self._sales = random.Random(seed)
        self._now = now
        self._leads = leads
        self._hot = hot
        self._partitions = partitions
        self._number = 0
        self._recent: list[Sent] = []
        self._visits: dict[int, tuple[str, dict[str, Any]]] = {}
        self._stream = self._records()

    def take(self, count: int) -> list[Sent]:
        """The next records."""
        return list(islice(self._stream, count))

    def _records(self) -> Iterator[Sent]:
        while True:
            chance = self._random.random()
            if chance < 0.02:
                yield self._place(self._random.choice(POISON))
            elif chance < 0.12 and self._recent:
                yield self._random.choice(self._recent)
            else:
                yield self._remembered(self._place(self._event()))

    def _remembered(self, sent: Sent) -> Sent:
        self._recent = [*self._recent[-30:], sent]
        return sent

    def _place(self, value: bytes) -> Sent:
        if self._random.random() < 0.05 and len(value) > 2:
            return Sent("lead-events", self._random.randrange(self._partitions), value)
        topic, partitions = self._random.choice(SOURCES)
        return Sent(topic, self._random.randrange(partitions), value)

    def _event(self) -> bytes:
        self._number += 1
        lead = int(self._random.random() ** 2 * self._leads)  # some are much more active than others
        if self._hot and self._random.random() < self._hot:
            lead = 0
        ago = timedelta(seconds=self._random.randrange(36_000))
        call: dict[str, Any] = {
            "messageId": f"m{self._number}",
            "timestamp": (self._now - ago).astimezone(UTC).isoformat(),
        }
        kinds = [self._page, self._track, self._identify, self._alias, self._retraction]
        call |= self._random.choices(kinds, [10, 8, 3, 1, 1])[0](lead)
        if call["type"] == "page" or call.get("event") in VERDICT_EVENTS:
            self._visits[lead] = (call["messageId"], call)
        return json.dumps(call).encode()

    def _retraction(self, lead: int) -> dict[str, Any]:
        """Take a visit or a verdict back, or one that never was."""
        message_id, call = self._visits.get(lead, ("none", self._who(lead)))
        retraction = {"type": "track", "event": "Event Retracted", "properties": {"messageId": message_id}}
        return retraction | {name: call[name] for name in ("userId", "anonymousId") if name in call}

    def _who(self, lead: int) -> dict[str, str]:
        return {"userId": f"u{lead}"} if self._random.random() < 0.4 else {"anonymousId": f"x{lead}"}

    def _page(self, lead: int) -> dict[str, Any]:
        url = self._random.choice(URLS)
        return {"type": "page", **self._who(lead), "properties": {"url": f"https://a.example{url}", "path": url}}

    def _track(self, lead: int) -> dict[str, Any]:
        names = ("Email Link Clicked", "Email Opened", "Order Completed", "Demo Requested", "Unsubscribed")
        event = self._random.choices(names, [10, 5, 3, 2, 0.3])[0]
        if event == "Email Opened" and self._sales.random() < 0.4:
            event = self._sales.choice([*VERDICT_EVENTS])
        automated = self._random.random() < 0.2
        self.clicks += event == names[0] and not automated
        properties: dict[str, Any] = {"total": self._random.choice([1, 2, 0.5]), "automated": automated}
        if event in VERDICT_EVENTS:
            properties |= {"amount": 1200, "currency": "EUR", "reason": "no budget"}
        who: dict[str, str] = {}
        if self._random.random() < 0.2:
            properties["email"] = f"l{lead}@a.example"
        else:
            who = self._who(lead)
        return {"type": "track", "event": event, "properties": properties, **who}

    def _identify(self, lead: int) -> dict[str, Any]:
        traits = {
            "email": f"l{lead}@a.example",
            "title": self._random.choice(["CTO", "Head of Sales", "Intern"]),
            "employees": self._random.choice([10, 500]),
        }
        return {"type": "identify", "userId": f"u{lead}", "anonymousId": f"x{lead}", "traits": traits}

    def _alias(self, lead: int) -> dict[str, Any]:
        return {"type": "alias", "userId": f"u{lead // 2 * 2}", "previousId": f"u{lead // 2 * 2 + 1}"}

"""Generates realistic traffic for a fictional B2B site. Pure: the same seed gives the same records."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

import orjson

SITE = "https://tidewater.example"
WEB, EMAIL, CRM = range(3)
"""The index of the source topic of a record."""
AT_ONCE = 40
"""The number of leads that are active at the same time."""
REPEATED, LATE, SKEWED, BROKEN = 0.02, 0.02, 0.03, 0.005
"""The shares of records that are sent twice, are about the past, have a wrong clock, and are invalid."""
HOUR_MS = 3_600_000


class Message(NamedTuple):
    """One record for a source topic."""

    source: int
    key: bytes | None
    value: bytes | None


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of person: its share of all people, typical traits, and the steps of a visit."""

    share: float
    titles: tuple[str, ...]
    employees: tuple[int, int]
    steps: tuple[str, ...]
    """The steps of a visit; a step with ``?`` is optional."""


KINDS = {
    "buyer": Kind(
        0.14, ("CTO", "VP Operations", "Head of Maintenance", "Plant Director", "COO"), (200, 9000),
        ("land", "product", "product", "pricing", "identify", "whitepaper?", "search?", "pricing", "webinar?",
         "demo?"),
    ),
    "evaluator": Kind(
        0.2, ("Maintenance Engineer", "Reliability Engineer", "IT Manager"), (50, 3000),
        ("land", "search", "product", "product?", "identify", "ebook", "open", "click", "pricing?",
         "webinar?"),
    ),
    "subscriber": Kind(
        0.22, ("Consultant", "Editor", "Plant Manager", "Head of Production"), (5, 800),
        ("machine?", "open", "open?", "click?", "blog?", "subscribe?", "identify?", "unsubscribe?"),
    ),
    "student": Kind(
        0.1, ("Student", "Intern", "PhD Student"), (0, 0),
        ("land", "blog", "product", "identify", "whitepaper", "ebook", "pricing?"),
    ),
    "job_seeker": Kind(
        0.12, ("Developer", "Account Executive"), (0, 0), ("land", "jobs", "jobs", "blog?", "jobs?"),
    ),
    "passer_by": Kind(0.22, ("Unknown",), (0, 0), ("land", "blog?", "product?")),
}  # fmt: skip
FIRST = "Ana Ben Carla David Elif Femi Grace Hugo Ines Jonas Kaia Liam Mei Noor Omar Rosa".split()  # noqa: SIM905
LAST = "Aalto Berg Costa Diaz Eder Fischer Garcia Haas Ito Jansen Kaya Lund Moreau Novak Park".split()  # noqa: SIM905
COMPANIES = "Brightforge Castwell Deltaline Eastmill Ferroworks Gearhart Harborline Kettler".split()  # noqa: SIM905
INDUSTRIES = ("manufacturing", "logistics", "energy", "software", "education", "retail")
PRODUCTS = ("planner", "sensors", "mobile", "analytics", "integrations", "security")
POSTS = ("downtime", "condition-monitoring", "spare-parts", "iso-55000")
SEARCHES = ("tidewater vs plantiq", "maintenance software price", "spreadsheet alternative", "what is oee")
CAMPAIGNS = (
    ("google", "cpc", "downtime-calculator"), ("linkedin", "paid-social", "plant-leaders"),
    ("newsletter", "email", "november"), ("partner", "referral", "ferroworks"),
)  # fmt: skip
AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
INVALID: tuple[bytes | None, ...] = (
    b"",
    None,
    b"GET / HTTP/1.1",
    b'{"type":"page","anonymousId":"cut o',
    b"[1,2,3]",
    b'{"type":"telemetry","userId":"u-1"}',
    b'{"type":"track","userId":"u-1"}',
    b'{"type":"page","properties":{"path":"/"}}',
    b'{"type":"page","userId":["u-1"]}',
    b'\xff\xfe{"type":"page"}',
)
"""Values of records that are not events."""


@dataclass(slots=True)
class Person:
    """One lead with all ids and traits that the sources use."""

    number: int
    kind: Kind
    anonymous_id: str
    traits: dict[str, Any]
    identified: bool = False

    @property
    def user_id(self) -> str:
        """The id of the person after sign-in."""
        return f"u-{self.number:05d}"

    def ids(self) -> dict[str, str]:
        """The ids that the browser sends."""
        known = {"userId": self.user_id} if self.identified else {}
        return {"anonymousId": self.anonymous_id, **known}


class Traffic:
    """An endless stream of records about ``leads`` people, of whom a few are active at a time."""

    def __init__(self, seed: int, leads: int) -> None:
        """Create the stream; the same seed gives the same traffic."""
        self._random = random.Random(seed)
        self._leads = leads
        self._people: dict[int, Person] = {}
        self._sent = 0
        self._visits: list[Iterator[Message]] = []
        self._recent: deque[Message] = deque(maxlen=200)
        self._now_ms = 0
        self._steps: dict[str, Callable[[Person], Message]] = {
            "land": self._land,
            "blog": lambda p: self._page(p, f"/blog/{self._any(POSTS)}"),
            "product": lambda p: self._page(p, f"/product/{self._any(PRODUCTS)}"),
            "pricing": lambda p: self._page(p, "/pricing"),
            "jobs": lambda p: self._page(p, f"/jobs/{self._random.randrange(40)}"),
            "search": lambda p: self._page(p, "/search", search=self._any(SEARCHES)),
            "whitepaper": lambda p: self._track(p, "Whitepaper Downloaded", title="The cost of downtime"),
            "ebook": lambda p: self._track(p, "Ebook Downloaded", title="Maintenance in 2027"),
            "subscribe": lambda p: self._track(p, "Newsletter Subscribed"),
            "demo": lambda p: self._track(p, "Demo Requested", plants=self._random.randrange(1, 9)),
            "webinar": self._webinar,
            "identify": self._identify,
            "open": lambda p: self._mail(p, "Email Opened", automated=False),
            "machine": lambda p: self._mail(p, "Email Opened", automated=True),
            "click": lambda p: self._mail(p, "Email Link Clicked", automated=False),
            "unsubscribe": lambda p: self._mail(p, "Unsubscribed"),
        }
        """Step of a visit -> the function that creates its record."""

    def next(self, now_ms: int) -> Message:
        """Create the next record, with the time ``now_ms``."""
        self._now_ms = now_ms
        chance = self._random.random()
        if chance < BROKEN:
            return Message(self._random.randrange(3), b"?", self._any(INVALID))
        if chance < BROKEN + REPEATED and self._recent:
            return self._recent[self._random.randrange(len(self._recent))]
        message = self._continue_visit()
        self._recent.append(message)
        return message

    def _continue_visit(self) -> Message:
        """Create the next record of a random visit. A visit that has ended is replaced by a new one."""
        while True:
            while len(self._visits) < min(AT_ONCE, self._leads):
                self._visits.append(self._visit(self._pick_person()))
            i = self._random.randrange(len(self._visits))
            message = next(self._visits[i], None)
            if message is not None:
                return message
            del self._visits[i]

    def _visit(self, person: Person) -> Iterator[Message]:
        for step in person.kind.steps:
            if not step.endswith("?") or self._random.random() < 0.35:
                yield self._steps[step.rstrip("?")](person)

    def _pick_person(self) -> Person:
        number = self._random.randrange(self._leads)
        if number not in self._people:
            self._people[number] = self._new_person(number)
        return self._people[number]

    def _new_person(self, number: int) -> Person:
        pick = self._random
        kind = pick.choices(list(KINDS.values()), [kind.share for kind in KINDS.values()])[0]
        first, last, company = pick.choice(FIRST), pick.choice(LAST), pick.choice(COMPANIES)
        traits = {
            "email": f"{first}.{last}.{number}@{company}.example".lower(),
            "name": f"{first} {last}",
            "title": pick.choice(kind.titles),
            "company": company,
            "industry": pick.choice(INDUSTRIES),
            "employees": pick.randint(*kind.employees),
        }
        return Person(number, kind, f"{pick.getrandbits(64):016x}", traits)

    # Records ----------------------------------------------------------------------------------------------

    def _land(self, person: Person) -> Message:
        """Create the first page view of a visit, which often contains the campaign."""
        context: dict[str, Any] = {"userAgent": AGENT}
        if self._random.random() < 0.6:
            context["campaign"] = dict(zip(("source", "medium", "name"), self._any(CAMPAIGNS), strict=True))
        return self._web(person, {"type": "page", "properties": _page("/"), "context": context})

    def _page(self, person: Person, path: str, **properties: Any) -> Message:
        page = {"type": "page", "properties": {**_page(path), **properties}, "context": {"userAgent": AGENT}}
        return self._web(person, page)

    def _track(self, person: Person, event: str, **properties: Any) -> Message:
        return self._web(person, {"type": "track", "event": event, "properties": properties})

    def _identify(self, person: Person) -> Message:
        person.identified = True
        return self._web(person, {"type": "identify", "traits": person.traits})

    def _web(self, person: Person, event: dict[str, Any]) -> Message:
        return Message(WEB, person.anonymous_id.encode(), self._encode({**event, **person.ids()}))

    def _webinar(self, person: Person) -> Message:
        """Create an event of the CRM, which identifies people by user id."""
        event = {
            "type": "track",
            "event": "Webinar Attended",
            "userId": person.user_id,
            "properties": {"minutes": 45},
        }
        return Message(CRM, person.user_id.encode(), self._encode(event))

    def _mail(self, person: Person, event: str, **properties: Any) -> Message:
        """Create an event of the mail service, which identifies people by e-mail address."""
        properties = {
            "campaign_id": f"n-{self._random.randrange(20)}",
            "email": person.traits["email"],
            **properties,
        }
        return Message(EMAIL, None, self._encode({"type": "track", "event": event, "properties": properties}))

    def _encode(self, event: dict[str, Any]) -> bytes:
        """Add a message id and a time, which is sometimes wrong, and encode the event."""
        self._sent += 1
        event["messageId"] = f"m-{self._sent:08d}"
        at_ms, chance = self._now_ms, self._random.random()
        if chance < LATE:
            at_ms -= self._random.randrange(100 * HOUR_MS)
        elif chance < LATE + SKEWED:
            at_ms += self._random.randrange(-HOUR_MS, HOUR_MS)
            event["sentAt"] = _rfc3339(at_ms)
        event["timestamp"] = _rfc3339(at_ms)
        return orjson.dumps(event)

    def _any(self, values: tuple[Any, ...]) -> Any:
        return values[self._random.randrange(len(values))]


def _page(path: str) -> dict[str, str]:
    return {"url": SITE + path, "path": path}


def _rfc3339(at_ms: int) -> str:
    text = datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")

"""The types of the board's answers, for the client."""

from __future__ import annotations

from typing import Any, Literal, NotRequired, TypedDict


class Part(TypedDict):
    """One line of the explanation of a score."""

    kind: Literal["signal", "fit", "cap", "clamp"]
    name: str
    label: NotRequired[str]
    points: float
    amount: NotRequired[float]
    after_caps: NotRequired[float]


class Row(TypedDict):
    """A lead in one line of the ranking."""

    lead_id: str
    scorecard: str
    applies: bool
    score: int
    exact: float
    grade: str
    stage: str | None
    fit: float
    engagement: float
    last_seen_at: str
    sales: str
    """The state of the lead."""
    owner: str | None
    parts: list[Part]
    columns: NotRequired[dict[str, str | None]]


class Fresh(TypedDict):
    """How fresh scores are."""

    scored_until: str | None
    """All events that arrived until then are scored; None while that is unknown, or while none is."""
    freshness: Literal["current", "behind", "rebuilding", "no_worker", "unknown"]


class Page(Fresh):
    """A page of the ranking."""

    leads: list[Row]
    next: str | None
    as_of: str
    looked_at: int
    truncated: bool
    """Whether the search stopped after ``looked_at`` leads, before the page was full."""
    indexing: NotRequired[dict[str, int]]
    """How many leads are searched yet, and of how many, after a start of the board."""


class Change(TypedDict):
    """The next change of a score."""

    at: str
    to: int


class Score(TypedDict):
    """A lead's score by one scorecard."""

    label: str
    shadow: bool
    applies: bool
    """Whether the scorecard applies to the lead."""
    score: int
    exact: float
    grade: str
    stage: str | None
    stages: dict[str, bool]
    not_entered: dict[str, list[dict[str, Any]]]
    """By stage, what keeps the lead out of it."""
    stage_labels: dict[str, str]
    fit: float
    engagement: float
    categories: dict[str, float]
    category_labels: dict[str, str]
    parts: list[Part]
    next_change: Change | None


class Lead(TypedDict):
    """A lead."""

    lead_id: str
    as_of: str
    first_seen_at: str
    last_seen_at: str
    forgotten_at: str | None
    """When it will be forgotten if nothing more is heard of it; None while a stage or sales holds it."""
    aliases: list[str]
    traits: dict[str, Any]
    sales: dict[str, Any]
    """State, owner and history."""
    scorecards: dict[str, Score]


class Crossing(TypedDict):
    """A coming change of a stage."""

    at: str
    stage: str
    kind: Literal["entered", "left"]


class Curve(Fresh):
    """A score over time; instants in ms since the epoch."""

    past: list[list[float]]
    coming: list[list[float]]
    crossings: list[Crossing]
    bounds: list[dict[str, Any]]
    range: list[float]
    now: int


class Fired(TypedDict):
    """A signal that an event matched, with its points for each scorecard."""

    name: str
    points: dict[str, float]


class Event(TypedDict):
    """An event of a lead."""

    at: str
    signals: list[Fired]
    event: str | None
    log: Literal["read", "gone", "unknown", "unread"]
    what: dict[str, Any] | None


class Alert(TypedDict):
    """An alert of handoff."""

    id: str
    at: str
    lead_id: str
    scorecard: str
    stage: str
    kind: Literal["entered", "left"]
    episode: int
    cause: str
    activity: dict[str, Any]
    score: dict[str, Any]
    reasons: list[dict[str, Any]]
    version: str


class Amount(TypedDict):
    """An amount of money; the currency is empty if it is not named."""

    currency: str
    amount: float


class Figures(TypedDict):
    """What became of some leads."""

    leads: int
    handovers: int
    open: int
    contacted: int
    median_hours_to_contact: float | None
    accepted: int
    rejected: int
    acceptance: float | None
    opportunities: int
    won: int
    lost: int
    won_share: float | None
    revenue: list[Amount]


class Results(Fresh):
    """What became of the leads that were handed over to sales."""

    scorecard: str
    version: str
    since: str
    until: str
    days: int
    touch: str
    currency: str
    costs_since: str
    total: Figures
    contact: dict[str, float | None]
    without_alert: int
    target: dict[str, Any] | None
    periods: list[dict[str, Any]]
    scorecards: list[dict[str, Any]]
    stages: list[dict[str, Any]]
    reasons: list[dict[str, Any]]
    channels: list[dict[str, Any]]
    seen_is_estimate: bool
    truncated: bool


class Channel(TypedDict):
    """The qualified leads of one channel."""

    source: str
    medium: str
    campaign: str
    qualified: int
    share: float
    median_hours_to_qualified: float | None
    cost: float | None
    cost_per_qualified: float | None


class Channels(Fresh):
    """Qualified leads by channel."""

    rows: list[Channel]
    total: int
    since: str
    stages: list[str]
    truncated: bool

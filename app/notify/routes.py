"""The contents of a routes file: destinations, and which alerts go there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from app.notify.addresses import Network
from app.notify.alerts import Alert, value_at
from app.notify.kinds.hubspot import HubSpot
from app.notify.kinds.mail import Mail
from app.notify.kinds.salesforce import Salesforce
from app.notify.kinds.slack import Slack
from app.notify.kinds.webhook import Webhook
from app.notify.limits import Limit
from app.notify.times_of_day import Digest, Quiet
from streams.scoring.conditions import compile_condition, paths
from streams.scoring.scorecard import Condition
from streams.units import DAY_MS

AnyKind = Webhook | Slack | Mail | HubSpot | Salesforce
GIVE_UP_MS = 3 * DAY_MS


@dataclass(frozen=True, slots=True)
class Destination:
    """Where alerts go, and how fast."""

    name: str
    kind: AnyKind
    gap_ms: float
    """From one message to the next."""
    parallel: int
    """Messages in flight at a time."""
    networks: tuple[Network, ...] = ()
    """Private networks that are allowed."""


@dataclass(frozen=True, slots=True)
class Filter:
    """Which alerts a route takes; an empty part takes all."""

    scorecards: frozenset[str] = frozenset()
    stages: frozenset[str] = frozenset()
    directions: frozenset[str] = frozenset()
    owners: frozenset[str] = frozenset()
    """In lower case."""
    traits: Condition | None = None

    def matches(self, alert: Alert) -> bool:
        """Whether the route takes an alert."""
        chosen = (
            (self.scorecards, alert.scorecard),
            (self.stages, alert.stage),
            (self.directions, alert.direction),
            (self.owners, alert.owner.casefold()),
        )
        return all(not names or name in names for names, name in chosen) and self._traits_match(alert)

    def _traits_match(self, alert: Alert) -> bool:
        if self.traits is None:
            return True
        names = sorted(paths(self.traits))
        values = [alert.traits.get(name, value_at(alert.traits, name)) for name in names]
        return compile_condition(self.traits, {name: place for place, name in enumerate(names)})(values)


@dataclass(frozen=True, slots=True)
class Route:
    """Which alerts go to a destination, and when."""

    name: str
    to: str
    filter: Filter = field(default_factory=Filter)
    quiet: Quiet | None = None
    digest: Digest | None = None
    limit: Limit | None = None
    give_up_ms: float = GIVE_UP_MS


@dataclass(frozen=True, slots=True)
class Routes:
    """The contents of a routes file."""

    destinations: Mapping[str, Destination]
    routes: Sequence[Route]

"""What publishing a scorecard file or going back to a version means, for the command line and the board."""

from __future__ import annotations

import getpass
import socket
from dataclasses import dataclass

from streams.publishing.catalog import Catalog, Published
from streams.publishing.scorecards import Scorecards
from streams.scoring.rules import Rules
from streams.scoring.rules_change import Undo


@dataclass(frozen=True, slots=True)
class Plan:
    """A publication that is not made yet."""

    latest: Published
    """The publication in force."""
    old: Rules
    """Its scorecards."""
    scorecards: Scorecards
    """The ones to publish."""
    undo: Undo | None = None
    """What it takes back, if it is a rollback."""

    @property
    def undone(self) -> tuple[int, ...]:
        """The places of the publications that it takes back."""
        return tuple(sorted(self.undo.places)) if self.undo else ()


def plan_publication(catalog: Catalog, new: Scorecards) -> Plan | None:
    """Plan to publish scorecards; None if they are in use already, or if nothing is published yet.

    Raises:
        Mismatch: this version of Leadglow cannot read the scorecards in use.
    """
    latest = catalog.latest
    if latest is None or latest.version == new.version:
        return None
    return Plan(latest, catalog.rules(latest.place), new)


def plan_rollback(catalog: Catalog, target: Published) -> Plan | None:
    """Plan to go back to the version of a publication; None if it is in use already.

    If the version was published more than once, only what came after the last time is taken back.

    Raises:
        Mismatch: this version of Leadglow cannot read one of both.
    """
    latest, target = catalog.latest, catalog.find(target.version)
    if latest is None or latest.version == target.version:
        return None
    undone = catalog.after(target.place)
    undo = Undo(frozenset(undone), min(catalog.published[place].item.at_ms for place in undone))
    return Plan(latest, catalog.rules(latest.place), catalog.scorecards(target.place), undo)


def is_held(alerts: int, most: int, quiet: bool) -> bool:
    """Whether a change sends so many alerts that somebody must confirm it."""
    return alerts > most and not quiet


def name_local_author() -> str:
    """The author of a publication that is made on this machine."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        name = "somebody"
    return f"{name}@{socket.gethostname()}"

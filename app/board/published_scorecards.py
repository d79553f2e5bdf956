"""The scorecards that the board shows: those published last, or those of the file while none are published."""

from __future__ import annotations

from typing import Final

from streams.publishing.catalog import Catalog
from streams.publishing.scorecards import Scorecards
from streams.scoring.rules import Rules
from streams.scoring.scorecard import Model
from streams.yamlfile.watched import Watched

NO_SCORECARDS: Final = Scorecards("", Rules(Model((), ())))


class PublishedScorecards:
    """The published scorecards, or those of a file."""

    def __init__(self, file: Watched[Scorecards] | None) -> None:
        """``file`` is used until published scorecards are known."""
        self._file = file
        self._published: Scorecards | None = None
        self.catalog: Catalog | None = None
        """All publications; None while there are none, or none are known."""

    @property
    def value(self) -> Scorecards:
        """The scorecards to show."""
        if self._published is not None:
            return self._published
        return NO_SCORECARDS if self._file is None else self._file.value

    def use(self, catalog: Catalog, scorecards: Scorecards) -> None:
        """Show published scorecards, which are the last of the catalog."""
        self.catalog = catalog
        self._published = scorecards

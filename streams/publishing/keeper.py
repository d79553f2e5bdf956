"""Keeps a worker at the published scorecards, and publishes changes of its file."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from aiokafka.errors import KafkaError

from streams.clock import monotonic_s
from streams.metrics import Metrics
from streams.mismatch import NOTHING_PUBLISHED, UNREADABLE_SCORECARDS, Mismatch
from streams.publishing.catalog import NOTHING, Catalog
from streams.publishing.scorecards import Scorecards
from streams.publishing.topic import ScorecardsTopic
from streams.publishing.writer import ScorecardsWriter, Superseded
from streams.scoring.rules import Rules
from streams.yamlfile.load import YamlFileError
from streams.yamlfile.watched import Watched

log = logging.getLogger(__name__)
CHECK_S: Final = 1.0
UNFINISHED_S: Final = 5.0
"""After so long, somebody else's publication without all of its control records is finished."""
FORMER_AGREEMENT: Final = "scorecards"
"""Earlier versions kept the scorecards in use in the store under this name, as version, line feed, text."""


@dataclass(frozen=True, slots=True)
class Brake:
    """Keeps a changed file from sending many alerts at once."""

    most: int
    count_alerts: Callable[[Rules, Rules], Awaitable[int]]
    """Returns the number of alerts that a change from old to new scorecards would send."""


class ScorecardsKeeper:
    """A worker's part in the published scorecards."""

    def __init__(
        self,
        topic: ScorecardsTopic,
        writer: ScorecardsWriter,
        file: Watched[Scorecards] | None,
        brake: Brake,
        author: str,
        metrics: Metrics,
    ) -> None:
        """Nothing is read before ``start``."""
        self._topic = topic
        self._writer = writer
        self._file = file
        self._brake = brake
        self._author = author
        self._metrics = metrics
        self._offered = ""
        """The version of the file that was offered last."""
        self._unfinished_s: dict[int, float] = {}
        """Place of a publication -> when it was found without all of its control records."""
        self._shown = ""

    async def start(self, former: str = "") -> None:
        """Publish the file, if there is one, unless its version was published before.

        ``former`` are the scorecards that an earlier version of Leadglow kept in the store.

        Raises:
            Mismatch: nothing is published, or the published scorecards cannot be read.
        """
        await self._topic.start()
        if former and not self._topic.catalog.published:
            await self._publish_former(former.partition("\n")[2])
        await self._offer()
        if self._topic.catalog.latest is None:
            raise Mismatch(NOTHING_PUBLISHED)
        await self._show_latest()

    async def _publish_former(self, text: str) -> None:
        try:
            scorecards = Scorecards.parse_text(text, "the scorecards in use", self._topic.catalog.lateness_ms)
        except YamlFileError as error:
            raise Mismatch(UNREADABLE_SCORECARDS.format(error=error)) from None
        with suppress(Superseded):  # another worker has done it
            await self._writer.publish(scorecards, "upgrade", NOTHING)

    async def follow(self) -> None:
        """Check the topic and the file once a second, for ever.

        Raises:
            Mismatch: a record on the topic cannot be read.
        """
        while True:
            await asyncio.sleep(CHECK_S)
            try:
                await self.check()
            except KafkaError as error:
                log.debug("the published scorecards cannot be read: %r", error)

    async def check(self) -> None:
        """Read the topic, finish what somebody has left unfinished, and offer a changed file."""
        await self._topic.refresh()
        await self._finish_others()
        if self._file is not None:
            await self._file.reload_if_changed()
        await self._offer()
        await self._show_latest()

    async def _finish_others(self) -> None:
        now_s, found = monotonic_s(), self._topic.catalog.unfinished()
        self._unfinished_s = {each.place: self._unfinished_s.get(each.place, now_s) for each in found}
        for each in found:
            if now_s - self._unfinished_s[each.place] >= UNFINISHED_S:
                log.warning("finishing the publication of scorecards %s", each.version[:12])
                await self._writer.write_controls(each)

    async def _offer(self) -> None:
        """Publish the file if it is new, or if it has been changed back from the published version."""
        if self._file is None or self._file.value.version == self._offered:
            return
        before, self._offered = self._offered, self._file.value.version
        try:
            await self._offer_file(self._file.value, before)
        except Superseded:
            self._offered = before  # it is compared with the latest in a second

    async def _offer_file(self, new: Scorecards, before: str) -> None:
        catalog = self._topic.catalog
        latest = catalog.latest
        if latest is None:
            await self._publish(new, NOTHING)
        elif latest.version == new.version:
            return
        elif is_old(catalog, new.version, before):
            log.warning(OLD_FILE, new.version[:12], latest.version[:12])
        else:
            old = await asyncio.to_thread(catalog.rules, latest.place)
            alerts = await self._brake.count_alerts(old, new.rules)
            if alerts > self._brake.most:
                self._metrics.scorecards_held.inc()
                log.error(TOO_MANY_ALERTS, new.version[:12], alerts, self._brake.most)
            else:
                await self._publish(new, latest.place)
                self._warn_of_earlier_events(old, new.rules)

    def _warn_of_earlier_events(self, old: Rules, new: Rules) -> None:
        if signals := new.signals_to_rebuild(old):
            log.warning(NEW_HALF_LIVES, ", ".join(signals))
        if signals := new.signals_counted_otherwise(old):
            log.warning(NEW_COUNTING, ", ".join(signals))

    async def _publish(self, new: Scorecards, after: int) -> None:
        await self._writer.publish(new, self._author, after)
        log.info("published scorecards %s", new.version[:12])

    async def _show_latest(self) -> None:
        latest = self._topic.catalog.latest
        if latest is not None and latest.version != self._shown:
            self._shown = latest.version
            rules = await asyncio.to_thread(self._topic.catalog.rules, latest.place)
            self._metrics.show_scorecards(rules.version, [card.card for card in rules.cards])


def is_old(catalog: Catalog, version: str, before: str = "") -> bool:
    """Whether a file has an earlier version by neglect: not because the published version was changed back to it."""
    latest = catalog.latest
    return catalog.has_version(version) and (latest is None or before != latest.version)


NEW_HALF_LIVES: Final = (
    "another half-life, or a new block: earlier events of %s do not count until you run `leadglow rebuild --backfill`"
)
NEW_COUNTING: Final = (
    "another rule for what counts: earlier events of %s stay as they were counted, also in a rebuild. To count all by "
    "the new rule, write it under another name, and run `leadglow rebuild --backfill`"
)
OLD_FILE: Final = (
    "the scorecard file is not used: its version %s was published before, but %s is in use now. To go back to "
    "the file's version, run `leadglow scorecards rollback VERSION`; otherwise, bring the file up to date"
)
TOO_MANY_ALERTS: Final = (
    "the changed scorecard file is not published: version %s would send %d alerts at once, and more than %d "
    "(LEADGLOW_MOST_MODEL_ALERTS) need confirmation. To publish it, run `leadglow scorecards publish FILE --yes`, with "
    "--quiet to change the stages without alerts"
)

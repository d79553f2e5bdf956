"""Publishes scorecards and goes back to earlier versions, as the commands do, for viewers with the role for it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from app.board.formatting import number
from app.board.identity import Viewer
from app.board.published_scorecards import PublishedScorecards
from app.board.trials import Trials
from app.board.versions import Versions
from app.http.refusals import Refusal
from app.scorecards.publication import Plan, is_held, name_local_author, plan_publication, plan_rollback
from streams.counts import count_of
from streams.mismatch import Mismatch
from streams.publishing.catalog import Published
from streams.publishing.scorecards import Scorecards
from streams.publishing.sessions import TROUBLE
from streams.publishing.topic import ScorecardsTopic
from streams.publishing.writer import ScorecardsWriter, Superseded
from streams.scoring.rules import Rules
from streams.store import retry

log = logging.getLogger(__name__)
MAX_NOTE_CHARS: Final = 500
NOT_EDITOR: Final = "Your role may not publish scorecards: ask somebody with the role editor."
NOTHING: Final = "Nothing is published yet: start a worker, or run `leadglow scorecards publish FILE`."
CHANGED: Final = (
    "Other scorecards were published since you looked, by {author}: version {version}. See what your change does to "
    "those, and publish it then."
)
HELD: Final = (
    "{alerts} would be sent at once, and more than {most} (LEADGLOW_MOST_MODEL_ALERTS) need confirmation. Confirm that "
    "they are sent, or publish without alerts."
)
AWAY: Final = (
    "Kafka or Redis does not respond, or does not let the board write: see the log of the board. The list of versions "
    "shows whether the scorecards were published."
)


@dataclass(frozen=True, slots=True)
class Terms:
    """How a change is published."""

    instead_of: str
    """The version in use when the viewer looked at the change."""
    note: str = ""
    quiet: bool = False
    confirmed: bool = False
    """Whether many alerts may be sent."""


@dataclass(frozen=True, slots=True)
class PublishingConfig:
    """What publishing and verdicts need of their surroundings."""

    open_topic: Callable[[], AbstractAsyncContextManager[ScorecardsTopic]]
    open_writer: Callable[[ScorecardsTopic], AbstractAsyncContextManager[ScorecardsWriter]]
    most_alerts: int
    """A change that sends more must be confirmed."""
    send_event: Callable[[str, bytes, int], Awaitable[None]]
    """Sends the event of a lead with a verdict of sales, with its time; returns when Kafka has it."""


class Publishing:
    """Publishes one change at a time."""

    def __init__(
        self, trials: Trials, published: PublishedScorecards, versions: Versions, config: PublishingConfig
    ) -> None:
        """``trials`` measures the effect of a change."""
        self._trials = trials
        self._published = published
        self.versions = versions
        self._config = config
        self._turn = asyncio.Lock()

    @property
    def most_alerts(self) -> int:
        """The number of alerts that a change may send without confirmation."""
        return self._config.most_alerts

    async def publish(self, text: str, terms: Terms, viewer: Viewer) -> dict[str, Any]:
        """Publish the text of a scorecard file; returns the version, and whether it was published now.

        Raises:
            Refusal: the role does not allow it, the text has mistakes, it is not confirmed, other scorecards were
                published meanwhile, or Kafka or Redis does not respond.
        """
        require_editor(viewer)
        check = await self._trials.check(text)
        if check.model is None:
            raise Refusal(400, "mistakes", _list_mistakes(check.mistakes))
        async with self._open() as topic:
            new = Scorecards(text, Rules(check.model, topic.catalog.lateness_ms))
            plan = await asyncio.to_thread(plan_publication, topic.catalog, new)
            published = await self._carry_out(topic, plan, terms, viewer)
        return {"version": new.version, "published": published}

    async def try_rollback(self, version: str, viewer: Viewer) -> dict[str, Any] | None:
        """What going back to a version would do now; None if it is in use.

        Raises:
            Refusal: the role does not allow it, there is no such version, or Redis does not respond.
        """
        require_editor(viewer)
        target, catalog = self.versions.find(version), self._published.catalog
        assert catalog is not None
        try:
            plan = await asyncio.to_thread(plan_rollback, catalog, target)
        except Mismatch as mismatch:
            raise _refuse_unreadable(mismatch) from None
        return None if plan is None else await self._trials.measure(plan.old, plan.scorecards.rules, plan.undo)

    async def roll_back(self, version: str, terms: Terms, viewer: Viewer) -> dict[str, Any]:
        """Go back to a version; returns it, and whether it was published now.

        Raises:
            Refusal: as by ``publish``; or there is no such version.
        """
        require_editor(viewer)
        target = self.versions.find(version)
        async with self._open() as topic:
            plan = await asyncio.to_thread(plan_rollback, topic.catalog, target)
            published = await self._carry_out(topic, plan, terms, viewer)
        return {"version": target.version, "published": published}

    @asynccontextmanager
    async def _open(self) -> AsyncIterator[ScorecardsTopic]:
        if self._published.catalog is None:  # reading the topic would create it on some brokers
            raise Refusal(409, "nothing_published", NOTHING)
        try:
            async with self._turn, self._config.open_topic() as topic:
                await self._show_latest(topic)
                yield topic
        except Mismatch as mismatch:
            raise _refuse_unreadable(mismatch) from None
        except (*TROUBLE, *retry.TROUBLE) as error:
            log.warning("scorecards could not be published: %r", error)
            raise Refusal(503, "not_published", AWAY, retry_after_s=5) from None

    async def _show_latest(self, topic: ScorecardsTopic) -> None:
        """Use what was published a moment ago, so that a refused change is compared with it."""
        if (latest := topic.catalog.latest) is not None:
            self._published.use(topic.catalog, await asyncio.to_thread(topic.catalog.scorecards, latest.place))

    async def _carry_out(self, topic: ScorecardsTopic, plan: Plan | None, terms: Terms, viewer: Viewer) -> bool:
        """Publish, unless there is nothing to do."""
        if plan is None:
            return False
        _require_latest(topic, terms.instead_of)
        if not terms.confirmed:
            await self._require_few_alerts(plan, terms.quiet)
        author = viewer.name or name_local_author()
        async with self._config.open_writer(topic) as writer:
            try:
                await writer.publish(plan.scorecards, author, plan.latest.place, terms.note, terms.quiet, plan.undone)
            except Superseded as superseded:
                raise _refuse_superseded(superseded.latest) from None
        self._published.use(topic.catalog, plan.scorecards)
        return True

    async def _require_few_alerts(self, plan: Plan, quiet: bool) -> None:
        if quiet:
            return
        report = await self._trials.measure(plan.old, plan.scorecards.rules, plan.undo)
        if is_held(count := report["alerts"], self.most_alerts, quiet):
            alerts = count_of(count, "alert", number)
            raise Refusal(409, "too_many_alerts", HELD.format(alerts=alerts, most=number(self.most_alerts)))


def require_editor(viewer: Viewer) -> None:
    """Refuse a viewer whose role may not publish.

    Raises:
        Refusal: it may not.
    """
    if not viewer.is_editor:
        raise Refusal(403, "not_editor", NOT_EDITOR)


def _require_latest(topic: ScorecardsTopic, version: str) -> None:
    latest = topic.catalog.latest
    assert latest is not None
    if latest.version != version:
        raise _refuse_superseded(latest)


def _refuse_superseded(latest: Published) -> Refusal:
    message = CHANGED.format(author=latest.item.author, version=latest.version[:12])
    return Refusal(409, "changed_since", message)


def _refuse_unreadable(mismatch: Mismatch) -> Refusal:
    text = str(mismatch)
    return Refusal(409, "unreadable", f"{text[:1].upper()}{text[1:]}.")


def _list_mistakes(mistakes: tuple[dict[str, Any], ...]) -> str:
    return "\n".join(f"{each['line']}:{each['column']}: {each['message']}" for each in mistakes)

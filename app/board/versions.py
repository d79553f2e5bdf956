"""Lists the published versions of the scorecards: who published them and when, what changed, and with which effect."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Final

from app.board.published_scorecards import PublishedScorecards
from app.board.version_alerts import Counts, InForce, Sent, VersionAlerts, count_alerts
from app.http.refusals import Refusal
from app.scorecards.report import report_words
from streams.mismatch import Mismatch
from streams.publishing.catalog import Catalog, NotFound, Published
from streams.scoring.rules import Rules
from streams.shard.alert import rfc3339

LISTED: Final = 20
MAX_LISTED: Final = 100
MAX_CURSOR_CHARS: Final = 20
VERSION_NAME: Final = "A published version: its number, itself, or its first characters."
MAX_KNOWN: Final = 500
"""Comparisons of two versions that are kept."""
View = dict[str, Any]


class Versions:
    """All publications of the scorecards, as the board shows them."""

    def __init__(self, published: PublishedScorecards, alerts: VersionAlerts) -> None:
        """``alerts`` are those that the board has read."""
        self._published = published
        self._alerts = alerts
        self._words: dict[tuple[str, str], View | None] = {}
        """Ids of a publication and the one before -> what changed in words; None if one cannot be read."""
        self._turn = asyncio.Lock()

    async def list_page(self, cursor: str | None, limit: int) -> View:
        """Versions before a cursor, the latest first.

        Raises:
            Refusal: the cursor is not one of ours.
        """
        if cursor is not None and not (cursor.isdecimal() and len(cursor) < MAX_CURSOR_CHARS):
            raise Refusal(400, "bad_cursor", "This cursor is not one of this list: begin without one.")
        catalog = self._published.catalog
        found = list(catalog) if catalog is not None else []
        earlier = found if cursor is None else [each for each in found if each.place < int(cursor)]
        wanted = earlier[-limit:]
        rows = await self._describe(catalog, found, wanted) if catalog is not None else []
        more = len(earlier) > len(wanted)
        return {"versions": rows[::-1], "next": str(wanted[0].place) if more else None}

    async def get_version(self, version: str) -> View:
        """The last publication of a version, with its text.

        Raises:
            Refusal: there is none.
        """
        published, catalog = self.find(version), self._published.catalog
        assert catalog is not None
        (row,) = await self._describe(catalog, list(catalog), [published])
        return row | {"text": published.item.text}

    def find(self, name: str) -> Published:
        """A publication by its number, or the last one of a version, given in full or by its first characters.

        Raises:
            Refusal: there is none, or several versions begin so.
        """
        catalog = self._published.catalog
        if catalog is None:
            raise Refusal(404, "unknown_version", "Nothing is published yet.")
        try:
            return catalog.find(name)
        except NotFound as error:
            code = "unknown_version" if error.is_unknown else "ambiguous_version"
            raise Refusal(404 if error.is_unknown else 400, code, f"{str(error)[0].upper()}{str(error)[1:]}.") from None

    async def _describe(
        self, catalog: Catalog, published: Sequence[Published], wanted: Sequence[Published]
    ) -> list[View]:
        async with self._turn:
            sent, since_ms = self._alerts.snapshot(), self._alerts.since_ms
            return await asyncio.to_thread(self._describe_all, catalog, published, wanted, (sent, since_ms))

    def _describe_all(
        self,
        catalog: Catalog,
        published: Sequence[Published],
        wanted: Sequence[Published],
        counted: tuple[list[Sent], int | None],
    ) -> list[View]:
        sent, since_ms = counted
        counts = count_alerts(sent, [InForce(each.place, each.version, each.item.at_ms) for each in published])
        before = {b.place: a for a, b in pairwise(published)}
        after = {a.place: b for a, b in pairwise(published)}
        undone = {place for each in published for place in each.item.undone}
        rows = []
        for each in wanted:
            rules, later = _read_rules(catalog, each), after.get(each.place)
            rows.append(
                describe_publication(each)
                | {
                    "in_use": later is None,
                    "taken_back": each.place in undone,
                    "until": later and rfc3339(later.item.at_ms),
                    "before": before[each.place].version if each.place in before else None,
                    "changes": self._compare(catalog, before.get(each.place), each, rules),
                    "alerts": describe_stage_alerts(counts[each.place], rules),
                    "alerts_since": _since(each.item.at_ms, since_ms),
                }
            )
        return rows

    def _compare(self, catalog: Catalog, old: Published | None, new: Published, rules: Rules | None) -> View | None:
        """What changed against the version before, in words; None for the first, and if one cannot be read."""
        if old is None or rules is None:
            return None
        key = (old.item.id, new.item.id)
        if key not in self._words:
            before = _read_rules(catalog, old)
            self._words[key] = None if before is None else report_words(before, rules)
            if len(self._words) > MAX_KNOWN:
                del self._words[next(iter(self._words))]
        return self._words[key]


def _read_rules(catalog: Catalog, published: Published) -> Rules | None:
    try:
        return catalog.rules(published.place)
    except Mismatch:
        return None


def _since(at_ms: int, since_ms: int | None) -> str | None:
    """The oldest alert that is counted, if older ones of a publication may be missing."""
    return None if since_ms is None or since_ms <= at_ms else rfc3339(since_ms)


def describe_publication(published: Published) -> View:
    """Who published a version, when and why."""
    item = published.item
    return {
        "number": published.number,
        "version": item.version,
        "at": rfc3339(item.at_ms),
        "author": item.author,
        "note": item.note,
        "quiet": item.quiet,
        "rollback": bool(item.undone),
    }


def describe_stage_alerts(counts: Counts, rules: Rules | None) -> list[View]:
    """The alerts of a version about each stage with handoff; also those that its publication caused."""
    stages = {
        (card.name, rule.stage.name): (card.card.label or card.name, rule.stage.label or rule.stage.name)
        for card in (rules.cards if rules is not None else ())
        for rule in card.stages
        if rule.stage.handoff and not card.card.shadow
    }
    rows = []
    for card, stage in dict.fromkeys([*stages, *sorted({key[:2] for key in counts})]):
        at_once = {kind: counts[card, stage, kind, True] for kind in ("entered", "left")}
        later = {kind: counts[card, stage, kind, False] for kind in ("entered", "left")}
        labels = stages.get((card, stage), (card, stage))
        rows.append(
            {
                "scorecard": card, "scorecard_label": labels[0], "stage": stage, "stage_label": labels[1],
                **{kind: at_once[kind] + later[kind] for kind in later}, "at_once": at_once,
            }
        )  # fmt: skip
    return rows

"""All publications of the scorecards, and which of them is in force where."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from streams.mismatch import UNEQUAL_VERSIONS, UNREADABLE_SCORECARDS, Mismatch
from streams.publishing.records import Item, Publication, Repartitioned, Written, decode_item, started_before
from streams.publishing.scorecards import Scorecards
from streams.scoring.rules import Rules
from streams.yamlfile.load import YamlFileError

IN_USE: Final = "published"
"""The name of the last publication."""
NOTHING: Final = -1
"""The place of no publication."""
MIN_PREFIX: Final = 6
"""Fewer digits are a number."""
MAX_LISTED: Final = 10
UNKNOWN: Final = "no version {name!r} was published; there are: {known}"
AMBIGUOUS: Final = "{count} versions begin with {name}: {found}; give the number of one, or more characters"


@dataclass(frozen=True, slots=True)
class Published:
    """A publication and its place."""

    place: int
    number: int
    """1 for the first publication."""
    item: Publication

    @property
    def version(self) -> str:
        """The version of the scorecards."""
        return self.item.version

    @property
    def title(self) -> str:
        """For messages: ``3 (32995013a3b8)``."""
        return f"{self.number} ({self.version[:12]})"


class NotFound(Exception):
    """No publication, or more than one, has this name; the message lists candidates."""

    def __init__(self, message: str, is_unknown: bool) -> None:
        """``is_unknown``: there is none."""
        super().__init__(message)
        self.is_unknown = is_unknown


class Catalog:
    """The publications in order, as read from the topic up to an offset."""

    def __init__(self, lateness_ms: int) -> None:
        """Start empty."""
        self.next_offset = 0
        """The offset of the next record to read."""
        self.lateness_ms = lateness_ms
        self.published: dict[int, Published] = {}
        """By place, in order."""
        self._written: dict[str, Written] = {}
        self.backfill: int | None = None
        """The place of the publication whose signals count from the beginning of the log."""
        self.divided: dict[int, int] = {}
        """Partition -> its first record since the last repartition: those before belong to leads of other shards."""
        self.partitions: int | None = None
        """The number of partitions of ``lead-events`` since the last repartition; None if there was none."""
        self._rules: dict[int, Rules] = {}

    def add_records(self, records: Iterable[Any]) -> None:
        """Add the next records of the topic.

        Raises:
            Mismatch: one cannot be read.
        """
        for record in records:
            if record.offset < self.next_offset:
                continue
            try:
                item = decode_item(record)
            except msgspec.MsgspecError as error:
                raise Mismatch(UNREADABLE_SCORECARDS.format(error=error)) from None
            self.next_offset = record.offset + 1
            if item is not None:
                self._add(record.offset, item)

    def _add(self, place: int, item: Item) -> None:
        if isinstance(item, Publication):
            if item.after is None or item.after == self.latest_place:
                self.published[place] = Published(place, len(self.published) + 1, item)
        elif isinstance(item, Written):
            self._written[item.id] = item
        elif isinstance(item, Repartitioned):
            self.partitions = item.new
            self.divided = {p: max(at, self.divided.get(p, 0)) for p, at in item.offsets.items()}
        else:
            self.use_backfill(item.place)

    def use_backfill(self, place: int) -> None:
        """Count the signals of the publication at this place from the beginning of the log."""
        self.backfill = place
        self._rules.clear()

    def __iter__(self) -> Iterator[Published]:
        return iter(self.published.values())

    def __len__(self) -> int:
        return len(self.published)

    @property
    def latest(self) -> Published | None:
        """The last publication."""
        return next(reversed(self.published.values()), None)

    @property
    def latest_place(self) -> int:
        """The place of the last publication; -1 if there is none."""
        return next(reversed(self.published), NOTHING)

    def latest_at(self, at_ms: int) -> Published | None:
        """The last publication until an instant; the first is in force from the start."""
        found = [each for i, each in enumerate(self) if i == 0 or each.item.at_ms <= at_ms]
        return found[-1] if found else None

    def has_version(self, version: str) -> bool:
        """Whether a version, given in full, was published."""
        return any(each.version == version for each in self)

    def find(self, name: str) -> Published:
        """A publication by its number, or the last one of a version, given in full or by its first characters.

        Raises:
            NotFound: there is none, or several versions begin so.
        """
        if name == IN_USE and self.latest is not None:
            return self.latest
        numbered = len(name) < MIN_PREFIX and name.isdecimal()
        found = [each for each in self if (each.number == int(name) if numbered else each.version.startswith(name))]
        versions = {each.version: each for each in found}
        if not found or not name:
            raise NotFound(UNKNOWN.format(name=name, known=_list_last(list(self))), is_unknown=True)
        if len(versions) > 1:
            found = list(versions.values())
            message = AMBIGUOUS.format(count=len(found), name=name, found=_list_last(found))
            raise NotFound(message, is_unknown=False)
        return found[-1]

    def after(self, place: int) -> tuple[int, ...]:
        """The places of the publications after this one."""
        return tuple(other for other in self.published if other > place)

    def undone_by(self, place: int) -> frozenset[int]:
        """The places of the publications that this one takes back."""
        return frozenset(self.published[place].item.undone)

    # Control records ------------------------------------------------------------------------------------------

    def unfinished(self) -> list[Published]:
        """Publications that may lack a control record on some partition, oldest first."""
        return [each for each in self if self._needs_controls(each) and each.item.id not in self._written]

    def _needs_controls(self, published: Published) -> bool:
        """Whether it changes anything: the first is in force from the start, and so is a repeated version."""
        before = [each for each in self if each.place < published.place]
        return bool(before) and (bool(published.item.undone) or before[-1].version != published.version)

    def lost(self, ends: Mapping[int, int]) -> list[Published]:
        """Publications whose control records are gone: ``lead-events`` was created anew, and ends before one of them.

        ``ends`` are its end offsets by partition.
        """
        latest = max((each.place for each in self if self._is_beyond(each, ends)), default=-1)
        return [each for each in self if each.place <= latest and each.item.id in self._written]

    def _is_beyond(self, published: Published, ends: Mapping[int, int]) -> bool:
        written = self._written.get(published.item.id)
        return written is not None and any(ends.get(p, at + 1) <= at for p, at in written.offsets.items())

    def in_force_at(self, partition: int, first_offset: int) -> int:
        """The place of the publication in force at the first record that is left on a partition; -1 if there is none.

        Later ones come into force at their control records.
        """
        started = [
            each.place
            for each in self
            if (written := self._written.get(each.item.id)) and started_before(written.offsets, partition, first_offset)
        ]
        return max(started, default=next(iter(self.published), -1))

    # Rules ----------------------------------------------------------------------------------------------------

    def rules(self, place: int) -> Rules:
        """The scorecards of a publication, ready to run. Takes long for a large file, once.

        Raises:
            Mismatch: another version of Leadglow published them, and this one reads them differently.
        """
        if place not in self._rules:
            self._rules[place] = self._with_backfill(place, self._parse(self.published[place].item))
        return self._rules[place]

    def scorecards(self, place: int) -> Scorecards:
        """The same with their text."""
        return Scorecards(self.published[place].item.text, self.rules(place))

    def _parse(self, item: Publication) -> Rules:
        try:
            rules = Scorecards.parse_text(item.text, "the published scorecards", self.lateness_ms).rules
        except YamlFileError as error:
            raise Mismatch(UNREADABLE_SCORECARDS.format(error=error)) from None
        if rules.version != item.version:
            raise Mismatch(UNEQUAL_VERSIONS.format(found=rules.version[:12], published=item.version[:12]))
        return rules

    def _with_backfill(self, place: int, rules: Rules) -> Rules:
        """Rules that count the signals of a later publication, too, if these count from the beginning."""
        if self.backfill is None or place >= self.backfill or self.backfill not in self.published:
            return rules
        later = self._parse(self.published[self.backfill].item)
        return rules if later.by_id.keys() <= rules.by_id.keys() else Rules(rules.model, self.lateness_ms, later.model)


def _list_last(published: list[Published]) -> str:
    """The titles of the last few, the latest first."""
    titles = [each.title for each in reversed(published)]
    return ", ".join(titles[:MAX_LISTED] + ["…"] * (len(titles) > MAX_LISTED)) or "none"

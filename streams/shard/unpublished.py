"""Tracks the leads of a shard whose changed score is not published yet, or not yet recorded as published."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Set
from itertools import count, islice

_numbers = count()


class Unpublished:
    """The dirty leads in the list of the store, and which of them this process has published."""

    def __init__(self, lead_ids: Iterable[str] = ()) -> None:
        """Start with the leads that the store lists as dirty."""
        self.versions = dict.fromkeys(lead_ids, next(_numbers))
        """The leads in the list of the store, each with a version: a number that no other change has in this process.

        Versions of the shard are used again after a store has lost its latest steps."""
        self._published: dict[str, int] = {}
        """Those of them that are published, with the published version."""
        self._unranked = self.versions.copy()
        """The leads whose places in ranking and schedule may be out of date."""

    @property
    def has_published(self) -> bool:
        """Whether the list of the store contains published leads."""
        return bool(self._published)

    def waiting(self) -> dict[str, int]:
        """The leads to publish whose places are up to date, with their versions."""
        published, unranked = self._published, self._unranked
        return {i: at for i, at in self.versions.items() if i not in published and i not in unranked}

    def take_unranked(self, most: int) -> list[str]:
        """Up to ``most`` leads whose places may be out of date; they are not returned again until they change."""
        taken = list(islice(self._unranked, most))
        for lead_id in taken:
            del self._unranked[lead_id]
        return taken

    def to_add(self, changed: Set[str]) -> list[str]:
        """The leads changed by a step that the store must add to its list."""
        return [i for i in changed if i not in self.versions or i in self._published]

    def to_remove(self, changed: Collection[str]) -> list[str]:
        """The published leads that the store can remove from its list, without those that the step changed again."""
        return [i for i, at in self._published.items() if self.versions.get(i) == at and i not in changed]

    def note_commit(self, removed: Iterable[str], changed: Set[str]) -> None:
        """Note the changes of a committed step."""
        for lead_id in removed:
            self.versions.pop(lead_id, None)
            self._published.pop(lead_id, None)
        for lead_id in changed & self._published.keys():
            del self._published[lead_id]
        now = dict.fromkeys(changed, next(_numbers))  # fast with many leads: their hashes are not computed again
        self.versions |= now
        self._unranked |= now

    def note_published(self, versions: Mapping[str, int]) -> list[str]:
        """Note the published versions of these leads; returns the leads that have not changed since."""
        current = {i: at for i, at in versions.items() if self.versions.get(i) == at}
        self._published.update(current)
        return list(current)

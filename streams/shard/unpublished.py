"""The leads of a shard whose score has changed and is not published yet, or not known to the store as published."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping


class Unpublished:
    """Dirty leads, as this process knows them and as the store lists them."""

    def __init__(self, lead_ids: Iterable[str] = (), version: int = 0) -> None:
        """Start with the leads that the store lists as dirty."""
        self.versions = dict.fromkeys(lead_ids, version)
        """Leads that the store lists, with the version of the shard that changed each."""
        self._published: dict[str, int] = {}
        """Of these, the published ones, with the version that was published."""

    @property
    def has_published(self) -> bool:
        """Whether the store lists leads that are published."""
        return bool(self._published)

    def waiting(self) -> dict[str, int]:
        """The leads to publish, with their versions."""
        return {lead_id: at for lead_id, at in self.versions.items() if lead_id not in self._published}

    def to_add(self, changed: Iterable[str]) -> list[str]:
        """Of the leads that a step changed, those that the store has to list."""
        return [lead_id for lead_id in changed if lead_id not in self.versions or lead_id in self._published]

    def to_remove(self, changed: Collection[str]) -> list[str]:
        """The leads that the store need not list any more, unless the step changed them again."""
        return [i for i, at in self._published.items() if self.versions.get(i) == at and i not in changed]

    def note_commit(self, removed: Iterable[str], changed: Iterable[str], version: int) -> None:
        """The store has taken a step with this version."""
        for lead_id in removed:
            self.versions.pop(lead_id, None)
            self._published.pop(lead_id, None)
        for lead_id in changed:
            self.versions[lead_id] = version
            self._published.pop(lead_id, None)

    def note_published(self, versions: Mapping[str, int]) -> list[str]:
        """Kafka has the scores of these leads as of these versions; returns the leads that have not changed since."""
        current = {i: at for i, at in versions.items() if self.versions.get(i) == at}
        self._published.update(current)
        return list(current)

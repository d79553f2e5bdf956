"""Blobs of many leads in one text, to be sent as it stands.

To cut thousands of texts and to join them again costs as much as to write them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple


class Packed(NamedTuple):
    """Lead ids with their blobs."""

    lead_ids: Sequence[str]
    wire: memoryview
    """Each id and each blob, as Redis takes arguments: a line break, "$" and how long it is, a line break, it."""
    spans: memoryview
    """Where in ``wire`` each blob begins and ends: pairs of integers."""

    def blobs(self) -> Iterator[bytes]:
        """The blobs, cut out."""
        spans: Any = self.spans.tolist()  # which is a list of pairs where the view has two dimensions
        return (bytes(self.wire[begin:end]) for begin, end in spans)

    def over(self, others: Mapping[str, bytes | None]) -> dict[str, bytes | None]:
        """Blobs by lead id, with those of others that are not among these."""
        return {**others, **dict(zip(self.lead_ids, self.blobs(), strict=True))}


NOTHING: Final = Packed((), memoryview(b""), memoryview(b""))
"""No lead."""

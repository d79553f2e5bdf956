"""Hold the blobs of many leads in one buffer that can be sent to Redis without copying.

Cutting thousands of texts apart and joining them again costs as much as encoding them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple


class Packed(NamedTuple):
    """Lead ids with their blobs."""

    lead_ids: Sequence[str]
    wire: memoryview
    """Each id and each blob as the Redis protocol has it: line break, "$", its length, line break, its bytes."""
    spans: memoryview
    """Start and end of each blob in ``wire``: pairs of integers."""

    def blobs(self) -> Iterator[bytes]:
        """The blobs, each as bytes."""
        spans: Any = self.spans.tolist()  # a list of pairs, because the view has two dimensions
        return (bytes(self.wire[begin:end]) for begin, end in spans)

    def over(self, others: Mapping[str, bytes | None]) -> dict[str, bytes | None]:
        """Blobs by lead id: these, and those of ``others`` for all other leads."""
        return {**others, **dict(zip(self.lead_ids, self.blobs(), strict=True))}


NOTHING: Final = Packed((), memoryview(b""), memoryview(b""))
"""No lead."""

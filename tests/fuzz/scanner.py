"""Records that the accelerated codec and the reference must read alike."""

from __future__ import annotations

from random import Random
from zlib import crc32

from tests.accelerator.test_codec import CALLS, PIECES, WHOLE, decode_and_compare

SEPARATOR = b"\x1e"
"""Between records: a control character, which no JSON holds."""
SEEDS = [
    *(value for value in CALLS if value is not None),
    SEPARATOR.join(WHOLE),
    *(WHOLE[0][: 40 * i] + piece + WHOLE[0][40 * i :] for i, piece in enumerate(PIECES)),
]
WORDS = [
    *PIECES,
    b'"messageId":"',
    b'"userId":"',
    b'"timestamp":"2026-01-05T10:00:00.123Z"',
    b'"sentAt":',
    b'"context":{',
]
"""Parts that a fuzzer may put in."""


def check(data: bytes) -> None:
    """Read these records by both."""
    decode_and_compare([*data.split(SEPARATOR)[:8]], Random(crc32(data)))

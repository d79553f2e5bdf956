"""Find the id of a lead in compiled code, if ``clean_id`` returns it unchanged."""

from __future__ import annotations

from streams.accelerator.jit import compiled
from streams.accelerator.kernels.json_tokens import ESCAPED_TEXT, PLAIN_TEXT
from streams.accelerator.pointers import byte
from streams.events.identities import ODD_FIRST, ODD_LAST, WORD_SHAPES
from streams.events.rejects import MAX_ID_CHARS

_ODD_FIRST, _ODD_LAST = tuple(map(ord, ODD_FIRST)), tuple(map(ord, ODD_LAST))


@compiled
def has_plain_ids(spans, tokens, user, anonymous):
    """Whether the ids in these slots, if any, have no escapes and a valid length."""
    for slot in (user, anonymous):
        size = spans[slot, 1]
        if tokens[slot] == ESCAPED_TEXT or (tokens[slot] == PLAIN_TEXT and (size < 1 or size > MAX_ID_CHARS)):
            return False
    return True


@compiled
def find_lead(text, spans, tokens, user, anonymous):
    """Start and length of the lead id among plain ids; the length is 0 if it is unusual or missing."""
    slot = user if tokens[user] == PLAIN_TEXT else anonymous
    at, size = spans[slot, 0], spans[slot, 1]
    return at, size if tokens[slot] == PLAIN_TEXT and is_usual(text, at, size) else 0


@compiled
def is_usual(text, at, size):
    """Whether an id is ASCII and cannot be a placeholder, so that ``clean_id`` returns it unchanged."""
    if not is_trimmed(text, at, size):
        return False
    first, last = byte(text, at), byte(text, at + size - 1)
    if first in _ODD_FIRST or last in _ODD_LAST or 256 * size + (first | 32) in WORD_SHAPES:
        return False
    for i in range(at, at + size):
        if byte(text, i) > 126:
            return False
    return True


@compiled
def is_trimmed(text, at, size):
    """Whether no white space can be at the ends of a text."""
    first, last = byte(text, at), byte(text, at + size - 1)
    return 32 < first < 127 and 32 < last < 127

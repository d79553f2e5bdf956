"""Where a list goes on: sealed, because a cursor names a lead. Pure."""

from __future__ import annotations

import json
from typing import Any

from app.board.id_cipher import Seal
from app.http.refusals import Refusal

_USE = "cursor"


def cursor_of(seal: Seal, *place: Any) -> str:
    """The cursor of a place: plain JSON values."""
    return seal.close(json.dumps(place), _USE)


def place_of(seal: Seal, cursor: str, *kinds: type) -> tuple[Any, ...]:
    """The place that a cursor names.

    Raises:
        Refusal: it is none of these.
    """
    text = seal.open(cursor, _USE)
    place = json.loads(text) if text is not None else []
    if len(place) != len(kinds) or not all(isinstance(p, k) for p, k in zip(place, kinds, strict=True)):
        raise Refusal(400, "bad_cursor", "This cursor is not one of this list: begin again without a cursor.")
    return tuple(place)

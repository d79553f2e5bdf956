"""Cursors of lists, encrypted because they contain the id of a lead. Pure."""

from __future__ import annotations

import json
from typing import Any

from app.board.id_cipher import IdCipher
from app.http.refusals import Refusal

_USE = "cursor"


def cursor_of(cipher: IdCipher, *place: Any) -> str:
    """The cursor of a place, whose parts are plain JSON values."""
    return cipher.encrypt(json.dumps(place), _USE)


def place_of(cipher: IdCipher, cursor: str, *kinds: type) -> tuple[Any, ...]:
    """The place of a cursor.

    Raises:
        Refusal: it is not a cursor of such places.
    """
    text = cipher.decrypt(cursor, _USE)
    place = json.loads(text) if text is not None else []
    if len(place) != len(kinds) or not all(isinstance(p, k) for p, k in zip(place, kinds, strict=True)):
        raise Refusal(400, "bad_cursor", "This cursor belongs to another list: start without a cursor.")
    return tuple(place)

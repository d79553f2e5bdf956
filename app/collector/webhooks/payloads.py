"""Reads the bodies of webhooks as leniently as those of trackers: one odd field costs neither its event nor the others.

The request is verified and a mail service does not send it again, so everything that can be read is read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec

from app.collector.calls import parse_lenient
from app.collector.inbound import Inbound
from streams.events.rejects import Refused

MAX_FIELDS: Final = 500
_BOM: Final = b"\xef\xbb\xbf"
_TOKEN: Final = re.compile(rb'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)|[\[\]{},]', re.DOTALL)
"""Whole texts, the last one perhaps cut off, brackets and commas."""
_BOUNDARY: Final = re.compile(r'boundary="?([^";,\s]{1,70})', re.IGNORECASE)
_NAME: Final = re.compile(rb'[\s;]name="?([^";\r\n]*)', re.IGNORECASE)
"""The name of a field in the head of its part of a multipart form."""
_ESCAPED: Final = "surrogateescape"
"""Keeps bytes that are not UTF-8, because signatures are over all of them."""


# JSON ----------------------------------------------------------------------------------------------------------------


def parse_object(raw: bytes) -> dict[str, Any]:
    """The JSON object of an event; bytes that are not UTF-8 become U+FFFD.

    Raises:
        Refused: it is none.
    """
    if not raw:
        raise Refused("empty")
    try:
        sent = parse_lenient(raw.removeprefix(_BOM).decode("utf-8", "replace"))
    except ValueError:
        raise Refused("not_json") from None
    if not isinstance(sent, dict):
        raise Refused("not_an_object")
    return sent


def split_array(body: bytes) -> list[bytes]:
    """The elements of a JSON array as they were sent; anything else is one element."""
    text = body.removeprefix(_BOM).strip()
    try:
        return [bytes(raw) for raw in msgspec.json.decode(text, type=list[msgspec.Raw])]
    except (msgspec.MsgspecError, UnicodeError, RecursionError, ValueError):
        found = list(_elements_of(text)) if text.startswith(b"[") else []
        return found or [body]


def _elements_of(array: bytes) -> Iterator[bytes]:
    """The elements of an array that is not strict JSON; only its texts and brackets must be in order.

    What is cut off, or follows the array, is an element, too, so that nothing is lost silently.
    """
    depth = began = 0
    for token in _TOKEN.finditer(array):
        char = token[0]
        if char in b"[{":
            depth += 1
            began = token.end() if depth == 1 else began
            continue
        if depth == 1 and char in b",]":
            yield from _filled(array[began : token.start()])
            began = token.end()
        depth -= char in b"]}"
        if depth == 0:
            break
    yield from _filled(array[began:])


def _filled(element: bytes) -> Iterator[bytes]:
    if element := element.strip():
        yield element


# Forms ---------------------------------------------------------------------------------------------------------------


def form_of(body: bytes) -> list[tuple[str, str]]:
    """The fields of a form; empty if it has more of them than any service sends.

    Encode a text with ``surrogateescape`` to have its bytes as they were sent.
    """
    try:
        text = body.decode("utf-8", _ESCAPED)
        return parse_qsl(text, keep_blank_values=True, errors=_ESCAPED, max_num_fields=MAX_FIELDS)
    except ValueError:
        return []


def bytes_of(text: str) -> bytes:
    """The bytes of a form's text as they were sent."""
    return text.encode("utf-8", _ESCAPED)


def clean_text(text: str) -> str:
    """A form's text with U+FFFD for bytes that are not UTF-8."""
    return text if text.isascii() else bytes_of(text).decode("utf-8", "replace")


def fields_of(inbound: Inbound) -> list[tuple[str, str]]:
    """The fields of a form in either encoding, as clean texts; empty if it is not a form."""
    content_type = inbound.header("content-type")
    if not content_type.lower().startswith("multipart/form-data"):
        return [(clean_text(name), clean_text(value)) for name, value in form_of(inbound.body.strip())]
    boundary = _BOUNDARY.search(content_type)
    if boundary is None:
        return []
    parts = inbound.body.split(b"--" + boundary[1].encode("utf-8", "replace"), MAX_FIELDS)
    return [field for part in parts for field in _field_in(part)]


def _field_in(part: bytes) -> Iterator[tuple[str, str]]:
    """The field in a part of a multipart form."""
    head, _, value = part.replace(b"\r\n", b"\n").partition(b"\n\n")
    if name := _NAME.search(head):
        yield name[1].decode("utf-8", "replace"), value.strip().decode("utf-8", "replace")

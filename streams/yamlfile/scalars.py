"""Converts the text of a scalar to its value."""

from __future__ import annotations

import math

from streams.yamlfile.tree import Scalar


def plain_value(text: str) -> Scalar:
    """A plain scalar, read without the parser."""
    for convert in (int, float):
        try:
            return convert(text)
        except ValueError:
            continue
    return {"true": True, "false": False}.get(text, text)


def typed_value(kind: str, text: str) -> Scalar | None:
    """Convert a scalar according to the last part of its tag (``int`` of ``tag:yaml.org,2002:int``)."""
    if kind in {"str", "merge"}:
        return text
    if kind == "null":
        return None
    if kind == "bool":
        return {"true": True, "false": False}[text.lower()]
    if kind == "int":
        return int(text, 0 if text.lstrip("+-")[:2].lower() in {"0x", "0o", "0b"} else 10)
    number = {"float": float}[kind](text)
    if not math.isfinite(number):
        raise ValueError(text)
    return int(number) if number.is_integer() else number

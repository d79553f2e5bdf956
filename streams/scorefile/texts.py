"""Warnings about texts in conditions that are allowed, but cannot be what was meant."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape

from streams.scorefile.habits import Doubt, automated_remedy, find_doubt
from streams.scorefile.patterns import (
    matches_everything,
    matches_nothing,
    missed_letter,
    remedy_for_missed,
    remedy_for_nothing,
)
from streams.yamlfile.kinds import MAX_TEXT_CHARS
from streams.yamlfile.source import ODD_SPACES, SMART_QUOTES, describe_char, in_quotes, spell
from streams.yamlfile.tree import Node, Report

_WORDS_IN_CLASS = re.compile(r"\[(\w{2,}(?:\|\w{2,})+)\]")
_PLACEHOLDER = re.compile(r"\{\{.*?\}\}|\$\{.*?\}|<%.*?%>|\*\|.*?\|\*")
_MIXED = re.compile(r"(?:[A-Za-z]+[\u0370-\u03ff\u0400-\u04ff]|[\u0370-\u03ff\u0400-\u04ff]+[A-Za-z])\w*")
"""Letters of two alphabets in one word."""
_PAIRED = re.compile("[\u201c-\u201f][^\u201c-\u201f]+[\u201c\u201d]")
"""A text in quotes of a word processor."""
_ENTITY = re.compile(r"&(?:amp|lt|gt|quot|apos|nbsp|#\d+);")


def check_quotes(node: Node, report: Report) -> bool:
    """Report a text that is in the quotes of a word processor, and warn of others and of odd spaces in it."""
    if not isinstance(node.value, str):
        return True
    text = node.value
    inner = text.strip(SMART_QUOTES).strip()
    if len(text) > 1 and text[0] in SMART_QUOTES and text[-1] in SMART_QUOTES:
        message = f"the quotes around {node} belong to the text: they are those of a word processor"
        report.add(node, message, f"write `{spell(inner)}`")
        return False
    for message, remedy in _odd_texts(node, text):
        report.warn(node, message, remedy)
    return True


def _odd_texts(node: Node, text: str) -> Iterator[Doubt]:
    """What cannot be meant in a text, whatever it is compared with."""
    if node.folded:
        yield f"the lines of {node} are one text", "put a dash before each for a list, or quotes around the whole"
    elif "\n" in text:
        yield f"{node} has a line break in it", f"write `{spell(' '.join(text.split()))}` on one line"
    if _PLACEHOLDER.search(text):
        yield f"nothing fills in the placeholder in {node}", "write the value itself"
    comment = re.search(r"\s(//|--|/\*)\s", text)
    if comment and not node.quote:
        yield f"`{comment[1]}` begins no comment, and is a part of {node}", "write `#` before a comment"
    if _ENTITY.search(text):
        yield f"{node} is written for HTML", f"write `{spell(unescape(text))}`"
    yield from _odd_characters(node, text)


def _odd_characters(node: Node, text: str) -> Iterator[Doubt]:
    mixed = _MIXED.search(text)
    if mixed:
        odd = next(char for char in mixed[0] if not char.isascii())
        yield f"{describe_char(odd)} is among the Latin letters of {node}", "write all letters in Latin"
    if text.count('"') % 2 and not re.search(r'\d"', text):
        yield f"{node} has one quote, which belongs to the text", f"write `{spell(text.replace(chr(34), ''))}`"
    if any(char in "\u201c\u201d\u201e\u201f" for char in _PAIRED.sub("", text)):
        yield f"{node} has the quotes of a word processor in it", "write straight quotes, if events have them"
    if "\t" in text:
        yield f"{node} has a tab in it", f"write `{spell(text.replace(chr(9), ' '))}`"
    if any(char in ODD_SPACES for char in text):
        plain = "".join(" " if char in ODD_SPACES else char for char in text)
        yield f"{node} has a space in it that is not the plain one", f"write `{in_quotes(plain)}`"


def check_text(path: str, operator: str, node: Node, report: Report) -> None:
    """Check the operand of a condition, or each text in a list of them."""
    for item in node.value if isinstance(node.value, list) else [node]:
        if isinstance(item.value, str) and len(item.value) > MAX_TEXT_CHARS:
            continue  # no habit explains it, and searching it could take very long
        if isinstance(item.value, str) and check_quotes(item, report):
            several = not item.quote and re.search(r"[;|]" if item is not node else r"\w; ?\w", item.value)
            doubt = (
                _several(item, item is node) if several else find_doubt(path, operator, item.value, bool(item.quote))
            )
            if doubt is not None:
                report.warn(item, *doubt)
        elif path == "properties.automated" and not isinstance(item.value, bool | str):
            remedy = automated_remedy(bool(item.value), operator)
            report.warn(item, f"`{path}` is true or false, never the number {item}", remedy)


def _several(item: Node, alone: bool) -> Doubt:
    parts = ", ".join(spell(part.strip()) for part in re.split(r"[;|]+", str(item.value)))
    shown = f"[{parts}]" if alone else parts
    return f"{item} is one text", f"write `{shown}`: commas separate the values of a list"


def check_pattern(path: str, node: Node, report: Report) -> None:
    """Refuse a valid pattern of `matches` that matches no text, and warn of one that matches every text."""
    pattern = str(node.value)
    address = path.rpartition(".")[2] in ("url", "path", "referrer")
    slashes = re.fullmatch(f"/(.+)/([gimsuy]{'+' if address else '*'})", pattern)
    stars = re.fullmatch(r"%?([\w ]+)%|%([\w ]+)|([\w /-]+)\*", pattern)
    if matches_nothing(pattern):
        report.add(node, f"{node} matches no text", remedy_for_nothing(pattern))
    elif slashes:
        flags = "(?i)" if "i" in slashes[2] else ""
        marks = f"the slashes and `{slashes[2]}`" if slashes[2] else "the slashes"
        message = f"{marks} of {node} are a part of the pattern"
        report.warn(node, message, f"write `{in_quotes(flags + slashes[1])}`")
    elif node.quote != '"' and re.search(r"\\\\[bdws]", pattern):
        plain = pattern.replace("\\\\", "\\")
        message = f"two backslashes in {node} match one in the text"
        report.warn(node, message, f"write `{in_quotes(plain)}`: in single quotes, a backslash is a backslash")
    elif stars:
        plain = stars[1] or stars[2] or stars[3]
        message = f"`{pattern[-1] if pattern[-1] in '*%' else '%'}` in {node} is no wildcard in a regular expression"
        report.warn(node, message, f"write `{{contains: {spell(plain)}}}`, or `.*` for any text")
    elif words := _WORDS_IN_CLASS.search(pattern):
        plain = pattern.replace(words[0], f"({words[1]})")
        report.warn(node, f"`{words[0]}` matches one character", f"write `{in_quotes(plain)}` for one of the words")
    elif matches_everything(pattern):
        report.warn(
            node, f"{node} matches every text", "write `{exists: true}`, or take out what matches the empty text"
        )
    elif letter := missed_letter(pattern):
        message = f"`\\b` finds no word that begins or ends with `{letter}`: it knows only the letters a to z"
        report.warn(node, message, remedy_for_missed(pattern))

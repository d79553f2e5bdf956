"""Warnings about texts in conditions that are allowed, but cannot be what was meant."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape

from streams.scorefile.patterns import (
    matches_everything,
    matches_nothing,
    missed_letter,
    remedy_for_missed,
    remedy_for_nothing,
)
from streams.yamlfile.source import ODD_SPACES, SMART_QUOTES, describe_char, in_quotes, spell
from streams.yamlfile.tree import Node, Report

_COMPARED = re.compile(r"(>=|<=|>|<|=>|=<|\u2265|\u2264|!=|==?)\s*([-+]?\d+(?:\.\d+)?)")
_OPERATORS = {
    **{">": "gt", ">=": "gte", "=>": "gte", "\u2265": "gte"},
    **{"<": "lt", "<=": "lte", "=<": "lte", "\u2264": "lte"},
}
_PATTERN = re.compile(r"\(\?i\)|\\[bdwsB]|\.\*|\.\+|^\^.|.\$$|\w\|\w")
_PLACEHOLDER = re.compile(r"\{\{.*?\}\}|\$\{.*?\}|<%.*?%>|\*\|.*?\|\*")
_WHOLE = ("equals", "in", "not")
"""Operators that compare the whole text."""
_PLAIN = (*_WHOLE, "contains", "contains_any", "prefix", "suffix", "word")
"""Operators that take a text as it is."""
_MIXED = re.compile(r"(?:[A-Za-z]+[\u0370-\u03ff\u0400-\u04ff]|[\u0370-\u03ff\u0400-\u04ff]+[A-Za-z])\w*")
"""Letters of two alphabets in one word."""
_ENTITY = re.compile(r"&(?:amp|lt|gt|quot|apos|nbsp|#\d+);")
_ALTERNATIVES = re.compile(r"[\w&. -]+?(?:\s+(?:or|OR|oder)\s+|\s*\|\|\s*)[\w&. -]+")
_PRESENT = ("not empty", "is not empty", "not null", "is set", "is known", "has any value", "any", "*")
_SENTENCES = (
    (re.compile(r"(?:is )?in \[([^\[\]]+)\]"), "in: [{}]"),
    (re.compile(r"contains (.+)"), "contains: {}"),
    (re.compile(r"(?:starts|begins) with (.+)"), "prefix: {}"),
    (re.compile(r"ends with (.+)"), "suffix: {}"),
    (re.compile(r"at least (\d+)"), "gte: {}"),
    (re.compile(r"at most (\d+)"), "lte: {}"),
    (re.compile(r"(?:more|greater) than (\d+)"), "gt: {}"),
    (re.compile(r"(?:less|fewer) than (\d+)"), "lt: {}"),
)
"""Operators in words, and how they are written."""
_THOUSANDS = re.compile(r"-?[1-9]\d{0,2}\.\d{2}0")
Doubt = tuple[str, str]
"""A message and a remedy."""


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
    if any(char in "\u201c\u201d\u201e\u201f" for char in text):
        yield f"{node} has the quotes of a word processor in it", "write straight quotes, if events have them"
    if any(char in ODD_SPACES for char in text):
        plain = "".join(" " if char in ODD_SPACES else char for char in text)
        yield f"{node} has a space in it that is not the plain one", f"write `{in_quotes(plain)}`"


def check_text(path: str, operator: str, node: Node, report: Report) -> None:
    """Check the operand of a condition, or each text in a list of them."""
    for item in node.value if isinstance(node.value, list) else [node]:
        if isinstance(item.value, str) and check_quotes(item, report):
            doubt = next(_doubts(path, operator, item.value), None)
            if item is not node and ";" in item.value and not item.quote:
                parts = ", ".join(spell(part.strip()) for part in item.value.split(";"))
                doubt = (f"{item} is one text", f"write `{parts}`: commas separate the values of a list")
            if doubt is not None:
                report.warn(item, *doubt)


def check_number(node: Node, report: Report) -> None:
    """Warn of a point that may separate thousands."""
    if not node.quote and _THOUSANDS.fullmatch(node.raw):
        remedy = f"write `{node.raw.replace('.', '')}` if the point separates thousands, or `{spell(node.value)}`"
        report.warn(node, f"`{node.raw}` is the number {spell(node.value)}", remedy)


def check_pattern(node: Node, report: Report) -> None:
    """Refuse a valid pattern of `matches` that matches no text, and warn of one that matches every text."""
    pattern = str(node.value)
    slashes = re.fullmatch(r"/(.+)/([gimsuy]+)", pattern)
    if matches_nothing(pattern):
        report.add(node, f"{node} matches no text", remedy_for_nothing(pattern))
    elif slashes:
        flags = "(?i)" if "i" in slashes[2] else ""
        message = f"the slashes and `{slashes[2]}` of {node} are a part of the pattern"
        report.warn(node, message, f"write `{in_quotes(flags + slashes[1])}`")
    elif node.quote != '"' and re.search(r"\\\\[bdws]", pattern):
        plain = pattern.replace("\\\\", "\\")
        message = f"two backslashes in {node} match one in the text"
        report.warn(node, message, f"write `{in_quotes(plain)}`: in single quotes, a backslash is a backslash")
    elif matches_everything(pattern):
        report.warn(
            node, f"{node} matches every text", "write `{exists: true}`, or take out what matches the empty text"
        )
    elif letter := missed_letter(pattern):
        message = f"`\\b` finds no word that begins or ends with `{letter}`: it knows only the letters a to z"
        report.warn(node, message, remedy_for_missed(pattern))


def _doubts(path: str, operator: str, text: str) -> Iterator[Doubt]:
    compared = _COMPARED.fullmatch(text)
    if compared and operator in _WHOLE:
        yield f"`{text}` is compared as a text", f"write `{_comparison(compared)}`"
    if operator in _WHOLE:
        yield from _sentence_doubts(path, operator, text)
    slashes = re.fullmatch(r"/(.+)/[gi]+", text)
    if slashes and operator in _PLAIN:
        yield f"`{operator}` takes `{text}` as it is", f"write `{{matches: {in_quotes('(?i)' + slashes[1])}}}`"
    if operator in _PLAIN and text.casefold() in _PRESENT:
        yield f"`{operator}` takes `{text}` as it is", "write `{exists: true}`"
    if operator in (*_WHOLE, "contains") and _ALTERNATIVES.fullmatch(text):
        parts = re.split(r"\s+(?:or|OR|oder)\s+|\s*\|\|\s*", text)
        shown = "in" if operator in ("equals", "in") else operator
        yield f"`{text}` is one text", f"write `{{{shown}: [{', '.join(spell(part) for part in parts)}]}}`"
    if operator in _PLAIN and _PATTERN.search(text):
        yield f"`{operator}` takes `{text}` as it is, not as a pattern", f"write `{{matches: {in_quotes(text)}}}`"
    if operator in _PLAIN and re.fullmatch(r"\*[^*]+|[^*]+\*|\*[^*]+\*", text) and len(text) > 2:
        yield f"`{operator}` takes the `*` in `{text}` as it is", f"write `{_without_stars(operator, text)}`"
    yield from _address_doubts(path.rpartition(".")[2], operator, text)


def _sentence_doubts(path: str, operator: str, text: str) -> Iterator[Doubt]:
    """An operator in words; a text where only true or false can be."""
    sentence = next((form.format(found[1]) for each, form in _SENTENCES if (found := each.fullmatch(text))), "")
    if sentence and operator == "equals":
        yield f"`{text}` is compared as a text", f"write `{{{sentence}}}`"
    if path == "properties.automated":
        remedy = "write `true`" if text.casefold() in ("true", "yes", "on", "1") else "write `false`"
        yield f"`{path}` is true or false, never the text `{text}`", remedy


def _comparison(compared: re.Match[str]) -> str:
    operator = _OPERATORS.get(compared[1])
    if operator:
        return f"{{{operator}: {compared[2]}}}"
    return f"{{not: {compared[2]}}}" if compared[1] == "!=" else compared[2]


def _without_stars(operator: str, text: str) -> str:
    plain = text.strip("*")
    if operator not in _WHOLE:
        return f"{{{operator if operator != 'contains_any' else 'contains'}: {spell(plain)}}}"
    kind = "contains" if text[0] == text[-1] == "*" else "suffix" if text[0] == "*" else "prefix"
    return f"{{{kind}: {spell(plain)}}}"


def _address_doubts(field: str, operator: str, text: str) -> Iterator[Doubt]:
    """A URL begins with its scheme, a path with a slash and has no domain or query."""
    begins = operator in (*_WHOLE, "prefix", "glob")
    domain = re.match(r"(www\.|[\w-]+\.(com|io|org|net|de|co|eu|app|example)(/|$))", text)
    if field in ("url", "referrer") and begins and (text.startswith("/") or domain):
        none = "none: " if operator == "not" else ""
        remedy = f"write `{none}{{contains: {spell(text.strip('*'))}}}` in place of `{operator}`"
        yield f"a URL begins with `https://`, not with `{text}`", remedy
    if field == "path" and "?" in text and operator != "glob":
        yield f"a path has no query, as `{text}` has", "read `properties.search`, or `properties.url`"
    if field == "path" and re.match(r"https?://", text):
        yield f"a path has no domain, as `{text}` has", "read `properties.url`, or write only the path"
    if field == "path" and operator in ("prefix", "equals", "in") and re.match(r"[\w-]", text) and "://" not in text:
        yield f"a path begins with `/`, not with `{text}`", f"write `{spell('/' + text)}`"

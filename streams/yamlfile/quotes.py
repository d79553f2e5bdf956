"""Explains quotes that the YAML parser refuses: those that are not closed, or that close too early."""

from __future__ import annotations

import re

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.tokens import ScalarToken

from streams.yamlfile.pasted import Found
from streams.yamlfile.source import Source


def find_quote(error: MarkedYAMLError, index: int, source: Source) -> Found | None:
    """A quote that is not closed, or that closes too early."""
    opens, ends = _last_quoted(index, source)
    unclosed = "quoted scalar" in str(error.context) and "end of" in str(error.problem)
    if unclosed and error.context_mark is not None:
        opens, ends = (error.context_mark.index, index) if opens is None else (opens, ends)
    elif opens is None or source.text[ends:index].strip(" ") or source.text[index : index + 1] in ":,]}\n":
        return None
    quote = source.text[opens]
    if not unclosed and ends < index:
        value = source.value_at(opens, source.in_flow(opens))
        remedy = source.quoting(value, "quotes go around the whole")
        several = re.fullmatch(r"(['\"])[^'\"]+\1(\s*(or|OR|\|\|?|and|,|;)\s*\1[^'\"]+\1)+", value)
        if several and not source.discreet:
            texts = re.findall(rf"{several[1]}[^'\"]+{several[1]}", value)
            remedy = f"write `[{', '.join(texts)}]` for several texts"
        return *source.place(index), "text follows the closing quote", remedy
    if not unclosed and _is_apostrophe(source.text, ends - 1) and "\n" not in source.text[opens:ends]:
        remedy = "write it twice: `''`" if quote == "'" else 'write a backslash before it: `\\"`'
        return *source.place(ends - 1), "this quote ends the text too early", remedy
    return *source.place(opens), f"the quote {quote} that opens here is not closed", _closing(opens, quote, source)


def _last_quoted(index: int, source: Source) -> tuple[int | None, int]:
    """Where the last quoted text before the error opens and ends; the first one that spans lines comes before it."""
    opens, ends = None, 0
    try:
        for token in YAML(typ="safe", pure=True).scan(source.text):
            if token.start_mark.index > index:
                break
            if isinstance(token, ScalarToken) and token.style in ("'", '"'):
                opens, ends = token.start_mark.index, token.end_mark.index
                if ":" in source.text[opens:ends].partition("\n")[2]:
                    break
    except Exception:  # the error that is being explained
        return opens, ends
    return opens, ends


def _is_apostrophe(text: str, index: int) -> bool:
    return text[index - 1 : index].isalnum() and text[index + 1 : index + 2].isalnum()


def _closing(opens: int, quote: str, source: Source) -> str:
    value = source.value_at(opens + 1, source.in_flow(opens)).rstrip(quote)
    return f"close it with {quote}" if source.discreet or not value else f"write `{quote}{value}{quote}`"

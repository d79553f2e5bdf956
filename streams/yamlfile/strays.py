"""Explains what follows a value between brackets without a key: `2,5`, `1,000`, `cto, ceo`, `label: Plans, prices`."""

from __future__ import annotations

import re
from typing import Final

from ruamel.yaml.nodes import Node as YamlNode
from ruamel.yaml.nodes import ScalarNode

from streams.yamlfile.source import KEY, Source, in_quotes
from streams.yamlfile.tree import Node

_TEXTS: Final = frozenset({"label", "note"})
"""Keys whose values are written for people, so a comma belongs to the text."""
_NEXT_KEY: Final = re.compile(
    r", *(?:[\w.-]+ *:(?=[ \n])|(?:trait|when|where|points|name|half_life|window|at_least|limit|distinct|amount|times"
    r"|min|max|absent|event|enter|leave|needs|keep|blocked_by|cooldown|handoff|signals|label)\b)"
)
"""The next key after such a text; one without a colon is a word of scorecard files."""
_END: Final = re.compile(r"[}\]\n]| #")

Stray = tuple[Node, str, str]
"""A place, a message and a remedy."""


def find_split_text(yaml_key: YamlNode, before: dict[Node, Node], source: Source) -> Stray | None:
    """A part of a text for people, such as `000 people` after `label: 200 to 5`."""
    key, last = next(reversed(before.items()))
    if key.value not in _TEXTS or last.quote or not last.raw or not isinstance(yaml_key, ScalarNode):
        return None
    begin = source.start(last.line) + last.column - 1
    whole = _END.split(_NEXT_KEY.split(source.text[begin : begin + 1000], maxsplit=1)[0], maxsplit=1)[0].rstrip()
    if yaml_key.start_mark.index >= begin + len(whole) or "," not in whole:
        return None
    if source.discreet:
        return last, "a comma ends this text", "put quotes around the whole text"
    return last, f"`{whole}` is not one value", f"write `{in_quotes(whole)}`: a text with a comma needs quotes"


def find_stray(yaml_key: ScalarNode, value: Node, before: dict[Node, Node], source: Source) -> Stray | None:
    """A part of the value before, for which a key without a value was read."""
    last = next(reversed(before.values()), None)
    text = yaml_key.value
    if value.value is not None or value.raw or last is None or not last.raw or bool(last.quote) != bool(yaml_key.style):
        return None
    if source.text.startswith(":", source.after_spaces(yaml_key.end_mark.index)):
        return None
    number = last.raw.lstrip("-").isdigit() and text.isdigit() and not last.quote
    if number and not source.before(yaml_key.start_mark.index).endswith(f"{last.raw},"):
        return None
    if source.discreet:
        return last, "this is followed by a comma, and by no key", "put quotes around it"
    both = source.text[source.start(last.line) + last.column - 1 : yaml_key.end_mark.index]
    if number:
        remedy = f"write `{last.raw}{'' if len(text) == 3 else '.'}{text}`"
        return last, f"`{last.raw},{text}` is not a number", remedy
    other = f"`{text}: …` for a key" if KEY.fullmatch(text) else f"`{in_quotes(both)}` for one text"
    return last, f"`{both}` is not one value", f"write `[{' '.join(both.split())}]` for several values, or {other}"

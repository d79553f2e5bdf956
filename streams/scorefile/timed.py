"""Reads the words of a scorecard file about time: windows, half-lives by state, and blocks that end."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import pairwise
from typing import Any, Final

from streams.scorefile import kinds
from streams.scorefile.remedies import BLOCK_KEYS_ELSEWHERE, STATES_KEYS_ELSEWHERE
from streams.scoring.counting import LATEST
from streams.scoring.scorecard import Block
from streams.yamlfile.containers import list_of, named, struct_of
from streams.yamlfile.kinds import (
    DURATION_PATTERN,
    NAME,
    Field,
    Item,
    Kind,
    Struct,
    accepts,
    duration_ms,
    placed,
    require,
    scalar_of,
    text_of,
)
from streams.yamlfile.repairs import guess_duration, guess_number
from streams.yamlfile.tree import Node, Report
from streams.yamlfile.written import write

LEAST_EVENTS: Final = 1


def _count(value: Any) -> int:
    require(isinstance(value, int) and not isinstance(value, bool) and LEAST_EVENTS <= value <= LATEST)
    return int(value)


AT_LEAST: Final = scalar_of(
    f"a whole number from {LEAST_EVENTS} to {LATEST}",
    "3",
    {"type": "integer", "minimum": LEAST_EVENTS, "maximum": LATEST},
    _count,
    guess_number,
    lambda text: "remove it: without it, each event within the window counts 1" if text == "0" else "",
)
WINDOW: Final = text_of(
    kinds.COOLDOWN.about,
    "30d",
    DURATION_PATTERN,
    lambda text: round(duration_ms(text)),
    guess_duration,
    lambda text: "remove it, and write `half_life: never`" if text in ("never", "ever") else "",
)
STATES_WORDS: Final = {
    "default": Field(kinds.HALF_LIFE, "The half-life while no guard has an amount above 0.", required=True),
    "while": Field(
        named(replace(NAME, example="sales_contact"), kinds.HALF_LIFE, 1),
        "Guards (signals with a window or the half-life `never`), each with the half-life that holds while its amount "
        "is above 0; the first such guard decides.",
        required=True,
        example="{sales_contact: 30d}",
    ),
}
_STATES: Final = struct_of(
    "a half-life by state", STATES_WORDS, "{default: 14d, while: {sales_contact: 30d}}", STATES_KEYS_ELSEWHERE
)


def written_duration(text: str) -> str:
    """The duration that a text is, or is nearly; empty for any other text."""
    guesses = [text, *map(str, guess_duration(text))]
    return next((guess for guess in guesses if accepts(WINDOW, Node(0, 0, guess, guess))), "")


def _for_hint(text: str) -> str:
    if text in ("never", "ever", "forever", "always"):
        return "write the name of the signal alone: it blocks while its amount is above 0"
    return f"write `until: {text}`" if re.fullmatch(r"[a-z][a-z_-]+", text) and not written_duration(text) else ""


def _read_until(node: Node, report: Report) -> Any:
    if isinstance(node.value, int | float) and not isinstance(node.value, bool):
        report.add(node, f"{node} is not the name of a signal", f"write `for: {written_duration(node.raw) or '30d'}`")
        return Item(node, None)
    return Item(node, kinds.REFERENCE.read(node, report))


_FOR: Final = text_of(
    WINDOW.about, "30d", DURATION_PATTERN, lambda text: round(duration_ms(text)), guess_duration, _for_hint
)
BLOCK_WORDS: Final = {
    "signal": Field(placed(kinds.REFERENCE), "The signal that blocks.", required=True, example="unsubscribe"),
    "until": Field(
        Kind(_read_until, kinds.REFERENCE.schema, kinds.REFERENCE.example, kinds.REFERENCE.about),
        "The signal that ends the block: it holds while the latest event of this one is earlier.",
        example="subscribe",
        default="the block ends with `for`",
    ),
    "for": Field(_FOR, "How long the block holds after the latest event.", default="the block ends with `until`"),
}
_BLOCK: Final = struct_of("a block", BLOCK_WORDS, "{signal: unsubscribe, until: subscribe}", BLOCK_KEYS_ELSEWHERE)


def _read_half_life(node: Node, report: Report) -> Any:
    entries = {key.value: value for key, value in node.value.items()} if isinstance(node.value, dict) else {}
    keys = entries.keys()
    if keys == {"default"} and accepts(kinds.HALF_LIFE, entries["default"]):
        remedy = f"write `half_life: {write(entries['default'])}`, or add `while: {STATES_WORDS['while'].example}`"
        report.add(node, "`default` needs `while` beside it, with other half-lives", remedy)
        return None
    return (_STATES if STATES_WORDS.keys() & keys else kinds.HALF_LIFE).read(node, report)


HALF_LIFE: Final = Kind(
    _read_half_life,
    {"anyOf": [kinds.HALF_LIFE.schema, _STATES.schema]},
    kinds.HALF_LIFE.example,
    f"{kinds.HALF_LIFE.about}; or `{_STATES.example}`",
)


def _read_block(node: Node, report: Report) -> Item | None:
    """A name, or a block; both as an Item with its place."""
    keys = {key.value for key in node.value} if isinstance(node.value, dict) else ()
    if not BLOCK_WORDS.keys() & keys:
        return Item(node, kinds.REFERENCE.read(node, report))
    struct: Struct | None = _BLOCK.read(node, report)
    if struct is None or struct.broken:
        return None
    if len(struct.nodes) < len(keys):
        return None
    if ("until" in struct.values) == ("for" in struct.values):
        remedy = "keep one of the two" if "for" in struct.values else "add `until: subscribe` or `for: 30d`"
        report.add(node, "a block ends either with `until` or with `for`", remedy)
        return None
    return Item(node, struct)


BLOCK: Final = Kind(
    _read_block,
    {"anyOf": [kinds.REFERENCE.schema, _BLOCK.schema]},
    kinds.REFERENCE.example,
    f"the name of a signal, or `{_BLOCK.example}`, or `{{signal: rejected, for: 30d}}`",
)


def _read_blocks(node: Node, report: Report) -> Any:
    """Report `[unsubscribe, until: subscribe]`, in which a name and its end are two items."""
    items = node.value if isinstance(node.value, list) else []
    for name, end in pairwise(items):
        keys = {str(key.value) for key in end.value} if isinstance(end.value, dict) else set()
        if isinstance(name.value, str) and keys and keys <= {"until", "for"}:
            whole = [f"{{signal: {write(name)}, {write(end)[1:]}" if each is end else write(each) for each in items]
            remedy = f"write `[{', '.join(text for each, text in zip(items, whole, strict=True) if each is not name)}]`"
            report.add(end, "a block and its end are one item", remedy)
            return None
    return _BLOCKS.read(node, report)


_BLOCKS: Final = list_of(BLOCK)
BLOCKS: Final = replace(_BLOCKS, read=_read_blocks)


def plain_blocks(stage: Struct) -> list[Item]:
    """The signals that block a stage for as long as they have an amount above 0."""
    return [item for item in stage.get("blocked_by", ()) if not isinstance(item.value, Struct)]


def ending_blocks(stage: Struct) -> list[Struct]:
    """The blocks of a stage that end by another signal or after a time."""
    return [item.value for item in stage.get("blocked_by", ()) if isinstance(item.value, Struct)]


def block_of(block: Struct) -> Block:
    """Build a block."""
    until = block.get("until")
    return Block(block.get("signal").value, until.value if until else "", block.get("for", 0))

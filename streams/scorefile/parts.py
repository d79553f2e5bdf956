"""Conditions that are split into parts with keys of their own, or that lack a part, and how to write them."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final

from streams.scorefile.habits import Doubt
from streams.scorefile.remedies import OPERATORS_ELSEWHERE
from streams.yamlfile.repairs import guess_number
from streams.yamlfile.source import spell
from streams.yamlfile.tree import Node
from streams.yamlfile.written import write

_PATH_WORDS: Final = ("property", "field", "attribute", "path", "key", "column", "name", "trait")
_OPERATOR_WORDS: Final = ("operator", "op", "comparator", "comparison", "operation", "condition")
_VALUE_WORDS: Final = ("value", "values", "val", "operand")
_SENTENCE: Final = re.compile(
    r"([\w.]+)\s*(contains|starts with|ends with|matches|is not|is|equals|in|>=|<=|!=|==|=|>|<)\s*(.+)", re.IGNORECASE
)


def where_remedy(node: Node, operators: Collection[str]) -> str:
    """How to write conditions that are no mapping."""
    if isinstance(node.value, list) and node.value:
        remedy = separate_parts_remedy(node.value[0]) or named_parts_remedy(node.value[0], operators)
        if remedy and len(node.value) == 1:
            return remedy
        each = f", and {remedy} for the first of it" if remedy else ""
        return f"write `any:` with this list below it if one is enough, or `all:`{each}"
    found = _SENTENCE.fullmatch(node.value[:1000]) if isinstance(node.value, str) else None
    if found is None:
        return "write a path and what it must be, such as `{properties.url: {contains: /pricing}}`"
    word = re.sub(r"\s", "_", found[2].casefold())
    operator = OPERATORS_ELSEWHERE.get(word, word)
    number = next(guess_number(found[3]), None) if re.fullmatch(r"[-+\d.,]+", found[3]) else None
    value = spell(found[3].strip("'\"") if number is None else number)
    return f"write `{{{found[1]}: {{{operator}: {f'[{value}]' if operator == 'in' else value}}}}}`"


def separate_parts_remedy(node: Node) -> str:
    """How to write `{property: plan, operator: is, value: pro}` or a part of it; empty for anything else."""
    entries = {str(key.value): value for key, value in node.value.items()} if isinstance(node.value, dict) else {}
    path, operator, value = (
        next((entries[word] for word in words if word in entries), None)
        for words in (_PATH_WORDS, _OPERATOR_WORDS, _VALUE_WORDS)
    )
    if operator is None or not isinstance(operator.value, str) or (value is None and path is None):
        return ""
    test = _written_test(operator.value, value)
    return f"write `{{{path.value}: {test}}}`" if path is not None else f"write `{test}`"


def named_parts_remedy(node: Node, operators: Collection[str]) -> str:
    """How to write `{trait: country, when: {in: [DE]}}` as a condition; empty for anything else."""
    entries = {str(key.value): value for key, value in node.value.items()} if isinstance(node.value, dict) else {}
    path = next((entries[word] for word in _PATH_WORDS if word in entries and word != "name"), None)
    if path is None or not isinstance(path.value, str) or not path.value:
        return ""
    when = next((entries[word] for word in ("when", "value") if word in entries), None)
    if when is not None:
        return f"write `{{{path.value}: {write(when)}}}`"
    tests = [f"{word}: {write(_unwrap(value))}" for word, value in entries.items() if word in operators]
    return f"write `{{{path.value}: {{{', '.join(tests)}}}}}`" if tests else ""


def _unwrap(operand: Node) -> Node:
    """The operand in `{in: [ceo, cto]}` where an operator stands before it already."""
    inner = list(operand.value.values()) if isinstance(operand.value, dict) else []
    return inner[0] if len(inner) == 1 else operand


def nested_test_remedy(path: str, operator: str, node: Node, words: Collection[str]) -> str:
    """How to write `{contains: {title: CTO}}` below a path or a trait; empty if the mapping has no single value."""
    entries = list(node.value.items()) if isinstance(node.value, dict) else []
    if operator == "not" or len(entries) != 1 or entries[0][0].value in words or isinstance(entries[0][1].value, dict):
        return ""
    key, value = entries[0]
    remedy = f"write `{operator}: {write(value)}`"
    if not path:
        return f"{remedy}: the trait is the one under `trait`"
    if str(key.value) in (path, path.rpartition(".")[2]):
        return f"{remedy}: the path is the one above"
    return f"write `{key.value}: {{{operator}: {write(value)}}}` beside `{path}`, or {remedy}"


def turned_test_remedy(operator: str, node: Node, words: Collection[str]) -> str:
    """How to write `{contains: {title: CTO}}`, an operator before its path; empty for anything else."""
    entries = list(node.value.items()) if isinstance(node.value, dict) else []
    if not entries or any(key.value in words or isinstance(value.value, dict) for key, value in entries):
        return ""
    return f"write `{', '.join(f'{key.value}: {{{operator}: {write(value)}}}' for key, value in entries)}`"


def find_lone_word(path: Node, operand: Node, operators: Collection[str], in_event: bool) -> Doubt | None:
    """The reason why a word of the format is not meant as the name of a field of an event, or of a trait."""
    if path.value in operators:
        return doubt_operator(path, operand)
    kind, sees = ("field", "one event") if in_event else ("trait", "traits")
    if path.value == "signal":
        remedy = "give points to the signal, or put it into `needs` of a stage"
        return f"a condition sees {sees}, and no signals", remedy
    if path.value not in (("trait", "when") if in_event else ("trait", "when", "path", "value")):
        return None
    remedy = f"write the name of the {kind} in its place"
    if path.value in ("trait", "path") and isinstance(operand.value, str):
        remedy = f"write `{operand.value}: …`"
    return f"{path} is a word of this format, and is read as the name of a {kind} here", remedy


def doubt_operator(path: Node, operand: Node) -> Doubt:
    """The message about an operator in the place of a path."""
    message = f"{path} is an operator, and a path or a trait belongs here"
    return message, f"put the path or the trait before it, as `…: {{{path.value}: {write(operand)}}}`"


def _written_test(operator: str, value: Node | None) -> str:
    word = re.sub(r"[ -]+", "_", operator.strip().casefold())
    known = OPERATORS_ELSEWHERE.get(word) or OPERATORS_ELSEWHERE.get(word.removeprefix("is_"), word)
    items = value.value if value is not None and isinstance(value.value, list) else []
    shown = f"[{', '.join(spell(item.value) for item in items)}]" if items else spell(value.value if value else "")
    if known in ("in", "contains_any") and not items:
        shown = f"[{shown}]"
    if ":" in known:
        return f"{{{known.replace('…', shown)}}}"
    return f"{{{known}: {shown}}}"

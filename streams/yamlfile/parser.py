"""Parses YAML text into a tree of plain values."""

from __future__ import annotations

import re
from dataclasses import replace

from ruamel.yaml.nodes import MappingNode, ScalarNode
from ruamel.yaml.nodes import Node as YamlNode

from streams.yamlfile.compose import MAX_DEPTH, MAX_NODES, LimitError, compose
from streams.yamlfile.scalars import plain_value, typed_value
from streams.yamlfile.source import INVISIBLE, JOINED, KEY, ODD_SPACES, Source, describe_char, describe_joint, in_quotes
from streams.yamlfile.strays import find_split_text, find_stray
from streams.yamlfile.syntax import find_missing_colon, find_syntax_mistake
from streams.yamlfile.tree import Mistake, Node, Report, join

MAX_CHARS = 1_000_000
_LISTABLE = {
    key: f", or write `{key}` once with a list of both if one of them is enough"
    for key in ("event", "equals", "contains", "word", "prefix", "suffix")
} | {"where": ", or put the conditions of both into one"}
"""Keys of scorecard files that take a list of which one is enough, and the end of the remedy for two of them."""
_EITHER = ", or write `any:` with a list of both if one of them is enough"


class _TreeError(Exception):
    """The whole document cannot be read, as it is one text."""


def parse(text: str, report: Report) -> Node | None:
    """Parse one YAML 1.2 document, and add mistakes to the report."""
    if len(text) > MAX_CHARS:
        report.add(Node(1, 1, None), f"the file has {len(text)} characters", f"keep it below {MAX_CHARS}")
        return None
    try:
        root = compose(text)
        return _Builder(report, Source(text, report.discreet)).build(root, 0) if root is not None else Node(1, 1, None)
    except (_TreeError, LimitError) as error:
        report.mistakes.append(Mistake(*error.args))
    except Exception as error:  # the parser raises many types, also RecursionError and IndexError
        report.mistakes.append(Mistake(*find_syntax_mistake(error, Source(text, report.discreet))))
    return None


class _Builder:
    """Converts YAML nodes to ours; expands aliases within a limit."""

    def __init__(self, report: Report, source: Source) -> None:
        self.report = report
        self.source = source
        self.count = 0

    def build(self, node: YamlNode, depth: int) -> Node:
        line, column = node.start_mark.line + 1, node.start_mark.column + 1
        self.count += 1
        if depth > MAX_DEPTH or self.count > MAX_NODES:
            raise LimitError(line, column, depth > MAX_DEPTH)
        if isinstance(node, ScalarNode):
            if depth == 0 and node.style is None and re.match(r"[\w.-]+ *[:=]", node.value):
                raise _TreeError(*find_missing_colon(line, self.source))
            folded = node.style is None and node.end_mark.line >= line
            return self.scalar(node, Node(line, column, node.value, node.value, node.style or "", folded))
        here = Node(line, column, None)
        if str(node.tag) not in {"tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"}:
            self.report.add(here, f"the tag `{node.tag}` is not allowed", "remove the tag")
        if isinstance(node, MappingNode):
            entries, repeated = self.mapping(node, depth)
            return Node(line, column, entries, repeated=tuple(repeated))
        return Node(line, column, [self.build(item, depth + 1) for item in node.value])

    def mapping(self, node: MappingNode, depth: int) -> tuple[dict[Node, Node], list[tuple[Node, Node]]]:
        entries: dict[Node, Node] = {}
        repeated: list[tuple[Node, Node]] = []
        inherited: dict[str, tuple[Node, Node]] = {}
        lines: dict[str, int] = {}
        another = False  # whether another item of a list begins with the same key, without a dash
        for yaml_key, yaml_value in node.value:
            found = self.read_entry(yaml_key, yaml_value, entries, depth)
            if found is None:
                continue
            key, value = found
            name = str(key.value)
            if name == "<<" and not key.quote:
                self.report.add(key, "`<<` does not merge here", "write out the keys of the other mapping")
                inherited.update(_merged(value))
                continue
            if not name and not key.quote:
                self.report.add_unreadable(key, "a name is missing before this colon", "write a name before it")
                continue
            if name in lines and another:
                continue
            if name in lines:
                another = name == str(next(iter(entries)).value)
                repeated += self.report_duplicate(key, value, entries)
                continue
            lines[name] = key.line
            entries[key] = value
        return {**dict(entry for name, entry in inherited.items() if name not in lines), **entries}, repeated

    def report_duplicate(self, key: Node, value: Node, before: dict[Node, Node]) -> list[tuple[Node, Node]]:
        """Report a key that is there already; returns it with contents that the first one cannot take."""
        name = str(key.value)
        first_key, first = next(entry for entry in before.items() if entry[0].value == name)
        joined = name not in _LISTABLE and "." not in name and join(first, value)
        message = f"{key} is a duplicate of line {first_key.line}"
        self.report.add(key, message, self.duplicate_remedy(name, joined, before))
        alike = isinstance(value.value, dict | list) and type(value.value) is type(first.value)
        return [(key, value)] if alike and not joined else []

    def duplicate_remedy(self, name: str, joined: bool, before: dict[Node, Node]) -> str:
        if joined:
            return "keep one of the two, or put the contents of both into one"
        remedy = f"keep one of the two{_LISTABLE.get(name, _EITHER if '.' in name else '')}"
        above, last = next(reversed(before.items()))
        if isinstance(last.value, list) and last.line > above.line:
            return f"{remedy}, or indent it further if it belongs to the item above"
        first = next(iter(before))
        before_first = self.source.line(first.line)[: first.column - 1].strip(" ")
        if name == first.value and len(before) > 1 and before_first in ("", "-"):
            remedy += ", or put a dash before it if another item begins here"
        return remedy

    def read_entry(
        self, yaml_key: YamlNode, yaml_value: YamlNode, before: dict[Node, Node], depth: int
    ) -> tuple[Node, Node] | None:
        """A key and its value; None for what is none, which is reported."""
        if before and _is_empty(yaml_value) and (split := find_split_text(yaml_key, before, self.source)):
            self.report.add_unreadable(*split)
            return None
        key, value = self.entry(yaml_key, yaml_value, depth)
        if not isinstance(yaml_key, ScalarNode):
            self.report.add_unreadable(*self.bad_name(yaml_key, key))
            return None
        if stray := find_stray(yaml_key, value, before, self.source):
            self.report.add_unreadable(*stray)
            return None
        return key, value

    def entry(self, yaml_key: YamlNode, yaml_value: YamlNode, depth: int) -> tuple[Node, Node]:
        """A key, with its text as value, and its value."""
        key = self.build(yaml_key, depth + 1)
        if isinstance(yaml_key, ScalarNode):
            text = key.value if isinstance(key.value, str) else key.raw
            key = replace(key, value=text)
            if re.match(r"-[^-\d ]", text) and not key.quote:
                self.report.add_unreadable(key, "a space is missing after this dash", "write a dash and a space")
            if _is_empty(yaml_value) and not yaml_value.anchor:
                return self.joined(yaml_key, key) or (key, self.missing_value(yaml_key))
        return key, self.build(yaml_value, depth + 1)

    def bad_name(self, yaml_key: YamlNode, key: Node) -> tuple[Node, str, str]:
        """The mistake of a list or a mapping as a name, such as a placeholder in braces."""
        begin = yaml_key.start_mark.index
        placeholder = re.compile(r"\{[^{}:]*\}").match(self.source.text, begin)
        if placeholder is None:
            return key, f"{key} cannot be a name", "put quotes around the name"
        place = self.source.place(begin - self.source.text.startswith("{", begin - 1))
        return Node(*place, None), "nothing fills in a placeholder in braces", "write the value itself"

    def joined(self, yaml_key: ScalarNode, key: Node) -> tuple[Node, Node] | None:
        """The key and the value of an entry such as ``half_life:14d`` or ``half_life 14d``, which is a mistake."""
        end = yaml_key.end_mark.index
        found = JOINED.fullmatch(yaml_key.value) if not key.quote and "\n" not in yaml_key.value else None
        words = found is not None and not found["gap"].strip(" ")
        if found is not None and words and (not KEY.fullmatch(found[1]) or re.match(r"[a-zA-Z]+ \w", found[3])):
            return None  # words of a value
        if found is None or self.source.text.startswith(":", self.source.after_spaces(end)):
            return None
        offset, message = describe_joint(found["gap"])
        at = yaml_key.start_mark.index + found.start("gap") + offset
        self.report.mistakes.append(Mistake(*self.source.place(at), message, self.source.pair(found[1], found[3])))
        value = Node(*self.source.place(yaml_key.start_mark.index + found.start(3)), found[3], found[3])
        return replace(key, value=found[1], raw=found[1]), replace(value, value=plain_value(found[3]))

    def missing_value(self, yaml_key: ScalarNode) -> Node:
        """An empty value, placed after the colon of its key; a comment without a space may have been meant as one."""
        end = yaml_key.end_mark.index
        colon = self.source.after_spaces(end)
        if not self.source.text.startswith(":", colon):
            return Node(*self.source.place(end), None)
        line, _ = self.source.place(colon)
        comment = self.source.text[colon + 1 : self.source.start(line + 1)].strip()
        meant = comment if comment[:1] == "#" and comment[1:2].strip("# ") else ""
        return Node(*self.source.place(colon + 1), None, meant)

    def scalar(self, node: ScalarNode, raw: Node) -> Node:
        """Build a string, number or boolean. Anything else is reported and becomes its text."""
        if any("\ud800" <= char <= "\udfff" for char in node.value):
            self.report.add_unreadable(raw, "half of a surrogate pair is not a character", "remove it")
            return replace(raw, value="", raw="")
        raw = self.cleaned(node, raw)
        self.check_hidden(node, raw)
        kind = str(node.tag).rpartition(":")[2]
        try:
            plain = node.style is None and raw.raw != node.value  # without a space that made it text
            return replace(raw, value=plain_value(raw.raw) if plain else typed_value(kind, raw.raw))
        except (KeyError, ValueError):
            shown = "this" if self.report.discreet else raw if raw.raw else f"`{node.tag}`"
            remedy = "put quotes around it if it is text" if self.report.discreet else _quoting(str(node.tag), raw)
            self.report.add_unreadable(raw, f"{shown} is not a string, a number, true or false", remedy)
            return raw

    def check_hidden(self, node: ScalarNode, raw: Node) -> None:
        """Report an anchor and a comment that were meant as text: `&plan=pro`, `Demo #1`."""
        if node.style is not None or self.report.discreet:
            return
        if node.anchor and not raw.raw:
            at = self.source.text.rfind("&", 0, node.start_mark.index + 1)
            self.report.add_unreadable(
                raw,
                "a value cannot begin with `&` without quotes",
                f"write `{in_quotes(f'&{node.anchor}')}`: it needs quotes",
            ) if at >= 0 else None
        hidden = _NUMBERED.match(self.source.text, node.end_mark.index) if raw.raw else None
        if hidden:
            text = in_quotes(raw.raw + hidden[0].rstrip())
            self.report.warn(
                raw,
                f"`{hidden[0].strip()}` is a comment, not a part of {raw}",
                f"write `{text}` if it belongs to the text",
            )

    def cleaned(self, node: ScalarNode, raw: Node) -> Node:
        """A scalar without invisible characters; each one is reported."""
        self.check_escapes(node)
        text = raw.raw
        outer = {text[:1], text[-1:]} & set(ODD_SPACES) if not raw.quote else set()
        for char in sorted(outer | (set(INVISIBLE) & set(text))):
            at = self.source.text.find(char, node.start_mark.index, node.end_mark.index)
            place = self.source.place(at) if at >= 0 else (raw.line, raw.column)
            remedy = "replace it by a plain space" if char in ODD_SPACES else "remove it"
            self.report.add_unreadable(Node(*place, None), f"{describe_char(char)} is here", remedy)
            text = text.replace(char, "") if char in INVISIBLE else text.strip(f" {char}")
        return replace(raw, value=text, raw=text) if text != raw.raw else raw

    def check_escapes(self, node: ScalarNode) -> None:
        """Report control characters, which double quotes make of some backslashes."""
        written = self.source.text[node.start_mark.index : node.end_mark.index]
        for found in re.finditer(r"\\(.)", written) if node.style == '"' else ():
            char = _CONTROLS.get(found[1])
            if char is not None:
                place = self.source.place(node.start_mark.index + found.start())
                message = f"in double quotes, `{found[0]}` is {char}"
                remedy = self.source.quoting(written[1:-1], "in single quotes, a backslash is a backslash")
                self.report.add_unreadable(Node(*place, None), message, remedy)
                return


_NUMBERED = re.compile(r" +#\d[^\n,}\]]*")
"""A comment that begins with a number, such as in `Demo #1 Requested`."""
_CONTROLS = {"b": "a backspace", "a": "a bell", "f": "a form feed", "v": "a vertical tab", "e": "an escape character"}


def _merged(node: Node) -> dict[str, tuple[Node, Node]]:
    return {str(key.value): (key, value) for key, value in node.value.items()} if isinstance(node.value, dict) else {}


def _is_empty(node: YamlNode) -> bool:
    return isinstance(node, ScalarNode) and node.style is None and not node.value and str(node.tag).endswith(":null")


def _quoting(tag: str, raw: Node) -> str:
    """The remedy for a scalar that YAML reads as something else than text."""
    if tag.startswith("!"):
        if tag.endswith(","):
            return f"write `{in_quotes(tag[:-1])}, {raw.raw}`: without quotes, `!` begins a tag"
        text = f"{tag} {raw.raw}".strip()
        return f"write `'{text}'` if it is text: without quotes, `!` begins a tag"
    if tag.endswith(":timestamp"):
        return f"write `'{raw.raw}'`: without quotes, it is a date"
    if tag.endswith(":float"):
        return "write a finite number, or remove it where no bound is meant"
    return f"write `'{raw.raw}'` if it is text: it needs quotes"

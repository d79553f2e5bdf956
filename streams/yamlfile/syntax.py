"""Explains what the YAML parser refuses: where the mistake is, which may be far above, and what to write."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.reader import ReaderError

from streams.counts import count_of
from streams.yamlfile.indents import GENERAL, VALUE_COLON, find_indent, line_above
from streams.yamlfile.pasted import Found, find_pasted
from streams.yamlfile.quotes import find_quote
from streams.yamlfile.source import (
    JOINED,
    ODD_SPACES,
    SMART_QUOTES,
    Source,
    describe_char,
    describe_joint,
    in_quotes,
    spell,
)

_ODD: Final = re.compile(rf"(?:^[ -]*|[:,{{\[-] *)([{ODD_SPACES}])", re.M)
_HIDDEN_END: Final = re.compile(r"([^,:{}\[\]#'\" ][^,:{}\[\]#'\"]*)? (#[^#}\]'\"]*[^#}\] '\"]) *[}\]]")
"""A text that ends at a comment, with a bracket in it."""


def find_syntax_mistake(error: Exception, source: Source) -> Found:
    """The mistake behind an error of the parser."""
    if isinstance(error, ReaderError):
        index = len(source.text[: error.position])
        return (
            *source.place(index),
            f"the character U+{ord(source.text[index]):04X} is not allowed in YAML",
            "remove it",
        )
    if isinstance(error, RecursionError):
        return 1, 1, "values are nested too deeply", "nest fewer brackets"
    mark = error.problem_mark or error.context_mark if isinstance(error, MarkedYAMLError) else None
    if not isinstance(error, MarkedYAMLError) or mark is None:
        return 1, 1, "this is not YAML", GENERAL
    index = min(mark.index, len(source.text))
    pasted = find_pasted(index, source)
    if pasted is not None:
        return pasted
    for explain in _EXPLANATIONS:
        found = explain(error, index, source)
        if found is not None:
            return found
    what = f": {error.problem or error.context}" if not source.discreet else ""
    return *source.place(index), f"this is not YAML{what}", GENERAL


def _find_odd_space(error: MarkedYAMLError, index: int, source: Source) -> Found | None:
    line, _ = source.place(index)
    odd = _ODD.search(source.text, 0, source.start(line + 1))
    if odd is None:
        return None
    message = f"{describe_char(odd[1])} is here instead of a plain space"
    return *source.place(odd.start(1)), message, "replace it by a plain space"


def _find_hidden_end(error: MarkedYAMLError, index: int, source: Source) -> Found | None:
    """A comment that hides the end of a bracket, as in `{label: #1 choice}`."""
    last, _ = source.place(index)
    for line in (line_above(last, source), last):
        comment = _HIDDEN_END.search(source.line(line))
        if comment and source.in_flow(source.start(line) + comment.start(2)):
            message = "`#` begins a comment, which hides the end of this line"
            text = f"{comment[1] or ''} {comment[2]}".strip()
            return line, comment.start(2) + 1, message, source.quoting(text, "it needs quotes")
    return None


def _find_bracket(error: MarkedYAMLError, index: int, source: Source) -> Found | None:
    """A bracket that is not closed or closes nothing; a comma that is missing."""
    context, problem = str(error.context), str(error.problem)
    closing = re.search(r"found '([\]},])'", problem)
    if closing and closing[1] == "," and source.text[:index].rstrip().endswith((",", "[", "{")):
        return *source.place(index), "a value is missing before this comma", "write a value, or remove the comma"
    if closing and "flow" not in context:
        return _closed_too_often(closing[1], index, source)
    if "while parsing a flow" not in context or error.context_mark is None or "expected ','" not in problem:
        return None
    opens = error.context_mark.index
    before = source.text[:index].rstrip(" ")
    if before.endswith(("]", "}")) and "\n" not in source.text[len(before) : index] and "scalar" in problem:
        return _bracketed_text(len(before) - 1, source)
    word = re.search(r"[\w.-]*$", source.before(len(before)))
    comma = len(before) - len(word[0]) if word and "':'" in problem else index
    if _is_unclosed(opens, comma, problem, source):
        return _unclosed_bracket(opens, source)
    return _missing_comma(comma, index, problem, source)


def _find_rest(error: MarkedYAMLError, index: int, source: Source) -> Found | None:
    """Text after a list or a mapping in brackets."""
    closed = source.before(index).rstrip(" ").endswith(("]", "}"))
    if closed and "<block end>, but found '<scalar>'" in str(error.problem):
        return *source.place(index), "text follows the closing bracket", "remove it"
    return None


def _missing_comma(comma: int, index: int, problem: str, source: Source) -> Found:
    if "':'" in problem and re.search(r"[\w.$-]: +$", source.before(comma)):
        remedy = _colon_remedy(source.before(comma), source.value_at(comma, True), source)
        return *source.place(index), "this colon is inside a value", remedy
    if source.text[:comma].rstrip().endswith(";"):
        semicolon = source.text.rindex(";", 0, comma)
        return *source.place(semicolon), "`;` is here instead of a comma", "write a comma"
    value = re.search(r": +([^:,{}\[\]]*[A-Z'][^:,{}\[\]]*)$", source.before(comma)) if "':'" in problem else None
    remedy = "write a comma between the two"
    if value and not source.discreet:
        whole = in_quotes(value[1] + source.value_at(comma, True))
        remedy += f", or `{whole}` if the colon belongs to the text"
    return *source.place(comma), "a comma is missing before this", remedy


def _closed_too_often(closing: str, index: int, source: Source) -> Found:
    before = source.text[:index].rstrip(" ")
    if closing == "," and before.endswith(("}", "]")):
        place = source.place(len(before) - 1)
        return *place, "this bracket closes everything, and more follows", "remove it, or close where the whole ends"
    if closing == ",":
        return *source.place(index), "a comma cannot be here", "remove it, or put the value in quotes"
    return *source.place(index), f"`{closing}` closes nothing", "remove it, or open a bracket before it"


def _unclosed_bracket(opens: int, source: Source) -> Found:
    sign = source.text[opens]
    close = "}" if sign == "{" else "]"
    return *source.place(opens), f"the bracket `{sign}` that opens here is not closed", f"close it with `{close}`"


def _is_unclosed(opens: int, index: int, problem: str, source: Source) -> bool:
    """Whether the bracket is the mistake: the text ends, another bracket closes, or a line of its own level begins."""
    if "stream end" in problem or re.search(r"got '[\]}]'", problem):
        return True
    line, column = source.place(index)
    first, _ = source.place(opens)
    indent = len(source.line(first)) - len(source.line(first).lstrip())
    begin = len(source.line(line)) - len(source.line(line).lstrip())
    return line > first and not source.line(line)[: column - 1].strip(" -") and begin <= indent


def _bracketed_text(close: int, source: Source) -> Found:
    """A text that begins with a bracket: `[Cc]eo`."""
    opens = source.text.rfind({"]": "[", "}": "{"}[source.text[close]], 0, close)
    more = re.match(r" *(?:or|OR|and|AND|\|\|?) *([\[{].*?[\]}])", source.text[close + 1 : close + 200])
    if more and not source.discreet:
        both = f"[{source.text[opens : close + 1]}, {more[1]}]"
        return *source.place(close + 1), "text follows this bracket", f"write `any: {both}` if one of them is enough"
    rest = source.value_at(close + 1, source.in_flow(opens))
    why = f"without quotes, `{source.text[opens]}` begins a list or a mapping"
    value = source.text[opens : close + 1] + rest
    return *source.place(opens), "a text that begins with a bracket needs quotes", source.quoting(value, why)


def _find_colon(error: MarkedYAMLError, index: int, source: Source) -> Found | None:
    """A colon that is missing, or that is inside a value; a line that is indented too far."""
    if "could not find expected ':'" in str(error.problem) and error.context_mark is not None:
        return find_missing_colon(source.place(error.context_mark.index)[0], source)
    if "mapping values are not allowed" not in str(error.problem):
        return None
    line, column = source.place(index)
    first = VALUE_COLON.search(source.line(line))
    if first is not None and first.start() < column - 1:
        return _colon_in_value(line, first.end(), source, index)
    above = line_above(line, source)
    dash = re.match(r" *-(?=[^-\s\d])", source.line(above)) if above else None
    if dash:
        return above, dash.end(), "a space is missing after this dash", "write a dash and a space"
    if above and not VALUE_COLON.search(source.line(above)):
        return find_missing_colon(above, source)
    indent = len(source.line(line)) - len(source.line(line).lstrip())
    level = len(source.line(above)) - len(source.line(above).lstrip())
    message = f"this line is indented further than line {above}, which already has a value"
    return line, indent + 1, message, f"indent it by {count_of(level, 'space')}, as line {above}"


def _colon_in_value(line: int, start: int, source: Source, index: int) -> Found:
    text = source.line(line)
    begin = start + len(text[start:]) - len(text[start:].lstrip())
    value = source.value_at(source.start(line) + begin, False).strip(SMART_QUOTES)
    return (
        *source.place(index),
        "this colon is inside a value",
        _colon_remedy(text[:begin], value, source),
    )


def _colon_remedy(before: str, value: str, source: Source) -> str:
    if re.search(r"\b(where|when|points|needs|grades|categories): +$", before) and re.match(r"[a-z][\w.]*: ", value):
        path, _, test = value.partition(": ")
        nested = f"{path}: {{{test}}}" if re.match(r"[a-z_]+: ", test) else value
        return f"write `{{{nested}}}`: a mapping on one line needs braces"
    if re.search(r", *[a-z_]+: \S", value) and not source.discreet:
        return f"write each key on a line of its own, or `{in_quotes(value)}` for one text"
    if re.match(r"[a-z][a-z_]*: \S", value) and not source.discreet:
        return f"write `{{{value}}}` for a mapping, or `{in_quotes(value)}` for a text"
    return source.quoting(value, "a text with a colon needs quotes")


def find_missing_colon(line: int, source: Source) -> Found:
    """The mistake in a line without a colon, or without a space after it."""
    text = source.line(line)
    indent = len(text) - len(text.lstrip(" -"))
    body = text[indent:].rstrip()
    found = JOINED.fullmatch(body)
    if re.fullmatch(r"[A-Z][\w']*(,? [\w']+){2,}[^:]*", body[:200]):
        return line, indent + 1, "this line is a sentence, not YAML", "remove it, or write `#` before it"
    if found is None:
        return line, indent + len(body) + 1, "a colon is missing here", "write a colon after the name"
    offset, message = describe_joint(found["gap"])
    return line, indent + found.start("gap") + offset + 1, message, source.pair(found[1], found[3])


def _find_dash(error: MarkedYAMLError, index: int, source: Source) -> Found | None:
    """A dash inside a value: a minus with a space after it, or a list in one line."""
    if "but found '-'" not in str(error.problem) and "sequence entries" not in str(error.problem):
        return None
    minus = re.match(r"- +(\d[\d.]*)", source.text[index : index + 100])
    if minus:
        remedy = "remove it" if source.discreet else f"write `-{minus[1]}`"
        return *source.place(index), "a space follows this minus", remedy
    items = re.split(r"(?:^|\s+)-\s+", source.value_at(index, source.in_flow(index)))[1:]
    remedy = "write a list in brackets" if source.discreet else f"write `[{', '.join(map(spell, items))}]`"
    return *source.place(index), "a dash begins an item only at the start of a line", remedy


def _find_sign(error: MarkedYAMLError, index: int, source: Source) -> Found | None:
    """A text that begins with a sign that means something in YAML."""
    problem = str(error.problem)
    if "escape character" in problem and error.context_mark is not None:
        opens = error.context_mark.index
        quoted = re.match(r'"((?:[^"\\\n]|\\.)*)', source.text[opens:])
        remedy = source.quoting(quoted[1] if quoted else "", "in double quotes, a backslash needs another one")
        return *source.place(source.text.rfind("\\", 0, index + 1)), "this backslash means nothing here", remedy
    context = str(error.context)
    if error.context_mark is not None and ("alias" in context or "block scalar" in context):
        index = error.context_mark.index
    elif not any(known in problem for known in ("undefined alias", "cannot start any token", "but found '?'")):
        return None
    value = source.value_at(index, source.in_flow(index))
    message = f"a value cannot begin with `{value[:1]}` without quotes"
    if value[:1] == "`":
        remedy = "remove it" if source.discreet else f"write `{spell(value.strip('`'))}`, without backticks"
        return *source.place(index), "a value cannot begin with a backtick", remedy
    compared = re.fullmatch(r"([<>])(=?) *([-+]?\d+(?:\.\d+)?)", value)
    if compared and not source.discreet:
        operator = {"<": "lt", ">": "gt"}[compared[1]] + ("e" if compared[2] else "")
        alone = re.search(r"\b[gl]te?: *$", source.before(index))
        return *source.place(index), message, f"write `{compared[3] if alone else f'{{{operator}: {compared[3]}}}'}`"
    return *source.place(index), message, source.quoting(value, "it needs quotes")


def _find_document(error: MarkedYAMLError, index: int, source: Source) -> Found | None:
    if "another document" not in str(error.problem):
        return None
    return *source.place(index), "a second document begins here", "remove `---`: a file has one document"


_EXPLANATIONS: Final[tuple[Callable[[MarkedYAMLError, int, Source], Found | None], ...]] = (
    _find_odd_space,
    find_quote,
    _find_hidden_end,
    _find_bracket,
    _find_rest,
    _find_colon,
    find_indent,
    _find_dash,
    _find_sign,
    _find_document,
)

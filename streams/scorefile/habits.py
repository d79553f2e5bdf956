"""Doubts about a text in a condition: operators, lists, wildcards and addresses as other tools write them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from streams.scorefile.remedies import without_wildcards
from streams.yamlfile.repairs import bounds_in
from streams.yamlfile.source import in_quotes, spell

Doubt = tuple[str, str]
"""A message and a remedy."""
_WHOLE = ("equals", "in", "not")
"""Operators that compare the whole text."""
_INSIDE = ("contains", "contains_any", "word")
_PLAIN = (*_WHOLE, *_INSIDE, "prefix", "suffix")
"""Operators that take a text as it is."""
_COMPARED = re.compile(r"(>=|<=|>|<|=>|=<|\u2265|\u2264|!=|==?)\s*([-+]?\d+(?:\.\d+)?)%?")
_SIGNED = re.compile(r"(!=|<>|===?|=~|!~|\*=|~|=)\s*(\S.*)")
_OPERATORS = {
    **{">": "gt", ">=": "gte", "=>": "gte", "\u2265": "gte"},
    **{"<": "lt", "<=": "lte", "=<": "lte", "\u2264": "lte"},
    **{"!=": "not", "<>": "not", "=~": "contains", "~": "contains", "*=": "contains"},
}
_ARGUMENT = r"(?: | ?\( ?)['\"]?([^'\"]+?)['\"]? ?\)?"
_SENTENCES = (
    (r"(?:is )?in \[([^\[\]]+)\]", "in: [{}]"),
    (rf"(?i)(?:!|(?:does )?not )contains?{_ARGUMENT}", "none: [{{contains: {}}}]"),
    (rf"(?i)contains?{_ARGUMENT}", "contains: {}"),
    (rf"(?i)(?:starts?|begins)[ _]?with{_ARGUMENT}", "prefix: {}"),
    (rf"(?i)ends?[ _]?with{_ARGUMENT}", "suffix: {}"),
    (r"(?i)(?:matches|regexp?|match) ?\(['\"]?(.+?)['\"]?\)", "matches: {}"),
    (r"(?i)(?:in|one_?of)\((.+?)\)", "in: [{}]"),
    (r"(?:is )?not ([A-Z].*)", "not: {}"),
    (r"(?:is|equals) ([A-Z].*)", "equals: {}"),
    (r"(\d+) *<= *\w+ *<= *(\d+)", "gte: {}, lte: {}"),
    (r"(\d+) *<= *\w+ *< *(\d+)", "gte: {}, lt: {}"),
    (r"(\d+) *< *\w+ *< *(\d+)", "gt: {}, lt: {}"),
    (r"at least (\d+)", "gte: {}"),
    (r"at most (\d+)", "lte: {}"),
    (r"(?:more|greater) than (\d+)", "gt: {}"),
    (r"(?:less|fewer) than (\d+)", "lt: {}"),
)
"""Operators in words, and how they are written."""
_PRESENT = re.compile(r"(is )?not (empty|null|blank)|is (set|known|present)|exists|has (any|a) value|any|\*", re.I)
_ABSENT = re.compile(r"(is )?(not (set|known|present)|missing|null|empty|blank|unknown)|has no value|not exists", re.I)
_NOTHING = ("none", "nil", "null", "n/a", "undefined", "nan")
_LISTED = re.compile(r"[A-Z]{2,5}([,;] ?[A-Z]{2,5})+|([@/.])[^,;]+([,;] ?\2[^,;]+)+")
"""Several acronyms, ends of addresses or paths in one text."""
_OR = re.compile(r"\s+(?:or|OR|oder)\s+|\s*\|\|\s*")
_BETWEEN_PATHS = re.compile(rf"{_OR.pattern}|(?<=\w)(?:,|\s+(?:and|AND|und|&)|)\s+(?=/\w)")
_WORDS = re.compile(r"\s*[,;|]\s*|\s+(?:/|or|OR)\s+")
_PATTERN = re.compile(r"\(\?i\)|\\[bdwsB]|\.\*|\.\+|^\^.|.\$$|\w\|\w")
_WILDCARDS = re.compile(r"\*[^*]+|[^*]+\*|\*[^*]+\*|%[^%\s][^%]*%?|[^%]*[^%\d ]%")
"""Wildcards at the ends of a text."""
_DOMAIN = re.compile(r"(www\.|[\w-]+\.(com|io|org|net|de|co|eu|app|example)(/|$))")


def automated_remedy(value: bool, operator: str) -> str:
    """What to write instead of a text or a number that `properties.automated` is compared with."""
    if value or operator == "not":
        return f"write `{spell(value)}`"
    return "remove this condition: without it, only people count"


def find_doubt(path: str, operator: str, text: str, quoted: bool) -> Doubt | None:
    """The first reason why a text in a condition cannot be meant as it is."""
    if operator in _WHOLE and not quoted and text.casefold() in _NOTHING:
        missing = "true" if operator == "not" else "false"
        return f"`{text}` is a text", f"write `{{exists: {missing}}}`, or `{in_quotes(text)}` for the text"
    return next((doubt for find in _DOUBTS for doubt in find(path, operator, text)), None)


def _find_presence(path: str, operator: str, text: str) -> Iterator[Doubt]:
    """Words for any value; a text where only true or false can be; outer spaces."""
    if operator in _PLAIN and _PRESENT.fullmatch(text):
        yield f"`{operator}` takes `{text}` as it is", "write `{exists: true}`"
    if operator == "equals" and _ABSENT.fullmatch(text) and " " in text:
        yield f"`{operator}` takes `{text}` as it is", "write `{exists: false}`"
    if path == "properties.automated" and operator in _WHOLE:
        remedy = automated_remedy(text.casefold() in ("true", "yes", "on", "1"), operator)
        yield f"`{path}` is true or false, never the text `{text}`", remedy
    if operator in _WHOLE and text.strip() not in (text, ""):
        yield f"`{text}` has a space at its beginning or end", f"write `{spell(text.strip())}`"


def _find_operator(_: str, operator: str, text: str) -> Iterator[Doubt]:
    """An operator before the value, as a sign or in words."""
    if operator not in _WHOLE:
        return
    signed = _COMPARED.fullmatch(text) or _SIGNED.fullmatch(text)
    between = bounds_in(text) if ".." in text else None
    if signed:
        value = signed[2] if re.fullmatch(r"[-+]?\d+(\.\d+)?", signed[2]) else spell(signed[2].strip("'\""))
        test = f"none: [{{contains: {value}}}]" if signed[1] == "!~" else f"{_OPERATORS.get(signed[1], '')}: {value}"
        written = value if test.startswith(":") else f"{{{test}}}"
        if signed[2].casefold() in _NOTHING:
            written = f"{{exists: {str(signed[1] in ('!=', '<>', '!~')).lower()}}}"
        yield f"`{text}` is compared as a text", f"write `{written}`"
    elif between:
        yield f"`{text}` is compared as a text", f"write `{{gte: {spell(between[0])}, lte: {spell(between[1])}}}`"
    for pattern, form in _SENTENCES if operator in ("equals", "not") else ():
        if found := re.fullmatch(pattern, text):
            value = found[1] if form.startswith("in:") or found[1].isdigit() else spell(found[1])
            test = f"{{{form.format(*(value, *found.groups()[1:]))}}}"
            remedy = f"write `none: [{test}]` in place of `not`" if operator == "not" else f"write `{test}`"
            yield f"`{text}` is compared as a text", remedy


def _find_several(_: str, operator: str, text: str) -> Iterator[Doubt]:
    """Several values in one text."""
    many = "in" if operator in ("equals", "in") else operator
    words, parts = _WORDS.split(text), (_BETWEEN_PATHS if text[:1] == "/" else _OR).split(text)
    if operator == "word" and len(words) > 1:
        message = f"`word` looks for all words of `{text}`, one after another"
        yield message, f"write `{{word: [{', '.join(spell(word) for word in words)}]}}`"
    elif operator == "glob" and _LISTED.fullmatch(text):
        yield f"`{text}` is one text", "write `any:` with a pattern for each"
    elif operator in _PLAIN and _LISTED.fullmatch(text):
        shown = ", ".join(spell(part.strip()) for part in re.split("[,;]", text))
        yield f"`{text}` is one text", f"write `{{{many}: [{shown}]}}`"
    elif operator in (*_WHOLE, "contains") and parts[1:] and all(re.fullmatch(r"[\w&./ -]+", part) for part in parts):
        yield f"`{text}` is one text", f"write `{{{many}: [{', '.join(spell(part) for part in parts)}]}}`"


def _find_pattern(_: str, operator: str, text: str) -> Iterator[Doubt]:
    """A regular expression for an operator that takes none."""
    slashes = re.fullmatch(r"/(.+)/[gi]+", text)
    if slashes and operator in _PLAIN:
        yield f"`{operator}` takes `{text}` as it is", f"write `{{matches: {in_quotes('(?i)' + slashes[1])}}}`"
    if operator in (*_PLAIN, "glob") and _PATTERN.search(text):
        yield f"`{operator}` takes `{text}` as it is, not as a pattern", f"write `{{matches: {in_quotes(text)}}}`"
    if operator == "word" and re.search(r"\w[+#]+$", text):
        yield f"`word` does not see the signs of `{text}`", f"write `{{contains: {spell(text)}}}`"


def _find_wildcards(path: str, operator: str, text: str) -> Iterator[Doubt]:
    """Wildcards for an operator that takes none; those of SQL for `glob`."""
    if operator == "glob" and re.fullmatch(r"%.*|.*[^\d]%", text):
        yield f"`glob` takes the `%` in `{text}` as it is", f"write `{in_quotes(text.replace('%', '*'))}`"
    if operator == "glob" and not text.strip("*"):
        yield f"`{text}` holds for every text", "write `{exists: true}`"
    if operator not in _PLAIN or len(text) < 3:
        return
    if _WILDCARDS.fullmatch(text):
        sign = "*" if "*" in text else "%"
        remedy = f"write `{{{without_wildcards(path.rpartition('.')[2], operator, text)}}}`"
        yield f"`{operator}` takes the `{sign}` in `{text}` as it is", remedy
    elif re.search(r"\w\*\w", text):
        begin = "*" if operator in (*_INSIDE, "suffix") else ""
        end = "*" if operator in (*_INSIDE, "prefix") else ""
        glob = f"glob: {in_quotes(begin + text + end)}"
        remedy = f"write `{{none: [{{{glob}}}]}}`" if operator == "not" else f"write `{{{glob}}}`"
        yield f"`{operator}` takes the `*` in `{text}` as it is", remedy


def _find_address(path: str, operator: str, text: str) -> Iterator[Doubt]:
    """A URL begins with its scheme, a path with a slash and has no domain or query."""
    field = path.rpartition(".")[2]
    begins = operator in (*_WHOLE, "prefix", "glob")
    begun = text.startswith("/") or _DOMAIN.match(text) or (operator in _WHOLE and not re.search(r"\W", text))
    if field in ("url", "referrer") and begins and begun and text:
        none = "none: " if operator == "not" else ""
        remedy = f"write `{none}{{contains: {spell(text.strip('*'))}}}` in place of `{operator}`"
        yield f"a URL begins with `https://`, not with `{text}`", remedy
    if field != "path":
        return
    if "?" in text and operator != "glob":
        yield f"a path has no query, as `{text}` has", "read `properties.search`, or `properties.url`"
    if re.fullmatch(r"/[^#]*#\w+", text):
        yield f"a path has no part after `#`, as `{text}` has", "read `properties.url`"
    if re.match(r"https?://", text):
        yield f"a path has no domain, as `{text}` has", "read `properties.url`, or write only the path"
    if operator in ("prefix", "equals", "in") and re.match(r"[\w-]", text) and "://" not in text:
        yield f"a path begins with `/`, not with `{text}`", f"write `{spell('/' + text)}`"


def _find_email(path: str, operator: str, text: str) -> Iterator[Doubt]:
    """A part of an e-mail address in place of the whole or of its end."""
    if path.rpartition(".")[2] != "email":
        return
    if operator == "suffix" and re.fullmatch(r"@?[\w-]+", text):
        yield f"no e-mail address ends with `{text}`", f"write `{{contains: {spell('@' + text.strip('@') + '.')}}}`"
    if operator in _WHOLE and re.fullmatch(r"[\w-]+(\.[\w-]+)+", text):
        yield f"`{text}` is no whole e-mail address", f"write `{{suffix: {spell('@' + text)}}}` for a domain"


_DOUBTS: tuple[Callable[[str, str, str], Iterator[Doubt]], ...] = (
    _find_presence,
    _find_operator,
    _find_several,
    _find_pattern,
    _find_wildcards,
    _find_address,
    _find_email,
)

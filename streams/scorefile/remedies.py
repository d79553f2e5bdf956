"""What to write instead of keys, operators and values as other tools have them."""

from __future__ import annotations

import re
from typing import Final

from streams.scoring.scorecard import CALL_TYPES
from streams.yamlfile.repairs import guess_number
from streams.yamlfile.source import spell
from streams.yamlfile.tree import Node

_EQUAL: Final = ("=", "==", "===", "is", "eq", "equal", "equal_to", "is_equal_to", "equals_to", "value", "exactly")
_NOT: Final = ("!=", "<>", "ne", "neq", "is_not", "isnt", "not_equal", "not_equals", "not_in", "nin", "is_none_of")
_ONE_OF: Final = ("one_of", "any_of", "is_any_of", "is_one_of", "oneof", "values")
_PARTS: Final = ("includes", "include", "has", "like", "ilike", "substring", "contains_text", "icontains")
OPERATORS_ELSEWHERE: Final = {
    **dict.fromkeys(_EQUAL, "equals"),
    **dict.fromkeys(_NOT, "not"),
    **dict.fromkeys(_ONE_OF, "in"),
    **dict.fromkeys(_PARTS, "contains"),
    **dict.fromkeys(("regex", "regexp", "match", "re", "pattern", "matches_regex", "~", "=~", "rlike"), "matches"),
    **dict.fromkeys(("wildcard", "fnmatch"), "glob"),
    **dict.fromkeys(("starts_with", "startswith", "begins_with", "starts"), "prefix"),
    **dict.fromkeys(("ends_with", "endswith", "ends"), "suffix"),
    **dict.fromkeys((">", "greater_than", "greater", "more_than", "above", "over", "is_greater_than"), "gt"),
    **dict.fromkeys((">=", "=>", "ge", "at_least", "min", "from", "greater_than_or_equal", "minimum"), "gte"),
    **dict.fromkeys(("<", "less_than", "less", "below", "under", "is_less_than"), "lt"),
    **dict.fromkeys(("<=", "=<", "le", "at_most", "max", "to", "less_than_or_equal", "maximum"), "lte"),
    **dict.fromkeys(("is_known", "known", "is_set", "present", "is_present", "not_empty", "not_null"), "exists: true"),
    **dict.fromkeys(("is_unknown", "unknown", "missing", "is_empty", "empty", "is_null", "null"), "exists: false"),
    **dict.fromkeys(("not_contains", "does_not_contain", "doesnt_contain"), "none: {contains: …}"),
    **dict.fromkeys(("between", "range"), "gte: …, lte: …"),
    "and": "all",
    "or": "any",
}
SIGNAL_KEYS_ELSEWHERE: Final = {
    **dict.fromkeys(("type", "on", "trigger", "action", "event_name", "event_type", "name"), "event"),
    **dict.fromkeys(("if", "when", "filter", "filters", "condition", "conditions", "match", "criteria"), "where"),
    **dict.fromkeys(("decay", "decays", "ttl", "expires", "fade", "halflife", "duration", "lifetime"), "half_life"),
    **dict.fromkeys(("max", "cap", "frequency", "rate", "max_per_day", "frequency_cap", "count", "times"), "limit"),
    **dict.fromkeys(("unique", "unique_by", "dedupe", "distinct_by"), "distinct"),
    **dict.fromkeys(("value", "weight_by", "multiplier"), "amount"),
    **dict.fromkeys(("points", "score", "weight", "worth"), "move it to `points` of the scorecard"),
}
_OF_SIGNALS: Final = {
    **dict.fromkeys(("half_life", "decay", "expires"), "move it to the signal, as `half_life`"),
    **dict.fromkeys(("limit", "frequency_cap"), "move it to the signal, as `limit`"),
}
WORTH_KEYS_ELSEWHERE: Final = {**_OF_SIGNALS, **dict.fromkeys(("cap", "maximum"), "max")}
CARD_KEYS_ELSEWHERE: Final = {
    **_OF_SIGNALS,
    **dict.fromkeys(("threshold", "thresholds", "mql", "sql", "levels", "status"), "stages"),
    **dict.fromkeys(("demographics", "demographic", "traits", "explicit", "profile", "firmographics"), "fit"),
    **dict.fromkeys(("negative", "penalties", "weights", "behavior", "behaviour", "engagement", "rules"), "points"),
}
FIT_KEYS_ELSEWHERE: Final = {
    **dict.fromkeys(("property", "field", "attribute", "name", "key", "column"), "trait"),
    **dict.fromkeys(("if", "is", "condition", "conditions", "match", "matches", "value", "equals", "in"), "when"),
    **dict.fromkeys(("score", "weight", "value_points", "add", "worth"), "points"),
    **{
        trait: f"trait: {trait}, when: …"
        for trait in ("title", "job_title", "industry", "country", "company", "email", "employees", "seniority", "role")
    },
}
STAGE_KEYS_ELSEWHERE: Final = {
    **dict.fromkeys(("at", "threshold", "min", "score", "from", "above", "minimum", "points", "entry"), "enter"),
    **dict.fromkeys(("exit", "below", "until", "drop"), "leave"),
    **dict.fromkeys(("requires", "require", "required", "conditions", "if"), "needs"),
    **dict.fromkeys(("block", "blocked", "blockers", "exclude", "unless", "blocks"), "blocked_by"),
    **dict.fromkeys(("alert", "notify", "publish", "send", "hand_off"), "handoff"),
    **dict.fromkeys(("wait", "pause", "throttle", "silence"), "cooldown"),
    **dict.fromkeys(("stage", "label", "id", "title"), "name"),
}
CATEGORY_KEYS_ELSEWHERE: Final = {
    **dict.fromkeys(("cap", "limit", "maximum"), "max"),
    **dict.fromkeys(("floor", "minimum"), "min"),
    **dict.fromkeys(("events", "members", "includes", "items"), "signals"),
}
_SENTENCE: Final = re.compile(
    r"([\w.]+)\s*(contains|starts with|ends with|matches|is not|is|equals|in|>=|<=|!=|==|=|>|<)\s*(.+)", re.IGNORECASE
)


def event_remedy(name: str) -> str:
    """What to write instead of an address, a pattern or a word for all in place of an event's name; empty otherwise."""
    if re.match(r"/\w|https?://", name) and "*" not in name:
        return f"write `page`, with `where: {{properties.url: {{contains: {spell(name)}}}}}`"
    if name.casefold() in ("any", "all", "every", "everything", "*", "any event", "all events"):
        return f"write `[{', '.join(CALL_TYPES)}]`, and the names of track calls"
    return "write a list of whole names: there are no wildcards" if "*" in name else ""


def where_remedy(node: Node) -> str:
    """How to write conditions that are no mapping."""
    if isinstance(node.value, list) and node.value:
        return "write `any:` with this list below it if one is enough, or `all:`"
    found = _SENTENCE.fullmatch(node.value[:1000]) if isinstance(node.value, str) else None
    if found is None:
        return "write a path and what it must be, such as `{properties.url: {contains: /pricing}}`"
    word = re.sub(r"\s", "_", found[2].casefold())
    operator = OPERATORS_ELSEWHERE.get(word, word)
    number = next(guess_number(found[3]), None) if re.fullmatch(r"[-+\d.,]+", found[3]) else None
    value = spell(found[3].strip("'\"") if number is None else number)
    return f"write `{{{found[1]}: {{{operator}: {f'[{value}]' if operator == 'in' else value}}}}}`"


def several_remedy(operator: str, node: Node) -> str:
    """How to write several texts for an operator that takes one."""
    items = node.value if isinstance(node.value, list) else []
    texts = [spell(str(item.value)) for item in items if not isinstance(item.value, list | dict)]
    if len(texts) == 1:
        return f"write `{texts[0]}`"
    return f"write `any: [{', '.join(f'{{{operator}: {text}}}' for text in texts)}]` in place of `{operator}`"


def between_remedy(operator: str, node: Node) -> str:
    """How to write ``between: [50, 200]``; empty for anything else."""
    bounds = [item.raw for item in node.value] if isinstance(node.value, list) else []
    if operator not in ("between", "range") or len(bounds) != 2:
        return ""
    return f"write `gte: {bounds[0]}, lte: {bounds[1]}`"


def range_remedy(node: Node) -> str:
    """The range that was probably meant."""
    items = node.value
    if isinstance(items, dict):
        texts = [value.raw for value in items.values()]
    elif isinstance(items, list):
        texts = [item.raw for item in items]
    else:
        texts = re.findall(r"(?:(?<=\d)-)?([-\u2212]?\d+(?:\.\d+)?)", node.raw or str(items or ""))
    numbers = sorted({number for text in texts for number in list(guess_number(text))[:1]})
    if len(numbers) == 1 and numbers[0] > 0:
        numbers = [0, *numbers]
    return f"write `[{spell(numbers[0])}, {spell(numbers[1])}]`" if len(numbers) == 2 else "write `[0, 100]`"

"""What to write instead of keys, operators and values as other tools have them."""

from __future__ import annotations

import re
from typing import Final

from streams.scoring.scorecard import CALL_TYPES
from streams.yamlfile.repairs import bounds_in, guess_number
from streams.yamlfile.source import spell
from streams.yamlfile.tree import Node

_EQUAL: Final = ("=", "==", "===", "is", "eq", "equal", "equal_to", "equals_to", "value", "exactly")
_NOT: Final = (
    "!=",
    "<>",
    "ne",
    "neq",
    "is_not",
    "isnt",
    "not_equal",
    "not_equals",
    "not_equal_to",
    "not_in",
    "nin",
    "none_of",
)
_ONE_OF: Final = ("one_of", "any_of", "oneof", "values")
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
    **dict.fromkeys((">", "greater_than", "greater", "more_than", "above", "over"), "gt"),
    **dict.fromkeys((">=", "=>", "ge", "at_least", "min", "from", "greater_than_or_equal", "minimum"), "gte"),
    **dict.fromkeys(("<", "less_than", "less", "below", "under"), "lt"),
    **dict.fromkeys(("<=", "=<", "le", "at_most", "max", "to", "less_than_or_equal", "maximum"), "lte"),
    **dict.fromkeys(("known", "set", "has_value", "present", "not_empty", "not_null"), "exists: true"),
    **dict.fromkeys(("unknown", "missing", "empty", "null", "not_set", "not_present"), "exists: false"),
    **dict.fromkeys(("not_contains", "does_not_contain", "doesnt_contain"), "none: {contains: …}"),
    **dict.fromkeys(("between", "range"), "gte: …, lte: …"),
    **dict.fromkeys(("exclude", "excludes", "except", "without"), "none: {contains: …}"),
    "domain": "suffix: '@…'",
    **dict.fromkeys(("domain_is", "host", "hostname", "host_is"), "contains"),
    "and": "all",
    "or": "any",
}
_MOVES: Final = {
    **dict.fromkeys(
        ("event", "where", "half_life", "window", "at_least", "limit", "distinct", "amount", "show"),
        "move it to the signal",
    ),
    **dict.fromkeys(("enter", "leave", "needs", "keep", "blocked_by", "cooldown", "handoff"), "move it to a stage"),
    **dict.fromkeys(("trait", "when", "times"), "move it to a line of `fit`"),
    **dict.fromkeys(
        ("fit", "fit_max", "range", "grades", "stages", "categories", "applies_to", "shadow", "target"),
        "move it to a scorecard",
    ),
    **dict.fromkeys(("until", "for"), "move it into `blocked_by` of a stage, beside `signal`"),
    **dict.fromkeys(("while", "default"), "move it into `half_life` of the signal"),
    "absent": "move it to the signal in `points`",
    **dict.fromkeys(("leadglow", "scorecards"), "move it to the top of the file"),
    "category": "move it to `categories` of a scorecard",
    "signals": "move it to the top of the file, beside `scorecards`",
}
"""A key in the wrong place, and the right one."""
STATES_KEYS_ELSEWHERE: Final = {
    **_MOVES,
    "else": "default",
    **dict.fromkeys(("when", "if", "states"), "while"),
}
BLOCK_KEYS_ELSEWHERE: Final = {
    **_MOVES,
    **dict.fromkeys(("event", "name"), "signal"),
    "unless": "until",
    **dict.fromkeys(("during", "duration", "within", "window"), "for"),
}
FILE_KEYS_ELSEWHERE: Final = {
    **_MOVES,
    "version": "leadglow",
    **dict.fromkeys(("events", "behaviors", "behaviours", "activities", "rules"), "signals"),
    **dict.fromkeys(("models", "cards", "scoring", "scores", "profiles"), "scorecards"),
    "points": "move it to a scorecard",
}
SIGNAL_KEYS_ELSEWHERE: Final = {
    **_MOVES,
    **dict.fromkeys(("type", "on", "trigger", "action", "event_name", "event_type", "name"), "event"),
    **dict.fromkeys(("if", "when", "filter", "filters", "condition", "conditions", "match", "criteria"), "where"),
    **dict.fromkeys(("decay", "decays", "ttl", "expires", "fade", "halflife", "duration", "lifetime"), "half_life"),
    **dict.fromkeys(("max", "max_points"), "move it to `points` of the scorecard"),
    **dict.fromkeys(("cap", "frequency", "rate", "max_per_day", "frequency_cap", "count", "times"), "limit"),
    **dict.fromkeys(("exclude", "unless", "except", "not", "where_not"), "where: {none: …}"),
    **dict.fromkeys(
        ("within", "since", "in_last", "lookback", "timeframe", "period", "last"),
        "window",
    ),
    **dict.fromkeys(("min_count", "min", "minimum"), "at_least"),
    **dict.fromkeys(("unique", "unique_by", "dedupe", "distinct_by"), "distinct"),
    **dict.fromkeys(("value", "weight_by", "multiplier"), "amount"),
    "while": "move it into `half_life`: `half_life: {default: $half_life, while: $while}`",
    "for": "window",
    **dict.fromkeys(("points", "score", "weight", "worth"), "move it to `points` of the scorecard"),
}
_OF_SIGNALS: Final = {
    **dict.fromkeys(("half_life", "decay", "expires"), "move it to the signal, as `half_life`"),
    **dict.fromkeys(("limit", "frequency_cap"), "move it to the signal, as `limit`"),
}
WORTH_KEYS_ELSEWHERE: Final = {
    **_MOVES,
    **_OF_SIGNALS,
    **dict.fromkeys(("cap", "maximum"), "max"),
    **dict.fromkeys(("per", "every", "period"), "move it to the signal, as `limit`"),
    **dict.fromkeys(("score", "value", "weight", "worth", "each"), "points"),
}
_POINTS_KEYS_ELSEWHERE: Final = {
    **_MOVES,
    **_OF_SIGNALS,
    **dict.fromkeys(
        ("label", "fit", "fit_max", "range", "grades", "stages", "categories"), "move it one level up, beside `points`"
    ),
    **dict.fromkeys(("event", "where", "half_life", "limit", "distinct", "amount"), "move it to `{}` in `signals`"),
    **dict.fromkeys(("leadglow", "signals", "scorecards"), "move it to the top of the file"),
    **dict.fromkeys(("max", "cap", "maximum"), "write `{}: {{points: {}, max: {}}}`"),
    "absent": "write `{}: {{points: {}, absent: {}}}`",
    "min": "move it to a category: a signal has no minimum",
}
"""Keys of other mappings among the points of signals."""
CARD_KEYS_ELSEWHERE: Final = {
    **_MOVES,
    **_OF_SIGNALS,
    **dict.fromkeys(("threshold", "thresholds", "mql", "sql", "levels", "status"), "stages"),
    **dict.fromkeys(("demographics", "demographic", "traits", "explicit", "profile", "firmographics"), "fit"),
    **dict.fromkeys(("negative", "penalties", "bonus", "positive"), "move its entries into `points`"),
    **dict.fromkeys(("weights", "behavior", "behaviour", "engagement", "rules"), "points"),
    **dict.fromkeys(("only_for", "applies", "audience", "segment", "where", "for", "if", "leads"), "applies_to"),
    **dict.fromkeys(("dry_run", "draft", "test", "silent", "inactive", "trial"), "shadow"),
    **dict.fromkeys(("goal", "quota", "capacity", "volume", "wanted"), "target"),
}
FIT_KEYS_ELSEWHERE: Final = {
    **_MOVES,
    **dict.fromkeys(("unless", "exclude", "except"), "when: {none: …}"),
    **dict.fromkeys(("half_life", "decay", "expires"), "remove it: points for traits do not fade"),
    **dict.fromkeys(("max", "cap"), "remove it: a line gives its points once"),
    **{
        word: f"when: {{{word}: …}}"
        for word in ("word", "contains", "prefix", "suffix", "glob", "not", "gte", "lte", "gt", "lt")
    },
    **dict.fromkeys(("property", "field", "attribute", "key", "column"), "trait"),
    **dict.fromkeys(("factor", "multiplier", "multiply", "multiply_by", "per"), "times"),
    **dict.fromkeys(
        ("if", "is", "where", "condition", "conditions", "match", "matches", "value", "equals", "in"), "when"
    ),
    **dict.fromkeys(("score", "weight", "value_points", "add", "worth", "then"), "points"),
    **{
        trait: f"trait: {trait}, when: …"
        for trait in ("title", "job_title", "industry", "country", "company", "email", "employees", "seniority", "role")
    },
}
JOINT_KEYS_ELSEWHERE: Final = {
    **FIT_KEYS_ELSEWHERE,
    **dict.fromkeys(("trait", "when"), "move it into `where`, as `TRAIT: CONDITION`"),
    "times": "move it to a line with `trait` alone",
}
PRODUCT_KEYS_ELSEWHERE: Final = {
    **FIT_KEYS_ELSEWHERE,
    "points": "remove it: the points are the number in the trait times `times`",
    **dict.fromkeys(("when", "where"), "remove it: every number in the trait gives points"),
    **dict.fromkeys(("cap", "maximum"), "max"),
    **dict.fromkeys(("floor", "minimum"), "min"),
}
NEED_KEYS_ELSEWHERE: Final = {
    **_MOVES,
    **dict.fromkeys(
        ("score", "total", "points", "enter", "threshold", "total_score", "min_score"),
        "move it to the stage, as `enter`",
    ),
    "leave": "move it to the stage",
    **dict.fromkeys(
        ("grade", "grades"),
        "remove it: write the number where the grade begins, as `enter` for a grade of the score, else as `fit` here",
    ),
}
KEEP_KEYS_ELSEWHERE: Final = {
    **NEED_KEYS_ELSEWHERE,
    "signals": "move it to `needs`: a stage needs signals only to enter",
}
STAGE_KEYS_ELSEWHERE: Final = {
    **_MOVES,
    "range": "enter: …, leave: …",
    **dict.fromkeys(("at", "threshold", "min", "score", "from", "above", "minimum", "points", "entry"), "enter"),
    **dict.fromkeys(("exit", "below", "until", "drop"), "leave"),
    **dict.fromkeys(("requires", "require", "required", "conditions", "if"), "needs"),
    **dict.fromkeys(("block", "blocked", "blockers", "exclude", "unless", "blocks"), "blocked_by"),
    **dict.fromkeys(("then", "action", "alert", "notify", "publish", "send", "hand_off"), "handoff"),
    **dict.fromkeys(("wait", "pause", "throttle", "silence"), "cooldown"),
    **dict.fromkeys(("stage", "id"), "name"),
    **dict.fromkeys(("title", "description"), "label"),
    **dict.fromkeys(("keeps", "stay", "stays", "hold", "retain", "while"), "keep"),
}
CATEGORY_KEYS_ELSEWHERE: Final = {
    **_MOVES,
    **dict.fromkeys(("cap", "limit", "maximum"), "max"),
    **dict.fromkeys(("floor", "minimum"), "min"),
    **dict.fromkeys(("weight", "points", "score", "multiplier"), "remove it: change the points of its signals"),
    **dict.fromkeys(("events", "members", "includes", "items"), "signals"),
}


def points_key_remedy(key: str, signal: str, points: str, value: str) -> str:
    """Where a key among the points of signals belongs, which follows these of a signal; empty if it is no such key."""
    return _POINTS_KEYS_ELSEWHERE.get(key, "").format(signal, points or "…", value or "…")


def event_remedy(name: str) -> str:
    """What to write instead of an address, a pattern or a word for all in place of an event's name; empty otherwise."""
    if re.match(r"/\w|https?://", name) and "*" not in name:
        return f"write `page`, with `where: {{properties.url: {{contains: {spell(name)}}}}}`"
    if re.fullmatch(r"[\w-]+(\.[\w-]+)*\.(com|io|org|net|de|co|eu|app|example|html?|php|aspx?|pdf)(/\S*)?", name):
        return f"write `page`, with `where: {{properties.url: {{contains: {spell(name)}}}}}`"
    if name.casefold() in ("any", "all", "every", "everything", "*", "any event", "all events"):
        return f"write `[{', '.join(CALL_TYPES)}]`, and the names of track calls"
    typed = re.fullmatch(rf"({'|'.join(CALL_TYPES)})\W+(/\S*|https?://\S+)", name)
    if typed:
        return f"write `{typed[1]}`, with `where: {{properties.url: {{contains: {spell(typed[2])}}}}}`"
    if call := re.fullmatch(r"track\W+(.+)", name):
        return f"write `{spell(call[1].rstrip(')'))}`"
    return "write a list of whole names: there are no wildcards" if "*" in name else ""


def without_wildcards(field: str, operator: str, text: str) -> str:
    """An operator for a text with wildcards at its ends, such as `*@acme.example`, and the text without them."""
    plain = text.strip("*%")
    ends = text[0] in "*%", text[-1] in "*%"
    kind = {(True, False): "suffix", (False, True): "prefix"}.get(ends, "contains")
    if operator not in ("equals", "in", "not", "like", "ilike"):
        kind = "contains" if operator == "contains_any" else operator
    if kind == "prefix" and field in ("url", "referrer") and "://" not in plain:
        kind = "contains"
    if kind == "prefix" and field == "path" and plain[:1].isalnum():
        plain = f"/{plain}"
    return f"none: {{{kind}: {spell(plain)}}}" if operator == "not" else f"{kind}: {spell(plain)}"


def several_remedy(operator: str, node: Node) -> str:
    """How to write several texts for an operator that takes one."""
    items = node.value if isinstance(node.value, list) else []
    texts = [spell(str(item.value)) for item in items if not isinstance(item.value, list | dict)]
    if len(texts) == 1:
        return f"write `{texts[0]}`"
    return f"write `any: [{', '.join(f'{{{operator}: {text}}}' for text in texts)}]` in place of `{operator}`"


def between_remedy(operator: str, node: Node) -> str:
    """How to write ``between: [50, 200]`` or ``gte: 50-200``; empty for anything else."""
    if operator.casefold().removeprefix("is_") not in ("between", "range", "gt", "gte", "lt", "lte"):
        return ""
    items = list(node.value.values()) if isinstance(node.value, dict) else node.value
    bounds = bounds_in(items) if isinstance(items, str) else None
    if isinstance(items, list) and len(items) == 2:
        low, high = (next(guess_number(item.raw), item.raw) for item in items)
        bounds = low, high
    return f"write `gte: {spell(bounds[0])}, lte: {spell(bounds[1])}`" if bounds else ""


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

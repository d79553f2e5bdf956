import json
import math
import random
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML
from ruamel.yaml.scanner import Scanner

from streams.scorefile import Mistake, YamlFileError, json_schema, load, load_file
from streams.scoring.conditions import OPERATORS
from streams.scoring.scorecard import FitLine, Group, Limit, Model, Points, Stage
from streams.scoring.scorecard import Test as Check
from streams.yamlfile import compose

ROOT = Path(__file__).parents[2]
DATA = ROOT / "tests" / "data" / "scorecards"
GOLDEN = (DATA / "golden.yaml").read_text()
EVERYTHING = (DATA / "everything.yaml").read_text()
DAY_MS = 86_400_000
HERE = "§"
"""Stands in a bad file just before the place that the mistake must name; it is taken out."""

HEAD = "leadglow: 1\nsignals:\n  visit: {event: page}\n  bye: {event: Bye, limit: 1/ever}\n"


def with_signal(signal: str) -> str:
    return f"leadglow: 1\nsignals:\n  visit: {signal}\nscorecards: {{main: {{points: {{visit: 1}}}}}}\n"


def with_where(where: str) -> str:
    return with_signal(f"{{event: page, where: {where}}}")


def with_card(card: str) -> str:
    return f"{HEAD}scorecards:\n  main: {{{card}}}\n"


def with_stage(stage: str, card: str = "points: {visit: 1}") -> str:
    return with_card(f"{card}, stages: [{{name: hot, {stage}}}]")


def only_scorecard(text: str) -> Any:
    (scorecard,) = load(text).scorecards
    return scorecard


def mistakes_of(text: str) -> YamlFileError:
    with pytest.raises(YamlFileError) as caught:
        load(text)
    return caught.value


def test_the_golden_signals_are_read() -> None:
    model = load(GOLDEN)
    signals = {signal.name: signal for signal in model.signals}
    assert list(signals)[:2] == ["page_view", "pricing_visit"]
    assert len(signals) == 12
    assert signals["page_view"].limit == Limit(5, "day")
    assert signals["pricing_visit"].where == Check("properties.url", "contains", "/pricing")
    assert signals["pricing_visit"].half_life_ms == 14 * DAY_MS
    assert signals["product_depth"].distinct == "properties.path"
    assert signals["download"].events == ("Whitepaper Downloaded", "Ebook Downloaded")
    assert signals["email_open"].where == Check("properties.automated", "not", (True,))
    assert signals["unsubscribe"].half_life_ms == math.inf
    assert re.fullmatch("[0-9a-f]{64}", model.version)


def test_the_golden_scorecard_is_read() -> None:
    card = only_scorecard(GOLDEN)
    assert (card.name, card.label, card.fit_max, card.minimum, card.maximum) == (
        *("default", "Whole company"),
        *(40, 0, 100),
    )
    assert card.points["product_depth"] == Points(3, 15)
    assert card.points["jobs_visit"] == Points(-10)
    assert [(c.name, c.minimum, c.maximum) for c in card.categories] == [
        ("intent", -math.inf, 70),
        ("attention", -math.inf, 50),
        ("friction", -40, math.inf),
    ]
    assert card.fit[2] == FitLine("employees", Check("employees", "gte", 200), 15)
    assert card.grades == (("A", 80), ("B", 60), ("C", 40), ("D", 20), ("E", 0))
    assert card.stages == (
        Stage("engaged", 30, 20),
        Stage("qualified", 70, 50, 10, 20, ("unsubscribe",), 7 * DAY_MS, True),
    )


def test_every_key_and_operator_is_read() -> None:
    model = load(EVERYTHING)
    visit, card = model.signals[0], model.scorecards[0]
    assert (visit.half_life_ms, visit.limit, visit.amount) == (
        1.5 * DAY_MS,
        Limit(1000, "hour"),
        "properties.value",
    )
    assert isinstance(visit.where, Group)
    url, path, some, none, _kind = visit.where.members
    assert url == Group(
        "all",
        (
            Check("properties.url", "contains", "/shop"),
            Check("properties.url", "not", ("/shop/jobs", "/shop/legal")),
            Check("properties.url", "exists", True),
        ),
    )
    assert isinstance(path, Group)
    assert [(path.kind, member.path) for member in path.members if isinstance(member, Check)] == [
        ("any", "properties.path")
    ] * 3
    assert isinstance(some, Group)
    assert some.members[0] == Check("properties.plan", "in", ("pro", 7, True))
    assert isinstance(none, Group)
    assert (none.kind, len(none.members)) == ("none", 2)
    large = Group("any", (Check("group.size", "gte", 200), Check("group.size", "in", ("large", "huge"))))
    assert card.fit == (FitLine("group.size", large, 5), FitLine("vip", Check("vip", "equals", True), 10))
    assert (card.minimum, card.maximum, card.stages[0].cooldown_ms) == (-10, 90, DAY_MS // 2)


@pytest.mark.parametrize("operator", ["equals", "contains", "prefix", "suffix", "word"])
def test_a_list_of_which_one_is_enough_is_read(operator: str) -> None:
    text = with_where(f"{{properties.path: {{{operator}: [/a, /b]}}}}")
    assert load(text).signals[0].where == Check("properties.path", operator, ("/a", "/b"))
    VALIDATOR.validate(plain(text))


@pytest.mark.parametrize(
    ("duration", "milliseconds"),
    [
        ("45s", 45e3),
        ("30m", 18e5),
        ("12h", 432e5),
        ("2w", 14 * DAY_MS),
        ("0.5d", DAY_MS / 2),
        ("never", math.inf),
    ],
)
def test_a_half_life_is_read(duration: str, milliseconds: float) -> None:
    assert load(with_signal(f"{{event: page, half_life: {duration}}}")).signals[0].half_life_ms == milliseconds


def test_omitted_fields_have_defaults() -> None:
    card = only_scorecard(with_card(""))
    assert (card.points, card.fit_max, card.minimum, card.maximum) == ({}, math.inf, 0, 100)
    assert load(with_card("")).signals[0].half_life_ms == math.inf


BAD = [
    # the file
    ("§", "nothing is not a scorecard file", "leadglow: 1"),
    ("§[a]", "a list is not a scorecard file", "mapping"),
    ("§signals: {a: {event: page}}\nscorecards: {m: {}}", "needs `leadglow`", "add `leadglow: 1`"),
    ("leadglow: §2\nsignals: {a: {event: page}}\nscorecards: {m: {}}", "`2` is not the version", "`1`"),
    ("leadglow: §true\nsignals: {a: {event: page}}\nscorecards: {m: {}}", "`true` is not the version", "`1`"),
    (HEAD + "§scorecard: {}\nscorecards: {m: {}}", "unknown key `scorecard`", "write `scorecards`"),
    (HEAD + "scorecards: §{}", "there are no names here", "`default: "),
    ("leadglow: 1\n  §signals: {}", "is indented further than line 1", "indent it by 0 spaces"),
    ("leadglow: 1\na: §[1, 2", "the bracket `[` that opens here is not closed", "`]`"),
    ("leadglow: 1\na: §\x07", "U+0007", "remove it"),
    (HEAD + "§---\na: 1", "a second document begins here", "remove `---`"),
    (HEAD + "scorecards: {m: {label: §2026-01-01}}", "`2026-01-01` is not a string, a number", "quotes"),
    (HEAD + "scorecards: {m: {label: §!!python/name:os.system x}}", "is not a string", "quotes"),
    (HEAD + "scorecards: {m: §!!python/object:x {}}", "the tag", "remove the tag"),
    (HEAD + "scorecards: {m: {fit_max: §.inf}}", "`.inf` is not a string, a number", "finite number"),
    (HEAD + "scorecards: {m: {}}\n§scorecards: {n: {}}", "duplicate of line 5", "keep one"),
    (HEAD + "scorecards: {m: {points: {visit: 1, §visit: 2}}}", "`visit` is a duplicate of line", "keep one"),
    (HEAD + 'scorecards: {m: {label: §"\\ud800"}}', "surrogate", "remove it"),
    # signals
    (with_signal("§{half_life: 14d}"), "a signal needs `event`", "add `event: Demo Requested`"),
    (with_signal("§page"), "`page` is not a signal", "write `{event: page}`"),
    (with_signal("{event: §track}"), "`track` is not a call type", "Demo Requested"),
    (with_signal("{event: §404}"), "`404` is not a call type", "write `'404'`"),
    (with_signal("{event: §[]}"), "the list is empty", "[Demo Requested]"),
    (with_signal("{event: page, §halflife: 14d}"), "unknown key `halflife`", "write `half_life`"),
    (with_signal("{event: page, §zzz: 14d}"), "unknown key `zzz`", "use one of `event`, `where`"),
    (with_signal("{event: page, half_life: §14}"), "`14` is not a duration", "`14d`"),
    (with_signal("{event: page, half_life: §14 days}"), "`14 days` is not a duration", "`14d`"),
    (
        with_signal("{event: page, half_life: §0d}"),
        "`0d` is not a duration above 0",
        "write `never` if it must not fade",
    ),
    (with_signal("{event: page, half_life: §-1d}"), "`-1d` is not a duration", "`1d`"),
    (with_signal("{event: page, half_life: §36501d}"), "`36501d` is not a duration", "`14d`"),
    (with_signal("{event: page, limit: §5}"), "`5` is not a limit", "`5/day`"),
    (with_signal("{event: page, limit: §0/day}"), "`0/day` is not a limit", "write how many events count"),
    (with_signal("{event: page, limit: §1001/day}"), "`1001/day` is not a limit", "`1000/day`"),
    (with_signal("{event: page, limit: §1/session}"), "`1/session` is not a limit", "write a period, as in `1/day`"),
    (with_signal("{event: page, distinct: §a..b}"), "`a..b` is not a path", "`a.b`"),
    (with_signal("{event: page, amount: §7}"), "`7` is a constant", "multiply the points"),
    (with_signal("{event: page, show: §a..b}"), "`a..b` is not a path", "`a.b`"),
    (with_signal("{event: page, show: [properties.title, §7]}"), "`7` is not a path", "properties.url"),
    (with_signal("{event: page, show: §[]}"), "the list is empty", "write `[properties.title]`"),
    (
        "leadglow: 1\nsignals: {§Visit: {event: page}}\nscorecards: {m: {}}",
        "`Visit` is not a name",
        "write `visit`",
    ),
    # conditions
    (with_where("§{}"), "a mapping is not a condition", "contains: /pricing"),
    (with_where("§x"), "`x` is not a condition", "contains: /pricing"),
    (with_where("{§.a: 1}"), "`.a` is not a path", "write `a`"),
    (with_where("{a: {§contain: x}}"), "unknown operator `contain`", "write `contains`"),
    (with_where("{a: {contains: §5}}"), "`5` is not a text", "write `'5'`"),
    (with_where("{a: {contains: §''}}"), "an empty text is not a text", "write a text, or remove this"),
    (with_where("{a: {contains_any: §x}}"), "`x` is not a list", "write `[x]`"),
    (with_where("{a: {in: [x, §[y]]}}"), "a list is inside a list", "inner brackets"),
    (with_where("{a: {in: §x}}"), "`x` is not a list of values", "write `[x]`"),
    (with_where("{a: §[x, y]}"), "a list is not one text", "write `{in: [x, y]}`"),
    (with_where("{a:§ }"), "nothing is not one text", "`{exists: false}`"),
    (with_where("{a: {not: §{b: 1}}}"), "a mapping is not one text", "`none:`"),
    (with_where("{a: {gt: §'5'}}"), "`5` is not a number", "take away the quotes: `5`"),
    (with_where("{a: {lte: §true}}"), "`true` is not a number", "`200`"),
    (with_where("{a: {exists: §1}}"), "`1` is not true or false", "`true`"),
    (with_where("{a: {matches: §'(x'}}"), "missing ): (x", "close it with `)`"),
    (with_where("{a: {matches: §'(?<=x)y'}}"), "is not a pattern: invalid", "RE2 cannot look"),
    (with_where("{a: {glob: §'[z-a]'}}"), "is not a pattern: invalid character class range", "in order"),
    (with_where("{any: §[]}"), "`any` has no conditions", "at least one"),
    (with_where("{a: {none: §x}}"), "`none` has no conditions", "at least one"),
    (with_where("{all: [{a: 1}, {b: {§cnotains: x}}]}"), "unknown operator", "write `contains`"),
    # scorecards
    (with_card("points: {§visits: 1}"), "unknown signal `visits`", "write `visit`"),
    (with_card("points: {visit: §ten}"), "`ten` is not a number", "`10`"),
    (with_card("points: {visit: §2000000000}"), "`2000000000` is not a number", "up to 1000000000"),
    (with_card("points: {visit: §{max: 3}}"), "needs `points`", "add `points: 10`"),
    (with_card("points: {visit: {points: 3, max: §-1}}"), "`-1` is not a number from 0", "`1`"),
    (with_card("points: §[visit]"), "a list is not a mapping of names", "`{visit: …}`"),
    (with_card("label: §7"), "`7` is not a text", "write `'7'`"),
    (with_card("categories: {§other: {signals: [visit]}}"), "and not `other`", "`intent`"),
    (with_card("categories: {c: {signals: [§vist]}}"), "unknown signal `vist`", "write `visit`"),
    (with_card("categories: {c: {signals: [visit]}, d: {signals: [§visit]}}"), "duplicate", "keep one"),
    (with_card("categories: {c: {signals: [visit], min: §5, max: 4}}"), "`min` 5 is above `max` 4", "swap"),
    (with_card("fit: [§{trait: a, points: 5}]"), "a line of fit needs `when`", "add `when: "),
    (with_card("fit: [{trait: a, when: {gte: §many}, points: 5}]"), "`many` is not a number", "200"),
    (with_card("fit: [{trait: a, when: {matches: §'['}, points: 5}]"), "missing ]", "close it with `]`"),
    (with_card("fit_max: §-1"), "`-1` is not a number from 0", "`1`"),
    (with_card("range: §[0]"), "a range is two numbers", "write `[0, 100]`"),
    (with_card("range: §[5, 5]"), "a range is two numbers", "write `[0, 5]`"),
    (with_card("range: [0, §x]"), "`x` is not a number", "`10`"),
    (with_card("grades: {§A: 101, B: 0}"), "`A` begins at 101, outside the range", "0 to 100"),
    (with_card("grades: {A: 0, §B: 0}"), "`A` and `B` both begin at 0", "own bound"),
    (with_card("grades: §{A: 50, B: 1}"), "scores just above 0 have no grade", "begin at 0"),
    (with_card("grades: §{}"), "there are no names here", "`A: 10`"),
    # stages
    (with_stage("enter: 30, leave: §30"), "`leave` 30 is not below `enter` 30", "below 30"),
    (with_stage("enter: §101, leave: 30"), "`enter` 101 is outside the range 0 to 100", "from 0 to 100"),
    (with_stage("enter: §-1, leave: -2"), "`enter` -1 is outside", "from 0 to 100"),
    (
        with_stage("enter: 30, leave: 3, needs: {fit: §1}"),
        "no lead reaches fit 1: the most is 0",
        "0 or less",
    ),
    (
        with_stage("enter: 30, leave: 3, needs: {engagemnt: 1}".replace("engag", "§engag")),
        "unknown",
        "write `eng",
    ),
    (with_stage("enter: 30, leave: 3, blocked_by: [§by]"), "unknown signal `by`", "write `bye`"),
    (with_stage("enter: 30, leave: 3, cooldown: §never"), "`never` is not a duration above 0", "`7d`"),
    (with_stage("enter: 30, leave: 3, handoff: §yes"), "`yes` is not true or false", "`true`"),
    (
        with_card("points: {visit: 1}, stages: [§{name: a, enter: 3}]"),
        "a stage needs `leave`",
        "add `leave: 50`",
    ),
    (
        with_stage("enter: 9, leave: 1}, {name: §hot, enter: 5, leave: 2"),
        "stage `hot` is a duplicate",
        "keep one",
    ),
    (
        with_stage("enter: §6, leave: 1", "points: {visit: {points: 1, max: 5}}"),
        "no score reaches 6",
        "5 or less",
    ),
    (with_stage("enter: §6, leave: 1", "points: {bye: 5}"), "no score reaches 6", "5 or less"),
    (
        with_stage("enter: §16, leave: 1", "points: {visit: 1}, categories: {c: {signals: [visit], max: 15}}"),
        "no score reaches 16: fit adds at most 0 and the signals at most 15",
        "15 or less",
    ),
    (
        with_stage("enter: §9, leave: 1", "fit: [{trait: a, when: 1, points: 20}], fit_max: 8"),
        "no score reaches 9: fit adds at most 8 and the signals at most 0",
        "8 or less",
    ),
    (
        with_stage("enter: 5, leave: 1, needs: {engagement: §6}", "points: {visit: {points: 9, max: 5}, bye: -9}"),
        "no lead reaches engagement 6: the most is 5",
        "5 or less",
    ),
]


@pytest.mark.parametrize(("marked", "message", "remedy"), BAD, ids=[f"{i}-{case[1]}" for i, case in enumerate(BAD)])
def test_a_mistake_is_reported_at_its_place_with_a_remedy(marked: str, message: str, remedy: str) -> None:
    before = marked[: marked.index(HERE)]
    place = (before.count("\n") + 1, len(before) - before.rfind("\n"))
    error = mistakes_of(marked.replace(HERE, ""))
    assert [(mistake.line, mistake.column) for mistake in error.mistakes] == [place], str(error)
    assert message in error.mistakes[0].message
    assert remedy in error.mistakes[0].remedy


def test_every_mistake_is_reported_at_once() -> None:
    with pytest.raises(YamlFileError) as caught:
        load_file(DATA / "mistakes.yaml")
    name = re.escape(str(DATA / "mistakes.yaml"))
    lines = str(caught.value).splitlines()
    assert [re.sub(f"^{name}:", "", line).split(" is ")[0].split(";")[0] for line in lines] == [
        "3:24: unknown key `half_live`",
        "3:47: `5/fortnight`",
        "4:57: `(a`",
        "4:76: `0d`",
        "7:14: unknown signal `visitt`",
        "7:34: `ten`",
        "8:18: `other`",
        "9:12: a range",
        "11:39: `leave` 40",
        "11:56: unknown signal `bye`",
    ]


def test_two_signals_whose_ids_collide_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.scoring.scorecard.crc32", lambda _bytes: 7)
    assert "same 32-bit id" in mistakes_of(with_card("")).mistakes[0].message


def test_aliases_may_be_used() -> None:
    text = "leadglow: 1\nsignals: {a: &a {event: page}, b: *a}\nscorecards: {m: {}}"
    assert [signal.events for signal in load(text).signals] == [("page",), ("page",)]


BOMB = "a0: &a0 [x]\n" + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 12))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (BOMB, "more than 40000 values"),
        ("a: &a [*a]", "nested too deeply"),
        ("[" * 5000, "nested too deeply"),
        ("#" * 1_000_001, "1000001 characters"),
    ],
    ids=["bomb", "cycle", "brackets", "large"],
)
def test_a_hostile_file_is_refused_soon(text: str, message: str) -> None:
    assert message in mistakes_of(text).mistakes[0].message


@pytest.mark.parametrize(
    "text",
    [
        "signals: {" + "a: b, " * 5_000,
        "".join(f"k{i}: [b, c]\n" for i in range(5_000)),
        "[]" * 10_000,
        "- {a: b}\n" * 5_000,
        "[&a a," + "*a," * 10_000,
    ],
    ids=["flow", "block", "closed", "list", "aliases"],
)
def test_a_large_hostile_file_is_read_only_up_to_the_limit(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    tokens = 0
    fetch = Scanner.fetch_more_tokens

    def counted(scanner: Scanner) -> None:
        nonlocal tokens
        tokens += 1
        fetch(scanner)

    monkeypatch.setattr(Scanner, "fetch_more_tokens", counted)
    monkeypatch.setattr(compose, "MAX_NODES", 1_000)
    assert mistakes_of(text).mistakes
    assert 0 < tokens < 6_000


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    latin, large = tmp_path / "latin.yaml", tmp_path / "large.yaml"
    latin.write_bytes(b"leadglow: 1\nlabel: caf\xe9")
    large.write_bytes(b"#" * 1_000_001)
    for path, expected in [
        (tmp_path / "none.yaml", "1:1: the file cannot be read: No such file"),
        (tmp_path, "1:1: the file cannot be read: Is a directory"),
        (latin, "2:11: the file is not UTF-8"),
        (large, "1:1: the file is too large"),
    ]:
        with pytest.raises(YamlFileError, match=re.escape(f"{path}:{expected}")):
            load_file(path)


def test_a_byte_order_mark_is_no_mistake(tmp_path: Path) -> None:
    path = tmp_path / "bom.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + GOLDEN.encode())
    assert load_file(path) == load(GOLDEN)


def plain(text: str) -> Any:
    return YAML(typ="safe", pure=True).load(text)


def shuffled(value: Any, seed: int) -> Any:
    if isinstance(value, dict):
        items = [(key, shuffled(item, seed)) for key, item in value.items()]
        random.Random(seed).shuffle(items)
        return dict(items)
    return [shuffled(item, seed) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize("text", [GOLDEN, EVERYTHING], ids=["golden", "everything"])
@given(seed=st.integers(0, 1000))
@settings(deadline=None, max_examples=20)
def test_comments_spelling_and_the_order_of_keys_do_not_change_the_version(text: str, seed: int) -> None:
    assert load(json.dumps(shuffled(plain(text), seed))).version == load(text).version


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("half_life: 14d", "half_life: 2w"),
        ("half_life: 14d", "half_life: 336h"),
        ("pricing_visit: 10", "pricing_visit: {points: 10.0}"),
        ("{gte: 200}", "{all: [{gte: 200.0}]}"),
        ("signals:\n", "# What happens.\nsignals:   # and how fast it fades\n"),
        ("{not: true}", "{not: [true]}"),
        ("[alternative, vs, price]", "[price, alternative, vs]"),
        ("[jobs_visit, unsubscribe]", "[unsubscribe, jobs_visit]"),
        ("    range: [0, 100]\n", ""),
    ],
)
def test_another_spelling_keeps_the_version(old: str, new: str) -> None:
    assert old in GOLDEN
    assert load(GOLDEN.replace(old, new, 1)).version == load(GOLDEN).version


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("half_life: 7d", "half_life: 8d"),
        ("pricing_visit: 10", "pricing_visit: 11"),
        ("contains: /pricing", "contains: /prices"),
        ("fit_max: 40", "fit_max: 41"),
        ("label: Whole company", "label: All"),
        ("{A: 80, B: 60", "{B: 80, A: 60"),
        ("handoff: true", "handoff: false"),
        ("default:", "main:"),
    ],
)
def test_another_meaning_changes_the_version(old: str, new: str) -> None:
    assert old in GOLDEN
    assert load(GOLDEN.replace(old, new)).version != load(GOLDEN).version


@pytest.mark.parametrize("part", ["fit", "stages"])
def test_the_order_of_fit_lines_and_stages_changes_the_version(part: str) -> None:
    changed = plain(GOLDEN)
    changed["scorecards"]["default"][part].reverse()
    assert load(json.dumps(changed)).version != load(GOLDEN).version


def loads_or_is_refused(text: str) -> None:
    found: list[Mistake] = []
    try:
        assert isinstance(load(text), Model)
    except YamlFileError as error:
        found = error.mistakes
    lines = len(text.splitlines()) + 1
    assert all(1 <= mistake.line <= lines and mistake.remedy for mistake in found)


@given(st.text(st.characters()) | st.text("{}[]&*!|>%@`'\"#:,-?~<=\n\t\r a1.", max_size=40))
@settings(deadline=None, max_examples=300)
def test_any_text_is_loaded_or_refused(text: str) -> None:
    loads_or_is_refused(text)


@given(
    st.sampled_from([GOLDEN, EVERYTHING]),
    st.floats(0, 1),
    st.integers(0, 12),
    st.text("{}[]&*!|>%'\"#:,-?~\n\t a1.0", max_size=6),
)
@settings(deadline=None, max_examples=100)
def test_any_edit_of_a_good_file_is_loaded_or_refused(base: str, where: float, cut: int, put: str) -> None:
    at = int(where * len(base))
    loads_or_is_refused(base[:at] + put + base[at + cut :])


ODD: st.SearchStrategy[Any] = st.sampled_from(
    [None, True, 0, -1, 1e300, 10**30, "", "x", "1d", "page", [], {}, [[]], [None], {"": 1}, {"a": {}}]
)


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) in a document."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place for key, item in list(pairs) for place in ((value, key), *places(item))]


@given(
    st.sampled_from([GOLDEN, EVERYTHING]),
    st.lists(st.tuples(st.integers(0, 10_000), ODD), min_size=1, max_size=4),
)
@settings(deadline=None, max_examples=60)
def test_any_odd_value_anywhere_is_loaded_or_refused(base: str, changes: list[tuple[int, Any]]) -> None:
    document = plain(base)
    for number, odd in changes:
        everywhere = places(document)
        container, key = everywhere[number % len(everywhere)]
        container[key] = json.loads(json.dumps(odd))
    loads_or_is_refused(json.dumps(document))


VALIDATOR = jsonschema.Draft202012Validator(json_schema())


def test_the_schema_is_a_schema_and_takes_good_files() -> None:
    jsonschema.Draft202012Validator.check_schema(json_schema())
    VALIDATOR.validate(plain(GOLDEN))
    VALIDATOR.validate(plain(EVERYTHING))


SHAPES = [
    with_signal("{event: page, halflife: 14d}"),
    with_signal("{event: track}"),
    with_signal("{half_life: 14d}"),
    with_signal("{event: page, half_life: 14}"),
    with_signal("{event: page, limit: 1/session}"),
    with_where("{}"),
    with_where("{a..b: 1}"),
    with_where("{a: {contain: x}}"),
    with_where("{a: {contains: 5}}"),
    with_where("{any: []}"),
    with_where("{a: {any: x}}"),
    with_card("points: {visit: {max: 3}}"),
    with_card("categories: {other: {signals: [visit]}}"),
    with_card("range: [0]"),
    with_card("stages: [{name: a, enter: 3}]"),
]


@pytest.mark.parametrize("text", SHAPES)
def test_the_schema_refuses_a_wrong_shape_as_the_loader_does(text: str) -> None:
    assert mistakes_of(text)
    assert not VALIDATOR.is_valid(plain(text))


def test_the_file_takes_exactly_the_operators_that_can_be_evaluated() -> None:
    assert set(json_schema()["$defs"]["operators"]["properties"]) - {"all", "any", "none"} == set(OPERATORS)

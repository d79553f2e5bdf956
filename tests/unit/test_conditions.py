import math
from typing import Any

import pytest
import re2
from hypothesis import given
from hypothesis import strategies as st

from streams.scoring.conditions import OPERATORS, PatternError, compile_condition, paths
from streams.scoring.scorecard import EVERYTHING, Condition, Group
from streams.scoring.scorecard import Test as Check

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters())
JSON = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3))


def holds(operator: str, operand: Any, value: Any) -> bool:
    return compile_condition(Check("p", operator, operand), {"other": 0, "p": 1})(("unrelated", value))


@pytest.mark.parametrize(
    ("operator", "operand", "value"),
    [
        ("equals", "Retail", "rETAIL"),
        ("equals", 450, 450.0),
        ("equals", True, True),
        ("equals", "b", ["a", "B"]),
        ("not", "retail", "wholesale"),
        ("not", True, False),
        ("not", True, 1),
        ("not", (True, "true"), None),
        ("not", ("a", "b"), ["c", "d"]),
        ("in", ("A", 7, True), "a"),
        ("in", ("A", 7, True), 7.0),
        ("in", ("A", 7), ["z", 7]),
        ("contains", "/Pricing", "https://acme.example/pricing?x=1"),
        ("contains", "straße", "HAUPTSTRASSE"),
        ("contains", "b", [1, "abc"]),
        ("contains_any", ("vs", "price"), "Best PRICE"),
        ("prefix", "/product/", "/Product/1"),
        ("suffix", ".PDF", "/a.pdf"),
        ("glob", "/b/*/c?", "/B/anything/at/all\n/cd"),
        ("glob", "[!x-z]1", "a1"),
        ("glob", "[]]", "]"),
        ("glob", "a[", "A["),
        ("matches", r"(?i)\bcto\b", "Our CTO, Ana"),
        ("matches", "^é+$", "éé"),
        ("gt", 200, "450"),
        ("gt", 200, 200.5),
        ("gte", 200, 200),
        ("lt", 0, "-1.5"),
        ("lte", 5, [9, "4"]),
        ("equals", 450, "450"),
        ("equals", 450, " +450.0 "),
        ("equals", "450", 450),
        ("equals", "0.1", 0.1),
        ("equals", ("x", "b"), "B"),
        ("not", 450, "451"),
        ("in", (1, 2), ["x", "2"]),
        ("contains", "4", 450),
        ("contains", ("x", "vip"), ["Very", "VIP customer"]),
        ("prefix", "01", "0167"),
        ("prefix", ("10", "11"), 1067),
        ("suffix", ("@gmail.com", "@hotmail.com"), "Ana@Hotmail.com"),
        ("suffix", ".5", 2.5),
        ("matches", r"^45\d$", 450.0),
        ("glob", "1?67", 1067),
        ("gt", 200, " 450 "),
        ("word", "ceo", "Founder & CEO"),
        ("word", ("cto", "head of"), "Global Head of Sales"),
        ("word", "étudiant", "E\u0301tudiant en droit"),
        ("word", "c3po", "r2d2-C3PO_x"),
        ("word", "450", 450),
        ("equals", "müller", "MU\u0308LLER"),
        ("contains", "ﬁn", "Oﬃce of FINANCE"),
        ("equals", "ss", "ß"),
        ("exists", True, False),
        ("exists", True, []),
        ("exists", False, None),
    ],
)
def test_a_condition_holds(operator: str, operand: Any, value: Any) -> None:
    assert holds(operator, operand, value) is True


@pytest.mark.parametrize(
    ("operator", "operand", "value"),
    [
        ("equals", 450, "4_50"),
        ("equals", 450, "٤٥٠"),
        ("equals", 1000000000, "1e9"),
        ("equals", 1, True),
        ("equals", True, 1),
        ("equals", True, "true"),
        ("equals", "a", {"a": 1}),
        ("not", "retail", "RETAIL"),
        ("not", ("a", "b"), ["c", "B"]),
        ("in", ("a",), "ab"),
        ("in", (1,), True),
        ("contains", "t", True),
        ("contains_any", ("x", "y"), "abc"),
        ("word", "ceo", "ceos"),
        ("word", "head of", "head and of"),
        ("word", "!!", "!!"),
        ("word", "क", "हिक्की"),
        ("prefix", "/a", "b/a"),
        ("suffix", "a", "ab"),
        ("glob", "/b/*", "x/b/y"),
        ("glob", "a.c", "abc"),
        ("glob", "[x-z]", "a"),
        ("matches", "cto", "CTO"),
        ("gt", 200, 200),
        ("gt", 200, True),
        ("gt", 0, "many"),
        ("gt", 0, "1_000"),
        ("gt", 0, "inf"),
        ("gt", 0, "1e9"),
        ("gt", 0, "١٢"),
        ("gt", 0, "."),
        ("lt", 0, math.nan),
        ("exists", True, None),
        ("exists", False, 0),
    ],
)
def test_a_condition_does_not_hold(operator: str, operand: Any, value: Any) -> None:
    assert holds(operator, operand, value) is False


OPERANDS: dict[str, Any] = {
    **dict.fromkeys(("equals", "contains", "prefix", "suffix", "glob", "matches", "word"), "a"),
    **dict.fromkeys(("not", "in", "contains_any"), ("a", "b")),
    **dict.fromkeys(("gt", "gte", "lt", "lte"), 0),
    "exists": True,
}


@pytest.mark.parametrize("operator", OPERATORS)
def test_a_missing_value_fails_every_operator_but_not(operator: str) -> None:
    assert holds(operator, OPERANDS[operator], None) is (operator == "not")


@pytest.mark.parametrize("operator", OPERATORS)
@given(value=JSON)
def test_no_value_makes_a_condition_raise(operator: str, value: Any) -> None:
    assert holds(operator, OPERANDS[operator], value) in {True, False}


YES, NO = Check("p", "equals", 1), Check("p", "equals", 2)


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (EVERYTHING, True),
        (Group("any", ()), False),
        (Group("none", ()), True),
        (Group("all", (YES, YES)), True),
        (Group("all", (YES, NO)), False),
        (Group("any", (NO, YES)), True),
        (Group("any", (NO, NO)), False),
        (Group("none", (NO, NO)), True),
        (Group("none", (NO, YES)), False),
        (Group("none", (Group("all", (YES, NO)), Group("any", (NO,)))), True),
    ],
)
def test_groups_nest(condition: Condition, expected: bool) -> None:
    assert compile_condition(condition, {"p": 0})((1,)) is expected


def test_the_paths_of_a_condition_are_those_of_all_its_tests() -> None:
    nested = Group("any", (Check("a", "equals", 1), Group("none", (Check("b.c", "gt", 1), Check("a", "lt", 0)))))
    assert paths(nested) == {"a", "b.c"}
    assert paths(EVERYTHING) == set()


@pytest.mark.parametrize(("operator", "pattern"), [("matches", "(a"), ("matches", r"(?=x)"), ("glob", "[z-a]")])
def test_a_bad_pattern_is_refused_when_it_is_compiled(operator: str, pattern: str) -> None:
    with pytest.raises(PatternError, match=r"missing|invalid"):
        compile_condition(Check("p", operator, pattern), {"p": 0})


@given(
    pattern=st.text("ab.*+?|()[]^$\\w", max_size=8),
    text=st.text("abcé\n ", max_size=12),
)
def test_matches_agrees_with_a_plain_search(pattern: str, text: str) -> None:
    try:
        found = holds("matches", pattern, text)
    except PatternError:
        return
    assert found is (re2.search(pattern, text) is not None)


@given(st.text(st.characters(codec="utf-8"), max_size=20))
def test_a_glob_without_wildcards_matches_itself_only(text: str) -> None:
    literal = "".join(f"[{char}]" if char in "*?[" else char for char in text)
    assert holds("glob", literal, text)
    assert not holds("glob", literal, text + "x")

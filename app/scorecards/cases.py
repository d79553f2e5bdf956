"""Reads a cases file, which tests a scorecard file: what leads do, and what must be true then."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from app.scorecards.calls import Sent
from app.scorecards.cases_checks import check_cases
from app.scorecards.cases_grammar import FILE, Timed
from app.scorecards.numbers import Wanted
from app.scorecards.times import START_MS
from streams.scoring.scorecard import Model
from streams.yamlfile.kinds import Struct
from streams.yamlfile.load import Format, Reading


@dataclass(frozen=True, slots=True)
class Expectation:
    """What must be true at an instant; None where nothing is expected."""

    when: str
    line: int
    at_ms: int
    scorecard: str
    numbers: dict[str, Wanted] = field(default_factory=dict)
    """Of score, fit and engagement."""
    grade: str | None = None
    stage: str | None = None
    """``none`` for no stage."""
    alerts: tuple[str, ...] | None = None
    """As ``entered qualified``."""
    parts: dict[str, Wanted] = field(default_factory=dict)
    categories: dict[str, Wanted] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Case:
    """What one lead does, and what must be true at some instants, both in the order of time."""

    name: str
    line: int
    events: tuple[Sent, ...]
    """In the order of arrival."""
    expect: tuple[Expectation, ...]


CASES_ENDING = ".tests.yaml"


def cases_file(scorecards: Path) -> Path:
    """The file beside a scorecard file that has its cases: `scorecards.tests.yaml` for `scorecards.yaml`."""
    return scorecards.with_name(scorecards.stem + CASES_ENDING)


def read_cases(path: Path | str, model: Model) -> Reading[tuple[Case, ...]]:
    """Read the cases of a scorecard file, with warnings.

    Raises:
        YamlFileError: the file cannot be read, or has mistakes; the error lists all of them.
    """
    return _format(model).read_file(path)


def parse_cases(text: str, model: Model, name: str = "cases.yaml") -> Reading[tuple[Case, ...]]:
    """Parse the text of a cases file.

    Raises:
        YamlFileError: it has mistakes.
    """
    return _format(model).parse_text(text, name)


def _format(model: Model) -> Format[tuple[Case, ...]]:
    return Format(FILE, partial(_build, model), partial(check_cases, model))


def _build(model: Model, file: Struct) -> tuple[Case, ...]:
    return tuple(_case(struct, model, file.get("start", START_MS)) for struct in file.values["cases"])


def _case(struct: Struct, model: Model, start_ms: int) -> Case:
    card = struct.values["scorecard"].value if "scorecard" in struct.values else model.scorecards[0].name
    events, at_ms = list[Sent](), start_ms
    for entry in struct.get("events", ()):
        at_ms = entry.when.at_ms(start_ms, at_ms)
        events += _sent(entry, start_ms, at_ms)
    last_ms = max((sent.at_ms for sent in events), default=start_ms)
    expect = [_expectation(entry, card, entry.when.at_ms(start_ms, last_ms)) for entry in struct.values["expect"]]
    if "traits" in struct.values:
        first_ms = min([sent.at_ms for sent in events] + [each.at_ms for each in expect])
        events.insert(0, Sent(first_ms, first_ms, "", traits=struct.values["traits"].value))
    name = struct.values["name"]
    in_order = tuple(sorted(events, key=lambda sent: sent.arrival_ms))
    return Case(name.value, name.node.line, in_order, tuple(sorted(expect, key=lambda each: each.at_ms)))


def _sent(entry: Timed, start_ms: int, at_ms: int) -> Iterator[Sent]:
    fields: Struct = entry.value
    arrives = fields.get("arrives")
    arrival_ms = at_ms if arrives is None else max(arrives.at_ms(start_ms, at_ms), at_ms)

    def value(name: str, default: Any) -> Any:
        return fields.values[name].value if name in fields.values else default

    for _ in range(fields.get("times", 1)):
        yield Sent(
            at_ms, arrival_ms, value("event", ""), value("properties", {}), value("traits", {}), value("context", {}),
            fields.get("id", ""),
        )  # fmt: skip


def _expectation(entry: Timed, card: str, at_ms: int) -> Expectation:
    fields: Struct = entry.value
    names = {name: fields.values[name].value for name in ("scorecard", "grade", "stage") if name in fields.values}
    alerts = fields.get("alerts")
    return Expectation(
        when=entry.when.text,
        line=entry.key.line,
        at_ms=at_ms,
        scorecard=names.pop("scorecard", card),
        numbers={name: fields.values[name] for name in ("score", "fit", "engagement") if name in fields.values},
        alerts=None if alerts is None else tuple(_alert(item.value) for item in alerts),
        parts={name: item.value for name, item in fields.get("parts", {}).items()},
        categories={name: item.value for name, item in fields.get("categories", {}).items()},
        **names,
    )


def _alert(text: str) -> str:
    return text if " " in text else f"entered {text}"

"""Mistakes as people make them: each is reported at its own line and column, with the remedy for this very text."""

import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from time import process_time

import pytest

from app.collector import vocabulary
from streams.scorefile import YamlFileError, load, read_file
from streams.scorefile.vocabulary import MAIL_EVENTS
from tests.unit.test_scorefile import DATA, GOLDEN, ROOT, with_signal, with_where

HEAD = "leadglow: 1\n"


def with_card(card: str) -> str:
    signals = "signals:\n  visit: {event: page}\n  bye: {event: Bye, half_life: never}\n"
    return f"{HEAD}{signals}scorecards:\n  main: {{{card}}}\n"


def with_fit(line: str) -> str:
    return with_card(f"points: {{visit: 1}}, fit: [{line}]")


def with_stage(stage: str) -> str:
    return with_card(f"points: {{visit: 1}}, stages: [{stage}]")


def read_broken(name: str) -> Iterator[tuple[str, list[str]]]:
    """The scorecard files in a file such as ``broken.txt``, each with the lines that it gets."""
    return split_broken((DATA / name).read_text())


def split_broken(whole: str) -> Iterator[tuple[str, list[str]]]:
    """The files in a text, each after a line `#### NUMBER`, with the lines that it gets after `#> `."""
    _, *blocks = re.split(r"^#### \d+\n", whole, flags=re.M)
    for block in blocks:
        lines = block.splitlines(keepends=True)
        text = "".join(line for line in lines if not line.startswith("#> "))
        yield text, [line[3:].rstrip("\n") for line in lines if line.startswith("#> ")]


BROKEN = list(read_broken("broken.txt"))


def messages_of(text: str, path: Path) -> list[str]:
    path.write_text(text)
    try:
        lines = read_file(path).warnings
    except YamlFileError as error:
        lines = (*str(error).splitlines(), *error.warnings)
    return [line.removeprefix(f"{path}:") for line in lines]


@pytest.mark.parametrize(
    ("text", "expected"), BROKEN, ids=[f"{number}-{lines[0][:50]}" for number, (_, lines) in enumerate(BROKEN, 1)]
)
def test_a_natural_mistake_is_reported_at_its_place_with_its_own_remedy(
    text: str, expected: list[str], tmp_path: Path
) -> None:
    assert messages_of(text, tmp_path / "card.yaml") == expected


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        (
            "card.tests.yaml",
            f"{HEAD}cases: []\n",
            "has cases, which test a scorecard file; name the file `{}`",
        ),
        ("README.md", "# Title\n\n```yaml\nsignals: {}\n```\n", "is a page of text in Markdown, and no scorecard file"),
        ("leads.csv", "a,b\n", "is a table, and no scorecard file; name a file that begins with `leadglow: 1`"),
    ],
)
def test_a_file_of_another_kind_is_named_in_one_message(name: str, text: str, said: str, tmp_path: Path) -> None:
    (message,) = messages_of(text, tmp_path / name)
    assert said.format(tmp_path / "card.yaml") in message


def test_the_table_has_many_mistakes() -> None:
    assert len(BROKEN) > 120


def rows_of(page: Path, title: str) -> list[tuple[str, str]]:
    """What the rows of a table show as written, and what to write."""
    section = page.read_text().split(f"## {title}\n")[1].partition("\n## ")[0]
    rows = [line.replace("\\|", "\0").split(" | ") for line in section.splitlines() if line.startswith("| `")]
    return [(row[0].strip("| `").replace("\0", "|"), row[2].strip("| `").replace("\0", "|")) for row in rows]


def in_place(written: str) -> str:
    """A whole file around a part of one."""
    key = written.partition(":")[0]
    if key == "when":
        return with_fit(f"{{trait: title, {written}, points: 5}}")
    if key == "trait":
        return with_fit(f"{{{written}, when: CTO, points: 5}}")
    if key in ("blocked_by", "cooldown"):
        stage = f"{{name: hot, enter: 5, leave: 4, {written}}}"
        return with_stage(stage).replace("{event: page}", "{event: page, half_life: 14d}")
    return with_signal(f"{{{written}}}" if key == "event" else f"{{event: page, {written}}}")


@pytest.mark.parametrize(
    ("title", "mark"),
    [("Warnings", ": warning: "), ("Mistakes that YAML does not see", "")],
    ids=["warnings", "mistakes"],
)
def test_the_guide_shows_the_output_of_the_check(title: str, mark: str, tmp_path: Path) -> None:
    rows = rows_of(ROOT / "docs" / "scorecard-checks.md", title)
    assert len(rows) > 6
    for written, remedy in rows:
        lines = messages_of(in_place(written), tmp_path / "card.yaml")
        assert lines, written
        assert mark in lines[-1], written
        assert remedy in lines[-1].partition("; ")[2], written


FINE = [
    GOLDEN,
    (DATA / "plain.yaml").read_text(),
    with_where("{properties.q: {matches: '^ceo$|^cto$'}}"),
    with_where(r"{properties.q: {matches: '(?i)\b(ceo|cto)\b.*(\(x\)|[a-z^$]+)?$'}}"),
    with_where("{properties.q: {matches: '(?m)^a$.^b$'}}"),
    with_where("{properties.plan: {any: [{equals: pro}, {equals: team}], not: free}}"),
    with_where("{properties.n: {gte: 5, lte: 5}, properties.tags: vip, context.userAgent: {contains: x}}"),
    with_where("{properties.title: 'Pricing | Acme', properties.name: L\u2019Or\u00e9al, properties.size: 51-200}"),
    with_where("{properties.url: {contains: [/a, /b]}, properties.path: {suffix: [.pdf, .zip], prefix: [/de, /en]}}"),
    with_where("{properties.name: 'Demo #1', properties.size: 15\" screen, properties.q: 'Caf\u00e9 \u03b1'}"),
    with_fit("{trait: country, when: {in: [SE, NO, DK]}, points: 5}"),
    with_fit("{trait: size, when: {in: [51-200, 1000+]}, points: 5}"),
    with_signal("{event: page, where: {properties.slot: 08:30}, # half past eight\n    half_life: 14d}"),
    with_signal("{event: [Email Opened, email_opened, Cart Seen], where: {type: track}}"),
    with_fit("{trait: group.size, when: {in: [450, 1.5, '01067', 'NO', no]}, points: +10}"),
    with_stage("{name: hot, enter: 50, leave: 40, blocked_by: [bye]}"),
]


@pytest.mark.parametrize("text", FINE)
def test_valid_text_gets_no_message(text: str, tmp_path: Path) -> None:
    assert messages_of(text, tmp_path / "card.yaml") == []


def test_the_mail_events_are_those_of_the_collector() -> None:
    assert set(MAIL_EVENTS) == vocabulary.MAIL_EVENTS


@pytest.mark.parametrize(
    "text",
    [
        with_card(f"points: {'a' * 100_000}"),
        with_where(f"{{properties.url: {{contains: 'a{' ' * 100_000}b'}}}}"),
        with_where(f"{{properties.url: 'a{' ' * 100_000}b'}}"),
        with_where(f"{{properties.url: {'a' * 100_000}}}"),
        with_where(f"{{properties.seconds: {{gte: '1{' ' * 100_000}b'}}}}"),
    ],
)
def test_a_very_long_text_is_checked_at_once(text: str) -> None:
    began_s = process_time()
    with suppress(YamlFileError):
        load(text)
    assert process_time() - began_s < 10

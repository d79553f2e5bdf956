"""The documentation names what exists, and all of what it claims to list."""

import math
import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import parse_qsl, urlsplit

import pytest

from app.board.access_file import ACCESS_FORMAT
from app.board.costs import COSTS_FORMAT
from app.board.openapi import openapi_document
from app.cli.metrics_reference import stored_names
from app.cli.reference import commands_page
from app.cli.root import COMMANDS
from app.collector import keyring, links, vocabulary
from app.collector.inbound import Inbound
from app.collector.webhooks import REQUIRED, SERVICES, unsubscribe
from app.notify.destinations import KINDS
from app.notify.routes_file import routes_format
from app.settings import Settings, variable
from docs.generate import GENERATED
from streams.environment import Environment
from streams.events.rejects import REASONS
from streams.exits import Exit
from streams.metrics import Metrics
from streams.scorefile import load_file
from streams.scoring.rules import Rules
from streams.shard.shard import Shard
from streams.store.memory import MemoryStore
from streams.transport.topics import Partitioner, Topics
from streams.yamlfile.load import YamlFileError

ROOT = Path(__file__).parents[2]
README, DESIGN, COLLECTOR = ROOT / "README.md", ROOT / "docs/design.md", ROOT / "docs/collector.md"
BOARD, START, FAULTS = ROOT / "docs/board.md", ROOT / "docs/start.md", ROOT / "docs/faults.md"
SECURITY = ROOT / "docs/security.md"
PAGES = [README, ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
TEXT = {page: page.read_text() for page in PAGES}
NO_METRICS = {
    "leadglow_keys",
    "leadglow_access",
    "leadglow_costs",
    "leadglow_routes",
    "leadglow_score",
    "leadglow_stage",
    "leadglow_change",
}
"""Of files, they say the version."""
NO_SETTINGS = {"LEADGLOW_ACCELERATOR", "LEADGLOW_SETTINGS", "LEADGLOW_TEST_KAFKA", "LEADGLOW_TEST_REDIS"}
FOLDERS = ("streams/", "app/", "tests/", "docs/", "deploy/")
DAY_MS = 86_400_000


def code(text: str) -> Iterator[str]:
    """Every code span, and every line of a code block."""
    for block in re.findall(r"```\w*\n(.*?)```", text, re.S):
        yield from block.splitlines()
    yield from re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.S))


def section(page: Path, title: str) -> str:
    """What stands under a heading of the second level."""
    found = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", TEXT[page], re.M | re.S)
    assert found, f"{page.name} has no section {title}"
    return found[1]


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    titles = re.findall(r"^#+ (.+)$", re.sub(r"```.*?```", "", page.read_text(), flags=re.S), re.M)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def first_column(table: str) -> list[str]:
    """The first cell of every row, without the head and the line below it."""
    return re.findall(r"^\| `?([^|`]+?)`? \|", table, re.M)[2:]


def fenced(text: str, language: str) -> str:
    """The first code block in a language."""
    found = re.search(rf"```{language}\n(.*?)```", text, re.S)
    assert found, f"no {language} block"
    return found[1]


# Links and names ----------------------------------------------------------------------------------------------


def test_every_link_leads_to_a_file_and_a_heading() -> None:
    links = [(page, link) for page in PAGES for link in re.findall(r"\]\((?!https?:)([^)\s]+)\)", TEXT[page])]

    broken = []
    for page, link in links:
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        if not target.is_file() or (anchor and anchor not in anchors(target)):
            broken.append(f"{page.name}: {link}")
    assert len(links) > 10
    assert broken == []


def test_every_path_in_the_text_exists() -> None:
    paths = {(page.name, span) for page in PAGES for span in code(TEXT[page]) if span.startswith(FOLDERS)}
    paths = {(name, re.split(r"[\s:]", span)[0]) for name, span in paths}

    assert len(paths) > 30
    assert [(name, path) for name, path in sorted(paths) if not (ROOT / path).exists()] == []


def test_every_setting_in_the_text_exists() -> None:
    known = {variable(name) for name in Settings.model_fields} | NO_SETTINGS
    named = set(re.findall(r"\bLEADGLOW_[A-Z_]*[A-Z]\b", "".join(TEXT.values())))

    assert len(named) > 10
    assert named - known == set()


def test_every_metric_in_the_text_exists() -> None:
    known = {name for name, _, _ in stored_names()}
    named = set(re.findall(r"\bleadglow_[a-z_]*[a-z]\b", "".join(TEXT.values())))

    assert named >= known
    assert {re.sub(r"_(bucket|sum|count)$", "", name) for name in named} - known - NO_METRICS == set()


def test_every_command_and_option_in_the_text_exists() -> None:
    helps = dict(re.findall(r"^## leadglow ([a-z ]+)\n(.*?)(?=^## |\Z)", commands_page(), re.M | re.S))
    pages = [page for page in PAGES if page.name != "commands.md"]
    lines = [line for page in pages for line in code(TEXT[page])]
    used = [found for line in lines if (found := re.search(rf"\bleadglow ((?:{'|'.join(COMMANDS)})\b.*)", line))]

    assert len(used) > 10
    for line in (found[1] for found in used):
        paths = [path for path in helps if f"{line.split('#')[0]} ".startswith((f"{path} ", f"{path},"))]
        assert paths or line in {path.split()[0] for path in helps}, f"no such command: leadglow {line}"
        unknown = [o for o in re.findall(r"--[a-z]+", line) if not any(o in helps[path] for path in paths)]
        assert unknown == [], line


def test_every_make_target_in_the_text_exists_and_the_readme_names_the_two_that_matter() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.M))
    named = {target for page in PAGES for line in code(TEXT[page]) for target in re.findall(r"^make ([a-z]+)", line)}

    assert named - targets == set()
    assert re.findall(r"^make ([a-z]+)", section(README, "Two commands"), re.M) == ["demo", "test"]


def test_every_exit_status_in_the_text_exists() -> None:
    named = set(re.findall(r"\b[Ee]xit(?: status(?:es)?)? (\d+)", "".join(TEXT.values())))

    assert named >= {"70", "75", "78"}
    assert {int(status) for status in named} - {int(status) for status in Exit} == set()


# Lists that claim to be complete ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", GENERATED)
def test_generated_files_are_up_to_date(name: str) -> None:
    assert (ROOT / name).read_text() == GENERATED[name](), "make docs"


def test_every_fault_is_proven_by_tests_that_exist() -> None:
    rows = [row.split(" | ") for row in TEXT[FAULTS].splitlines() if " | " in row][2:]
    named = [name for *_, proof in rows for name in re.findall(r"`([\w/]+)`", proof)]
    files = [Path("faults") / name if "/" not in name else Path(name) for name in named]

    assert all(len(row) == 3 and "`" in row[2] for row in rows)
    assert [str(file) for file in files if not (ROOT / "tests" / file.parent / f"test_{file.name}.py").is_file()] == []


def test_every_row_about_security_names_modules_and_tests_that_exist() -> None:
    rows = [row.strip("| ").split(" | ") for row in section(SECURITY, "What is done").splitlines() if " | " in row][2:]
    modules = [name for *_, where, _ in rows for name in re.findall(r"`([^`]+)`", where)]
    tests = [name for *_, proof in rows for name in re.findall(r"`([\w/]+)`", proof)]
    files = [ROOT / "tests" / Path(name).parent / f"test_{Path(name).name}.py" for name in tests]

    assert all(len(row) == 4 and "`" in row[2] and "`" in row[3] for row in rows)
    assert [name for name in modules if not (ROOT / name).is_file()] == []
    assert [str(file) for file in files if not file.is_file()] == []


def test_the_reasons_of_rejection_are_those_of_the_codec() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (.+) \|$", TEXT[ROOT / "docs/rejects.md"], re.M)

    assert {reason: sentence.replace("`", "") for reason, sentence in rows} == {
        reason: sentence.replace("`", "") for reason, sentence in REASONS.items()
    }


def test_the_mail_services_and_their_fields_are_those_of_the_table() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (.+?) \|", section(COLLECTOR, "Mail services"), re.M)

    assert {service for service, _ in rows} == set(SERVICES)
    for service, fields in rows:
        assert set(REQUIRED[service]) <= set(re.findall(r"`(\w+)`", fields)), service


def test_the_reasons_of_automated_events_are_those_of_the_code() -> None:
    assert set(first_column(section(COLLECTOR, "Machines are not people"))) == vocabulary.REASONS


def test_the_errors_of_the_collector_are_those_of_the_code() -> None:
    folders = (ROOT / "app/collector", ROOT / "app/http")
    source = "".join(file.read_text() for folder in folders for file in folder.rglob("*.py"))
    refusals = re.findall(r"Refusal\(\s*(\d{3}|status), \"(\w+)\"", source)
    rows = re.findall(r"^\| ([\d, ]+) \| `(\w+)` \|", section(COLLECTOR, "Errors"), re.M)
    told = {code: set(statuses.split(", ")) for statuses, code in rows}

    assert {code for _, code in refusals} == set(told)
    assert [(s, code) for s, code in refusals if s not in told[code] and s != "status"] == []


async def test_the_documented_fields_of_a_control_record_are_those_of_a_shard() -> None:
    store = MemoryStore()
    env = Environment(store, Topics(), Partitioner(1), Metrics(), "worker")
    shard = Shard(0, Rules(load_file(ROOT / "scorecards.yaml"), DAY_MS), env)
    await shard.open()
    await shard.score_batch([SimpleNamespace(offset=0, key=b"a", value=b"?", timestamp=DAY_MS, headers=())])

    listed = first_column(section(ROOT / "docs/storage.md", "The control record"))
    assert set(listed) == {"version", "step", "told", *(await store.control(0)).fields}  # `told` with accounts


# Examples -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("source", ["scorecards.yaml", "README.md"])
def test_the_example_scorecards_have_no_mistakes(source: str, tmp_path: Path) -> None:
    text = (ROOT / source).read_text()
    example = tmp_path / "scorecards.yaml"
    example.write_text(fenced(text, "yaml") if source.endswith(".md") else text)

    assert load_file(example).scorecards


async def test_the_event_of_the_start_page_has_the_score_on_that_page() -> None:
    event = re.search(r"echo '(\{.+\})'", TEXT[START])
    told = re.search(r"Ana has (\d+) points", TEXT[START])
    assert event
    assert told
    store = MemoryStore()
    shard = Shard(
        0,
        Rules(load_file(ROOT / "scorecards.yaml"), DAY_MS),
        Environment(store, Topics(), Partitioner(1), Metrics(), "worker"),
    )
    await shard.open()
    await shard.score_batch(
        [SimpleNamespace(offset=0, key=b"ana", value=event[1].encode(), timestamp=DAY_MS, headers=())]
    )
    await shard.update_ranking(["ana"])

    ((lead_id, place),) = await store.top(0, "default", 1)
    assert (lead_id, math.floor(place)) == ("ana", float(told[1]))
    [entry] = await store.outbox(0)
    assert b"leadglow.stage.entered.v1" in entry.payload


def test_the_example_of_a_keys_file_has_no_mistakes() -> None:
    ring = keyring.parse_keys(fenced(section(COLLECTOR, "Keys"), "yaml"), services=SERVICES)

    assert [key.public for key in ring.keys] == [True, True, False]


def test_the_examples_of_the_boards_files_have_no_mistakes(tmp_path: Path) -> None:
    found = ACCESS_FORMAT.load_text(fenced(section(BOARD, "Access"), "yaml"))
    assert [token.role for token in found.tokens] == ["viewer+pii"]
    assert found.proxy is not None
    file = tmp_path / "costs.yaml"
    file.write_text(fenced(section(BOARD, "Pages"), "yaml"))
    assert [cost.source for cost in COSTS_FORMAT.load_file(file)] == ["google", "newsletter"]
    assert COSTS_FORMAT.load_file(ROOT / "app/demo/costs.yaml")


def test_the_examples_of_routes_files_have_no_mistakes() -> None:
    page = routes_format(None).load_text(fenced(TEXT[ROOT / "docs/notify.md"], "yaml"))
    example = routes_format(lambda name: None).read_file
    with pytest.raises(YamlFileError, match="the variable HOOK_SECRET is not set"):
        example(ROOT / "docs/examples/notify.yaml")
    whole = routes_format(None).read_file(ROOT / "docs/examples/notify.yaml")

    assert [route.name for route in page.routes] == ["hot"]
    assert {type(each.kind).__name__.lower() for each in whole.value.destinations.values()} == set(KINDS)
    assert whole.warnings == ()


def test_the_addresses_of_the_api_in_the_page_are_those_of_the_document() -> None:
    documented = set(openapi_document()["paths"])
    named = {path.replace("ID", "{id}").replace("NAME", "{name}") for path in re.findall(
        r"`(/api/v1/[^`?]+)", section(BOARD, "The API"))}  # fmt: skip

    assert named - documented == set()


def test_the_links_and_unsubscribe_addresses_of_the_examples_are_valid() -> None:
    secret, names = b"a secret of links", {}  # type: ignore[var-annotated]
    for block in re.findall(r"```python\n(.*?)```", TEXT[COLLECTOR], re.S):
        exec(block, names)
    link = urlsplit(names["link"](secret, "https://acme.example/?a=1", userId="ana", email="ä@b.example"))
    address = names["unsubscribe"](secret, email="jané@acme.example", list_id="news")

    clicked, target = links.read_click(Inbound("GET", "/v1/link", parse_qsl(link.query)), secret, DAY_MS)
    body = b"List-Unsubscribe=One-Click"
    stopped = unsubscribe.read_unsubscribe(Inbound("POST", urlsplit(address).path, body=body), secret)

    assert target == "https://acme.example/?a=1"
    assert clicked.calls[0]["userId"] == "ana"
    assert stopped.calls[0]["context"]["traits"]["email"] == "jané@acme.example"


def test_the_snippet_to_paste_is_the_one_that_the_script_names() -> None:
    script = (ROOT / "app/collector/static/leadglow.js").read_text()
    pasted = fenced(TEXT[COLLECTOR], "html").replace("HOST", "https://HOST")

    assert all(line in script for line in pasted.splitlines())

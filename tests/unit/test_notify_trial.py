"""``leadglow notify test``: what people are told, also about their mistakes."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.cli.root import build
from streams.exits import Exit
from tests.support.http_server import Answer, serve

ROUTES = """leadglow_routes: 1
destinations:
  team: {slack: {url: {env: SLACK_URL}}ALLOWED}
routes:
  - {name: hot, to: team}
"""


def trial(folder: Path, url: str, route: str = "hot", allowed: str = ", allow_networks: 127.0.0.1") -> tuple[int, str]:
    """Exit status and output of the command."""
    file = folder / "routes.yaml"
    file.write_text(ROUTES.replace("ALLOWED", allowed))
    env = {"LEADGLOW_NOTIFY_ROUTES": str(file), "SLACK_URL": url}
    result = CliRunner().invoke(build(), ["notify", "test", route], env=env)
    return result.exit_code, result.output.replace(str(folder), "")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Answer(200, b"ok"), "delivered"),
        (Answer(404, b"no_service"), "not delivered; an alert would be tried again: status 404"),
        (Answer(400, b"invalid_blocks"), "refused; an alert would become a dead letter: status 400"),
        (Answer(410, b"gone"), "not delivered; the destination would be disabled: status 410"),
        (Answer(429, b"slower"), "not delivered; the receiver asks to wait: status 429"),
        (
            Answer(302, b"", {"Location": "https://slack.com/"}),
            "not delivered; an alert would be tried again: status 302: redirects are not followed",
        ),
    ],
)
def test_the_answer_of_the_receiver_is_shown(tmp_path: Path, answer: Answer, words: str) -> None:
    with serve(lambda request: answer) as web:
        status, output = trial(tmp_path, f"{web.address}/services/T0/B0/secret")

    assert status == (Exit.OK if answer.status == 200 else Exit.CHECK_FAILED)
    told = f"the receiver answered: status {answer.status}: {answer.body.decode()}"
    assert output == f"hot -> team: {words}\n{told}\n"


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("https://hooks.slack.invalid/secret", "the name of the host cannot be found"),
        ("http://127.0.0.1:9/secret", "nothing listens at this address and port"),
        ("http://10.1.2.3/secret", "the address is private: list its network in `allow_networks` if it is meant"),
    ],
)
def test_a_receiver_that_cannot_be_reached_is_one_sentence(tmp_path: Path, url: str, words: str) -> None:
    line = f"hot -> team: not delivered; an alert would be tried again: {words}\n"
    assert trial(tmp_path, url) == (Exit.CHECK_FAILED, line)


@pytest.mark.parametrize(
    ("url", "route", "allowed", "line"),
    [
        ("", "hot", "", "/routes.yaml:3:23: the variable SLACK_URL is not set; set it, or name another one"),
        ("hooks.slack.com/secret", "hot", "",
         "/routes.yaml:3:23: this secret is not a URL; put one there such as `https://hooks.acme.example/leads`"),
        ("https://hooks.slack.com/secret", "cold", "", "there is no route 'cold': use one of hot."),
        ("https://hooks.slack.com/secret", "hot", ", wait: 3",
         "/routes.yaml:3:42: unknown key `wait`; use one of `webhook`, `slack`, `mail`, `hubspot`, `salesforce`, "
         "`rate`, `parallel`, `allow_networks`"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_sentence(tmp_path: Path, url: str, route: str, allowed: str, line: str) -> None:
    status, output = trial(tmp_path, url, route, allowed)

    assert status in (Exit.REFUSED, Exit.USAGE)
    assert output == f"leadglow: {line}\n"

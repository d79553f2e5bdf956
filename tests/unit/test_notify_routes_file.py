"""The routes file: every mistake at its line, with a remedy, and no secret in a message."""

from __future__ import annotations

import pytest

from app.notify.kinds.mail import Mail
from app.notify.routes import Routes
from app.notify.routes_file import routes_format
from streams.yamlfile.load import YamlFileError

SIGNING = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
GOOD = """leadglow_routes: 1
destinations:
  hook: {webhook: {url: https://hooks.acme.example/x, secrets: {env: HOOK_SECRET}}}
  team: {slack: {url: {env: SLACK_URL}}}
routes:
  - {name: hot, to: team, when: {stages: [qualified]}, give_up_after: 1d}
  - {name: all, to: hook}
"""
VARIABLES = {"HOOK_SECRET": SIGNING, "SLACK_URL": "https://hooks.slack.example/T0/secret"}


def read(text: str, **changed: str) -> Routes:
    return routes_format((VARIABLES | changed).get).load_text(text, "r.yaml")


def test_a_file_becomes_routes_and_shows_no_secret() -> None:
    routes = read(GOOD)

    assert [(route.name, route.to) for route in routes.routes] == [("hot", "team"), ("all", "hook")]
    assert routes.destinations["team"].gap_ms == 1000
    assert "secret" not in repr(routes).replace("secrets", "")
    assert SIGNING not in repr(routes)


@pytest.mark.parametrize(
    ("old", "new", "place", "words"),
    [
        ("to: team", "to: taem", "6:21", "write `team`"),
        ("when:", "wenn:", "6:27", "write `when`"),
        ("name: all", "name: hot", "7:12", "duplicate of line 6"),
        ("{env: HOOK_SECRET}", "hunter2hunter2", "3:64", "a secret is not written into this file"),
        ("{env: HOOK_SECRET}", "{env: LEADGLOW_X}", "3:70", "choose another name"),
        ("{env: HOOK_SECRET}", "{env: OTHER}", "3:64", "the variable OTHER is not set"),
        ("https://hooks.acme", "http://hooks.acme", "3:25", "must not be sent without TLS"),
        ("slack: {url", "slak: {url", "4:10", "write `slack`"),
        ("give_up_after: 1d", "quiet: {from: 6pm, to: '08:00', zone: Mars}", "6:70", "not a time of day"),
        ("give_up_after: 1d", "digest: {zone: UTC}", "6:64", "`at` or `every`"),
        ("give_up_after: 1d", "limit: {alerts: 0, per: 1d}", "6:72", "from 1 to 10000"),
    ],
)
def test_a_mistake_has_its_place_and_a_remedy(old: str, new: str, place: str, words: str) -> None:
    with pytest.raises(YamlFileError) as caught:
        read(GOOD.replace(old, new))

    assert any(line.startswith(f"r.yaml:{place}:") and words in line for line in str(caught.value).split("\n")), str(
        caught.value
    )
    assert "hunter2" not in str(caught.value)


MAIL = """leadglow_routes: 1
destinations:
  desk: {mail: {server: smtp.acme.example, SECURITY from: a@acme.example, to: b@acme.example}}
routes:
  - {name: all, to: desk}
"""


@pytest.mark.parametrize(
    ("security", "found"),
    [
        ("", ("starttls", 587)),
        ("security: tls,", ("tls", 465)),
        ("port: 465,", ("tls", 465)),
        ("port: 25,", ("starttls", 25)),
    ],
)
def test_mail_is_sent_with_tls_in_the_way_of_its_port(security: str, found: tuple[str, int]) -> None:
    kind = read(MAIL.replace("SECURITY", security)).destinations["desk"].kind
    assert isinstance(kind, Mail)
    assert (kind.security, kind.port) == found


@pytest.mark.parametrize(
    ("security", "line"),
    [
        ("security: none,", "3:54: alerts are personal data, and must not be sent without TLS; write `starttls`"),
        ("security: starttls, port: 465,", "3:54: port 465 begins with TLS; write `tls`, or `port: 587`"),
        ("user: {env: HOOK_SECRET},", "3:16: a login needs `user` and `password`; add the other one"),
    ],
)
def test_mail_without_tls_or_half_a_login_is_a_mistake(security: str, line: str) -> None:
    with pytest.raises(YamlFileError) as caught:
        read(MAIL.replace("SECURITY", security))

    [mistake] = str(caught.value).split("\n")
    assert mistake.startswith(f"r.yaml:{line}")


def test_a_misspelled_kind_is_one_mistake() -> None:
    with pytest.raises(YamlFileError) as caught:
        read(GOOD.replace("slack: {url", "slak: {url"))

    assert str(caught.value) == "r.yaml:4:10: unknown key `slak`; write `slack`"


@pytest.mark.parametrize(
    "changed", [{"HOOK_SECRET": "short"}, {"SLACK_URL": "not a url"}, {"SLACK_URL": "http://x.y/"}]
)
def test_a_secret_that_cannot_be_used_is_a_mistake_that_does_not_show_it(changed: dict[str, str]) -> None:
    with pytest.raises(YamlFileError) as caught:
        read(GOOD, **changed)

    assert next(iter(changed.values())) not in str(caught.value)

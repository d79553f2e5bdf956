"""Mistakes in keys, access and costs files: their places and remedies, which repeat no secrets."""

import pytest

from app.board.access_file import ACCESS_FORMAT
from app.board.costs import COSTS_FORMAT
from app.collector.keyring import parse_keys
from streams.yamlfile.load import YamlFileError

SECRET = "wk_hidden-hidden-hidden"
KEYS = [
    ("keys:\n  - {name: site, write_key: @SECRET, origins: any}\n", "3:29", "put single quotes around it"),
    ("keys:\n  - {name: site, write_key: 'SECRET, origins: any}\n", "3:29", "close it with '"),
    ("keys:\n  - {name: site, write_key:SECRET, origins: any}\n", "3:27", "write a colon and a space"),
    ('keys:\n  - {name: site, write_key: "SECRET\\d", origins: any}\n', "3:53", "put single quotes around it"),
    ("keys:\n  - {name: site, write_key: SECRET origins: any}\n", "3:53", "write a comma"),
    ("keys: SECRET\n", "2:7", "write `[{name: site"),
    ("links: {secret: *SECRET}\n", "2:17", "put single quotes around it"),
    ("links: {secret: 2026-01-01}\n", "2:17", "put quotes around it"),
    ("links: {secret: 0123456789012345}\n", "2:17", "put quotes around it"),
    ("links: SECRET\n", "2:8", "`{secret: …}`"),
    ("links:\n  secret SECRET\n", "3:3", "write a mapping"),
    ("links:\n  secret: a: SECRET\n", "3:12", "put single quotes around it"),
    ("keys: [{name: Site, write_key: SECRET, origins: any}]\n", "2:15", "write `site`"),
    ("keys: [{name: site, write_key: SECRET, origins: acme.example}]\n", "2:66", "write `https://acme.example`"),
    ("keys: [{name: site, write_key: SECRET, origins: 'https://a.example/x'}]\n", "2:66", "`https://a.example`"),
    ("keys:\n  site: {write_key: SECRET, origins: any}\n", "3:3", "`- {name: site, …}`"),
]
ACCESS = [
    ("secret:SECRET\n", "2:7", "write a colon and a space"),
    ("secret: 12345678901234567890123456789012\n", "2:9", "put quotes around it"),
    ("tokens:\n  ana: {sha256: SECRET}\n", "3:3", "`- {name: ana, …}`"),
    (
        "proxy: {user_header: X-User, trusted: 10.0.0.0/8, roles: {everybody: viewer}}\n",
        "2:39",
        "write `[10.0.0.0/8]`",
    ),
]
COSTS = [
    ("{source: google, cost: 1,200, from: '2026-11-01', to: '2026-11-30'}", "3:28", "write `1200`"),
    ("{source: google, cost: 1200 EUR, from: '2026-11-01', to: '2026-11-30'}", "3:28", "write `1200`"),
    ("{source: google, cost: 1200, from: 2026-11-01, to: '2026-11-30'}", "3:40", "write `'2026-11-01'`"),
    ("{source: google, cost: 1200, from: '2026-11-01', to: 30.11.2026}", "3:58", 'write `"2026-11-30"`'),
    ("{source: google, spend: 1200, from: '2026-11-01', to: '2026-11-30'}", "3:22", "write `cost`"),
]


def check(error: YamlFileError, place: str, remedy: str) -> None:
    (mistake,) = error.mistakes
    assert f"{mistake.line}:{mistake.column}" == place
    assert remedy in mistake.remedy
    assert SECRET not in str(error)


@pytest.mark.parametrize(("text", "place", "remedy"), KEYS)
def test_a_mistake_in_a_keys_file(text: str, place: str, remedy: str) -> None:
    with pytest.raises(YamlFileError) as caught:
        parse_keys("leadglow_keys: 1\n" + text.replace("SECRET", SECRET))
    check(caught.value, place, remedy)


@pytest.mark.parametrize(("text", "place", "remedy"), ACCESS)
def test_a_mistake_in_an_access_file(text: str, place: str, remedy: str) -> None:
    with pytest.raises(YamlFileError) as caught:
        ACCESS_FORMAT.load_text("leadglow_access: 1\n" + text.replace("SECRET", SECRET))
    check(caught.value, place, remedy)


@pytest.mark.parametrize(("cost", "place", "remedy"), COSTS)
def test_a_mistake_in_a_costs_file(cost: str, place: str, remedy: str) -> None:
    with pytest.raises(YamlFileError) as caught:
        COSTS_FORMAT.load_text(f"leadglow_costs: 1\ncosts:\n  - {cost}\n")
    check(caught.value, place, remedy)

"""The keys file, who is let in, and how much they may send."""

from __future__ import annotations

import re
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from app.cli.root import build
from app.collector.inbound import Refusal
from app.collector.keyring import PUBLIC_RATE, Key, Keyring, load_keys, parse_keys
from app.collector.origins import parse_origin
from app.collector.rates import Buckets, Rate, network_of, without_port
from app.collector.webhooks import SERVICES
from app.private_files import write_private
from streams.yamlfile.load import YamlFileError

SECRET = "lgs_a-secret-of-a-server"
DIGEST = sha256(SECRET.encode()).hexdigest()
HERE = "§"
"""Stands in a bad file just before the place that a mistake must name; it is taken out."""
GOOD = f"""\
leadglow_keys: 1
keys:
  - {{name: site, write_key: wk_abc, origins: ["https://acme.example", "https://*.acme.example"], rate: 20/s}}
  - {{name: app, write_key: wk_app, origins: any, rate: 5000/m, address_rate: 2/s}}
  - {{name: backend, server: true, sha256: "{DIGEST}"}}
webhooks:
  - {{name: news, service: mailgun, signing_key: "MFkw"}}
links: {{secret: "0123456789abcdef"}}
"""
PAGE = "https://acme.example"


def with_key(key: str) -> str:
    return f"leadglow_keys: 1\nkeys:\n  - {{{key}}}\n"


def refusal(ring: Keyring, key: str, origin: str = "", remote: str = "", **more: bool) -> Refusal:
    with pytest.raises(Refusal) as caught:
        ring.admit(key, origin, remote, 1, 0.0, **more)
    return caught.value


# The file --------------------------------------------------------------------------------------------------------


def test_every_field_of_a_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "keys.yaml").write_text(GOOD)
    ring = load_keys(tmp_path / "keys.yaml")

    assert [(key.name, key.public, key.any_origin) for key in ring.keys] == [
        ("site", True, False),
        ("app", True, True),
        ("backend", False, False),
    ]
    assert [(key.rate, key.address_rate) for key in ring.keys] == [
        (Rate(20, 1), Rate(2, 1)),
        (Rate(5000, 60), Rate(2, 1)),
        (None, None),
    ]
    assert ring.link_secret == b"0123456789abcdef"
    assert (ring.webhooks["news"].service, dict(ring.webhooks["news"].options)) == ("mailgun", {"signing_key": "MFkw"})


def test_a_public_key_without_a_rate_gets_the_default() -> None:
    ring = parse_keys(with_key(f"name: a, write_key: w, origins: {PAGE}"))
    assert (ring.keys[0].rate, ring.keys[0].address_rate) == (PUBLIC_RATE, Rate(100, 1))


def test_links_and_keys_are_optional() -> None:
    assert parse_keys("leadglow_keys: 1").link_secret == b""


def test_the_repr_of_a_keyring_has_no_secret() -> None:
    ring = parse_keys(GOOD)
    shown = repr([*ring.keys, *ring.webhooks.values()])
    assert not any(secret in shown for secret in ("wk_abc", DIGEST, "MFkw"))


SERVER = f'server: true, sha256: "{DIGEST}"'
MISTAKES = [
    ("§leadglow_keys: 1\nkays: []", "unknown key `kays`"),
    ("§keys: [{name: a, server: true, sha256: §nope}]", "needs `leadglow_keys`"),
    ("leadglow_keys: §2", "is not the version"),
    ("leadglow_keys: 1\nkeys: §[]", "the list is empty"),
    ("leadglow_keys: 1\nkeys: [§wk_abc]", "is not a key"),
    (with_key("write_key: w, origins: any").replace("{", "§{"), "needs `name`"),
    (with_key("name: §A B, write_key: w, origins: any"), "is not a name"),
    (with_key("name: a, write_key: §w x, origins: any"), "is not a write key"),
    (with_key("name: a, write_key: §7, origins: any"), "is not a write key"),
    (with_key("name: a, origins: any").replace("{", "§{"), "needs `write_key`"),
    (with_key("name: a, write_key: w").replace("{", "§{"), "needs `origins`"),
    (with_key("name: a, write_key: w, origins: §[]"), "no page may use this key"),
    (with_key("name: a, write_key: w, origins: [§https://acme.example/]"), "is not an origin"),
    (with_key("name: a, write_key: w, origins: [§acme.example]"), "is not an origin"),
    (with_key("name: a, write_key: w, origins: [§'https://*.com']"), "every site under `com`"),
    (with_key("name: a, write_key: w, origins: §[any, https://a.example]"), "useless"),
    (with_key("name: a, write_key: w, origins: any, rate: §5"), "is not a rate"),
    (with_key("name: a, write_key: w, origins: any, rate: §0/s"), "is not a rate"),
    (with_key("name: a, write_key: w, origins: any, rate: §5/d"), "is not a rate"),
    (with_key(f"name: a, write_key: w, origins: any, sha256: §{DIGEST}"), "only a server key"),
    (with_key("name: a, server: §sure, write_key: w"), "is not true or false"),
    (with_key(f"name: a, {SERVER}, origins: §any"), "web pages cannot use"),
    (with_key(f"name: a, {SERVER}, write_key: §w"), "must not be in the file"),
    (with_key("name: a, server: true").replace("{", "§{"), "needs `sha256`"),
    (with_key(f"name: a, server: true, sha256: §{SECRET}"), "is not the SHA-256"),
    (with_key(f"name: a, {SERVER}}}\n  - {{name: §a, write_key: w, origins: any"), "duplicate of line 3"),
    (with_key(f"name: a, {SERVER}}}\n  - {{name: b, server: true, sha256: §{DIGEST}"), "this secret is a duplicate"),
    (with_key("name: a, write_key: w, origins: any}\n  - {name: b, write_key: §w, origins: any"), "this write key"),
    (with_key(f"name: a, {SERVER}") + "webhooks: [{name: §a, service: sendgrid}]", "duplicate"),
    ("leadglow_keys: 1\nwebhooks: [§{name: a}]", "needs `service`"),
    ("leadglow_keys: 1\nwebhooks: [§s3cret]", "is not a webhook"),
    ("leadglow_keys: 1\nwebhooks: [{name: a, service: b, key: §[]}]", "is not a text"),
    ("leadglow_keys: 1\nwebhooks: [{name: a, service: b, key: §0123}]", "is not a text"),
    ("leadglow_keys: 1\nwebhooks: [{name: a, service: b, §K: x}]", "is not a field name"),
    ("leadglow_keys: 1\nlinks: §s3cret-s3cret-s3cret", "is not the settings of links"),
    ("leadglow_keys: 1\nlinks: {secret: §s3cret}", "16 to 1000 characters"),
    ("leadglow_keys: 1\nkeys: §", "is not a list"),
    ("leadglow_keys: 1\nkeys: [{name: a, name: b, §}]", "duplicate"),
    ("a: [§", "not YAML"),
]


@pytest.mark.parametrize(("text", "said"), MISTAKES)
def test_a_mistake_is_reported_without_possible_secrets(text: str, said: str) -> None:
    with pytest.raises(YamlFileError) as caught:
        parse_keys(text.replace(HERE, ""), "k.yaml")

    message = str(caught.value)
    assert said in message
    assert not re.search(rf"s3cret|{SECRET}|{DIGEST}", message)
    assert re.search(r"^k\.yaml:\d+:\d+: .+; .+$", message, re.M)


@pytest.mark.parametrize(
    ("text", "said"), [row for row in MISTAKES if row[0].count(HERE) == 1 and "kays" not in row[0]]
)
def test_a_mistake_names_its_place(text: str, said: str) -> None:
    before = text.partition(HERE)[0]
    place = f"k.yaml:{before.count(chr(10)) + 1}:{len(before) - before.rfind(chr(10))}:"
    with pytest.raises(YamlFileError) as caught:
        parse_keys(text.replace(HERE, ""), "k.yaml")

    lines = [line for line in str(caught.value).splitlines() if said in line]
    if said not in ("not YAML", "duplicate") and not text.endswith(HERE):
        assert any(line.startswith(place) for line in lines), caught.value


def test_every_mistake_is_reported_at_once() -> None:
    text = "leadglow_keys: 2\nkeys:\n  - {name: a}\n  - {name: a, server: true, rate: x}\nlinks: {}\n"
    with pytest.raises(YamlFileError) as caught:
        parse_keys(text)
    assert len(caught.value.mistakes) == 7


@pytest.mark.parametrize(
    ("hook", "said"),
    [
        ("service: sendgird", "k:2:31: unknown service `sendgird`; write `sendgrid`"),
        ("service: mailgun", "k:2:12: `signing_key` of `mailgun` is missing"),
        ("service: sendgrid, public_key: x", "k:2:53: `public_key` of `sendgrid`: "),
        ("service: sendgrid, kay: x", "k:2:46: `kay` of `sendgrid`: unknown field"),
    ],
)
def test_a_webhook_must_name_a_known_service_and_its_options(hook: str, said: str) -> None:
    with pytest.raises(YamlFileError) as caught:
        parse_keys(f"leadglow_keys: 1\nwebhooks: [{{name: a, {hook}}}]", "k", SERVICES)
    assert said in str(caught.value)


@pytest.mark.parametrize("data", [None, b"\xff", b"a" * 1_000_001])
def test_a_file_that_cannot_be_read_is_a_mistake_too(tmp_path: Path, data: bytes | None) -> None:
    if data is not None:
        (tmp_path / "keys.yaml").write_bytes(data)
    with pytest.raises(YamlFileError, match=r"keys\.yaml:1:1: the file"):
        load_keys(tmp_path / "keys.yaml")


@given(st.text(max_size=200) | st.binary(max_size=60).map(lambda data: GOOD[: len(data) * 6] + data.decode("latin-1")))
def test_reading_any_text_fails_only_with_mistakes(text: str) -> None:
    with suppress(YamlFileError):
        parse_keys(text)


# Who is let in ---------------------------------------------------------------------------------------------------


def test_keys_are_found_by_their_text() -> None:
    ring = parse_keys(GOOD)
    assert ring.admit("wk_abc", PAGE, "", 1, 0.0).name == "site"
    assert ring.admit("wk_app", "", "", 1, 0.0).name == "app"
    assert ring.admit(SECRET, "", "", 1, 0.0).name == "backend"


@pytest.mark.parametrize("shown", ["", "wk_ab", "WK_ABC", "wk_abc ", DIGEST, "\ud800", "site", "x" * 100_000])
def test_an_unknown_key_is_refused_with_401(shown: str) -> None:
    error = refusal(parse_keys(GOOD), shown, PAGE)
    assert (error.status, error.code) == (401, "unknown_key")


def test_only_public_keys_are_accepted_in_an_address() -> None:
    ring = parse_keys(GOOD)
    error = refusal(ring, SECRET, in_query=True)
    assert (error.status, error.code) == (403, "secret_in_url")
    assert "basic authentication" in error.message
    assert SECRET not in error.message
    assert ring.admit("wk_abc", PAGE, "", 1, 0.0, in_query=True).public


def test_no_response_repeats_a_server_key() -> None:
    ring = parse_keys(GOOD)
    found = [ring.check_public(each) for each in ("wk_abc", "", "unknown", "\ud800")]
    assert found == ["wk_abc", "", "unknown", "\ud800"]
    with pytest.raises(Refusal) as caught:
        ring.check_public(SECRET)
    assert (caught.value.status, caught.value.code) == (403, "secret_in_url")


ALLOWED = [
    (PAGE, True),
    ("HTTPS://ACME.example", True),
    ("https://acme.example:443", True),
    ("https://shop.acme.example", True),
    ("https://a.b.acme.example", True),
    ("https://acme.example:8443", False),
    ("http://acme.example", False),
    ("https://evilacme.example", False),
    ("https://acme.example.evil.example", False),
    ("https://*.acme.example", False),
    ("https://acme.example/", False),
    ("https://acme.example\n", False),
    ("null", False),
    ("", False),
]


@pytest.mark.parametrize(("origin", "allowed"), ALLOWED)
def test_a_public_key_is_accepted_only_from_its_origins(origin: str, allowed: bool) -> None:
    ring = Keyring([key for key in parse_keys(GOOD).keys if key.name == "site"])
    assert ring.allows_origin(origin) is allowed
    if allowed:
        assert ring.admit("wk_abc", origin, "", 1, 0.0).name == "site"
    else:
        error = refusal(ring, "wk_abc", origin)
        assert (error.status, error.code) == (403, "origin_not_allowed")
        assert ("no Origin" in error.message) is (origin == "")


def test_a_key_for_any_origin_is_accepted_from_every_sender() -> None:
    ring = parse_keys(GOOD)
    for i, origin in enumerate(("", "null", "https://evil.example", "capacitor://localhost")):
        assert ring.admit("wk_app", origin, f"192.0.2.{i}", 1, 0.0).name == "app"
        assert ring.allows_origin(origin)


def test_server_keys_open_no_origin() -> None:
    assert not Keyring([key for key in parse_keys(GOOD).keys if not key.public]).allows_origin(PAGE)


@given(st.from_regex(r"\A[a-z]{1,5}\.acme\.example(:[0-9]{1,4})?\Z"))
def test_a_wildcard_covers_subdomains_on_the_same_port(host: str) -> None:
    star, page = parse_origin("https://*.acme.example"), parse_origin(f"https://{host}")
    assert star is not None
    assert page is not None
    assert star.covers(page) is (page.port == "")


# Rates -----------------------------------------------------------------------------------------------------------


def ring_of(rate: Rate | None, address_rate: Rate | None = None, name: str = "a") -> Keyring:
    return Keyring([Key(name, True, (), True, rate, address_rate, "w")])


def let_in(ring: Keyring, remote: str, calls: int, now_s: float) -> bool:
    try:
        ring.admit("w", "", remote, calls, now_s)
    except Refusal:
        return False
    return True


def test_a_bucket_holds_a_period_and_fills_evenly() -> None:
    ring = ring_of(Rate(3, 60))
    assert [let_in(ring, "", 1, 0.0) for _ in range(4)] == [True, True, True, False]
    assert not let_in(ring, "", 1, 0.0)
    assert let_in(ring, "", 1, 21.0)
    assert not let_in(ring, "", 1, 38.0)
    assert let_in(ring, "", 1, 41.0)
    assert not let_in(ring, "", 1, 0.0)


def test_a_batch_larger_than_the_bucket_is_accepted_and_the_next_waits_a_period() -> None:
    ring = ring_of(Rate(10, 1))
    assert let_in(ring, "", 1000, 0.0)
    assert not let_in(ring, "", 1, 0.9)
    assert let_in(ring, "", 1, 1.2)


def test_waiting_as_long_as_retry_after_is_enough() -> None:
    ring = ring_of(Rate(7, 60))
    assert let_in(ring, "", 50, 0.0)
    with pytest.raises(Refusal) as caught:
        ring.admit("w", "", "", 1, 3.0)
    assert (caught.value.status, caught.value.code) == (429, "too_many_events")
    assert caught.value.retry_after_s is not None
    assert let_in(ring, "", 1, 3.0 + caught.value.retry_after_s)


def test_the_limit_that_was_exceeded_is_named() -> None:
    of_address, of_key = ring_of(Rate(100, 1), Rate(10, 1)), ring_of(Rate(10, 1), Rate(100, 1))
    for ring, words in ((of_address, "the address_rate of the key `a` allows (10 calls in 1 s)"),
                        (of_key, "the key `a` sends more than its rate allows (10 calls in 1 s)")):  # fmt: skip
        assert let_in(ring, "192.0.2.1", 15, 0.0)
        with pytest.raises(Refusal) as caught:
            ring.admit("w", "", "192.0.2.1", 1, 0.0)
        assert words in caught.value.message


def test_one_address_cannot_use_up_the_share_of_others() -> None:
    ring = ring_of(Rate(100, 1), Rate(5, 1))
    assert sum(let_in(ring, "192.0.2.1", 1, 0.0) for _ in range(50)) == 5
    assert let_in(ring, "192.0.2.2", 1, 0.0)


def test_refused_requests_of_an_address_cost_the_key_no_tokens() -> None:
    ring = ring_of(Rate(6, 1), Rate(5, 1))
    for _ in range(50):
        let_in(ring, "192.0.2.1", 1, 0.0)
    assert let_in(ring, "192.0.2.2", 1, 0.0)
    assert not let_in(ring, "192.0.2.2", 1, 0.0)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8::1", "2001:db8::ffff:2", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("fe80::1%eth0", "fe80::2", True),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("proxy", "proxy", True),
    ],
)
def test_a_customers_addresses_share_a_bucket(one: str, other: str, same: bool) -> None:
    assert (network_of(one) == network_of(other)) is same


@given(st.integers(0, 2**32).map(Random))
def test_buckets_stay_bounded_and_admit_at_most_a_period_plus_the_inflow(chance: Random) -> None:
    buckets, let, now_s = Buckets(most_addresses=10), 0, 0.0
    for _ in range(300):
        now_s += chance.choice((0.0, 0.01, -1.0, 0.2))
        waits_s = buckets.take_tokens("a", f"192.0.2.{chance.randint(0, 99)}", (Rate(20, 1), Rate(3, 1)), 1, now_s)
        let += not any(waits_s)
        assert len(buckets) <= 11
    assert let <= 20 + 20 * 300 * 0.2 + 1


def test_a_reload_goes_on_counting_by_the_names_of_keys() -> None:
    old = ring_of(Rate(3, 60), Rate(3, 60))
    for _ in range(3):
        assert let_in(old, "192.0.2.1", 1, 0.0)
    same, lower, other = ring_of(Rate(3, 60), Rate(3, 60)), ring_of(Rate(1, 60)), ring_of(Rate(3, 60), name="b")
    for ring in (same, lower, other):
        ring.inherit_usage(old)
    assert not let_in(same, "192.0.2.1", 1, 0.0)
    assert not let_in(lower, "192.0.2.1", 1, 0.0)
    assert let_in(other, "192.0.2.1", 1, 0.0)


@pytest.mark.parametrize(
    ("hop", "address"),
    [
        ("8.8.4.4", "8.8.4.4"),
        ("8.8.4.4:5001", "8.8.4.4"),
        ("[2001:db8::1]:80", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("2001:db8::1", "2001:db8::1"),
        ("::ffff:8.8.4.4", "::ffff:8.8.4.4"),
        ("[2001:db8::1", "[2001:db8::1"),
        ("unknown", "unknown"),
        ("_hidden:77", "_hidden"),
        ("", ""),
    ],
)
def test_the_port_of_an_address_does_not_count(hop: str, address: str) -> None:
    assert without_port(hop) == address


# The commands ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "args",
    [
        ("site", "--origin", PAGE, "--rate", "200/s", "--new-ids", "500000/day"),
        ("app", "--origin", "any"),
        ("backend", "--server"),
    ],
)
def test_a_new_key_is_accepted_with_its_printed_line(args: tuple[str, ...]) -> None:
    result = CliRunner().invoke(build(), ["keys", "new", *args])

    assert result.exit_code == 0
    (key,), entry = result.stdout.splitlines(), result.stderr.splitlines()[-1]
    ring = parse_keys("leadglow_keys: 1\nkeys:\n" + entry)
    assert ring.admit(key, PAGE, "", 1, 0.0).name == args[0]
    assert (key in entry) is ("--server" not in args)


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("site",), "needs `origins`"),
        (("site", "--origin", "acme.example"), "is not an origin"),
        (("site", "--origin", "any", "--rate", "5"), "is not a rate"),
        (("site", "--origin", "any", "--new-ids", "5"), "is not a number of ids on a day"),
        (("Site", "--server"), "is not a name"),
        (("backend", "--server", "--origin", "any"), "web pages cannot use"),
    ],
)
def test_a_key_that_would_be_invalid_in_a_file_is_not_made(args: tuple[str, ...], said: str) -> None:
    result = CliRunner().invoke(build(), ["keys", "new", *args])

    assert (result.exit_code, result.stdout) == (2, "")
    assert said in result.stderr


SITE_ARGS = ("site", "--origin", PAGE)
ENTRY = "  - {name: old, write_key: wk_old, origins: any}\n"


def new_in(file: Path, *args: str) -> Result:
    return CliRunner().invoke(build(), ["keys", "new", *args, "--file", str(file)])


def test_a_new_key_creates_a_missing_file(tmp_path: Path) -> None:
    file = tmp_path / "keys.yaml"
    result = new_in(file, *SITE_ARGS)

    assert result.exit_code == 0
    assert result.stderr.endswith(f"\nmade {file} with this key\n")
    assert file.stat().st_mode & 0o777 == 0o600
    assert load_keys(file).admit(result.stdout.strip(), PAGE, "", 1, 0.0).name == "site"


@pytest.mark.parametrize(
    "text",
    [
        "leadglow_keys: 1",
        "leadglow_keys: 1\nlinks: {secret: 0123456789abcdef-}\n",
        f"keys: # all of them\n{ENTRY}leadglow_keys: 1\n",
        f"# ours\nleadglow_keys: 1\n\nkeys:\n\n{ENTRY}  # end\n\n# ways in\nwebhooks:\n  - {{name: a, service: b}}\n",
        f"leadglow_keys: 1\nkeys:\n{ENTRY}",
        f"leadglow_keys: 1\nkeys:\n{ENTRY}".rstrip(),
        "leadglow_keys: 1\nkeys:\n- name: old\n  write_key: wk\n  origins: any\nwebhooks:\n- {name: a, service: b}\n",
        "leadglow_keys: 1\nkeys:\n    - name: old\n      write_key: wk_old\n      origins:\n      - any\n",
    ],
)
def test_a_new_key_is_added_to_a_file_and_nothing_else_of_it_changes(text: str, tmp_path: Path) -> None:
    file = tmp_path / "keys.yaml"
    file.write_text(text)
    file.chmod(0o640)
    before = parse_keys(text)
    result = new_in(file, *SITE_ARGS)

    assert result.exit_code == 0, result.stderr
    assert f"added to {file}" in result.stderr
    after = load_keys(file)
    assert after.keys[:-1] == before.keys
    assert (after.keys[-1].name, after.webhooks, after.link_secret) == ("site", before.webhooks, before.link_secret)
    lines = file.read_text().splitlines()
    assert [line for line in text.splitlines() if line not in lines] == []
    assert file.stat().st_mode & 0o777 == 0o640
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"leadglow_keys: 1\nkeys:\n{ENTRY}".replace("old", "site"), "has the name"),
        ("leadglow_keys: 2\n", "is not the version"),
        ("{leadglow_keys: 1}\n", "paste it"),
        ("leadglow_keys: 1\nkeys: [{name: old, write_key: wk_old, origins: any}]\n", "paste it"),
    ],
)
def test_a_file_that_cannot_hold_the_key_stays_unchanged(text: str, said: str, tmp_path: Path) -> None:
    file = tmp_path / "keys.yaml"
    file.write_text(text)
    result = new_in(file, *SITE_ARGS)

    assert result.exit_code != 0
    assert said in result.stderr
    assert "wk_" not in result.stdout
    assert file.read_text() == text


def test_a_file_that_cannot_be_written_is_reported(tmp_path: Path) -> None:
    result = new_in(tmp_path / "none" / "keys.yaml", *SITE_ARGS)

    assert result.exit_code != 0
    assert "cannot be written" in result.stderr
    assert "wk_" not in result.stdout


def test_a_good_file_is_summed_up_without_its_secrets(tmp_path: Path) -> None:
    write_private(tmp_path / "keys.yaml", GOOD)
    result = CliRunner().invoke(build(), ["keys", "check", str(tmp_path / "keys.yaml")])

    assert result.exit_code == 0
    assert "no mistakes" in result.stdout
    assert "write key   site: 2 origins; 20 calls in 1 s, 2 calls in 1 s from one address" in result.stdout
    assert "2 calls in 1 s from one address; 100,000 new ids a day, 10,000 from one address\n" in result.stdout
    assert not any(secret in result.stdout for secret in ("wk_abc", DIGEST, "MFkw", "0123456789abcdef"))


def test_a_file_that_the_collector_would_refuse_is_refused_in_the_same_words(tmp_path: Path) -> None:
    file = tmp_path / "keys.yaml"
    file.write_text(GOOD)
    file.chmod(0o644)
    result = CliRunner().invoke(build(), ["keys", "check", str(file)])

    assert (result.exit_code, result.stdout) == (1, "")
    assert f"others can read this file (mode 644); run `chmod 600 {file}`" in result.stderr


def test_a_bad_file_ends_with_1_and_every_mistake(tmp_path: Path) -> None:
    (tmp_path / "keys.yaml").write_text("leadglow_keys: 2\nkeys: [{name: a}]\n")
    result = CliRunner().invoke(build(), ["keys", "check", str(tmp_path / "keys.yaml")])

    assert (result.exit_code, result.stdout) == (1, "")
    assert "keys.yaml:1:16:" in result.stderr
    assert result.stderr.endswith("3 mistakes\n")

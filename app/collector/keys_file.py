"""The format of the keys file. All mistakes are reported at once, and no message shows a value that may be secret."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final, Protocol

from app.collector.origins import Origin, parse_origin
from app.collector.rates import Rate
from streams.units import UNITS_MS
from streams.yamlfile.containers import list_of, struct_of
from streams.yamlfile.kinds import (
    NAME,
    VERSION,
    Field,
    Kind,
    Struct,
    matching,
    nearest,
    placed,
    private,
    report_repeated,
)
from streams.yamlfile.tree import Node, Report

ANY: Final = "any"
MIN_SECRET_CHARS: Final = 16
MAX_NEW_IDS: Final = 100_000_000
"""Of one key on one day; a collector needs three bytes for each."""
_OPTION: Final = re.compile(r"[a-z][a-z0-9_]{0,63}")
_SAME_FIELDS: Final = ("name", "service")


# Kinds of one value ----------------------------------------------------------------------------------------------


def _text(least: int, most: int) -> Callable[[Any], str | None]:
    return lambda value: value if isinstance(value, str) and least <= len(value) <= most else None


def _sha256(value: Any) -> str | None:
    return value.lower() if isinstance(value, str) and re.fullmatch("[0-9a-fA-F]{64}", value) else None


def _rate(value: Any) -> Rate | None:
    found = re.fullmatch(r"([0-9]{1,9})/([smh])", value) if isinstance(value, str) else None
    return Rate(float(found[1]), UNITS_MS[found[2]] / 1000) if found and int(found[1]) else None


def _ids_a_day(value: Any) -> int | None:
    found = re.fullmatch(r"([0-9]{1,9})/day", value) if isinstance(value, str) else None
    return int(found[1]) if found and 0 < int(found[1]) <= MAX_NEW_IDS else None


def _read_origin(node: Node, report: Report) -> Origin | str | None:
    if node.value == ANY:
        return ANY
    origin = parse_origin(node.value) if isinstance(node.value, str) else None
    if origin is None:
        report.add(node, f"{node} is not an origin", _origin_remedy(str(node.value)))
    elif origin.below and "." not in origin.host:
        report.add(node, f"{node} would allow every site under `{origin.host}`", "write `https://*.acme.example`")
        return None
    return origin


def _origin_remedy(text: str) -> str:
    """The origin of a URL, or of a host without a scheme."""
    guess = re.match(r"(https?://)?((?:\*\.)?[a-z0-9-]+(?:\.[a-z0-9-]+)+(?::\d+)?)(?=[/?#]|$)", text.casefold())
    if guess and parse_origin(f"{guess[1] or 'https://'}{guess[2]}") is not None:
        return f"write `{guess[1] or 'https://'}{guess[2]}`"
    return "write scheme://host or scheme://host:port, without a path, for example `https://acme.example`"


_LISTED = list_of(Kind(_read_origin, {}, "https://acme.example"), or_one=True)


def _read_origins(node: Node, report: Report) -> Any:
    if node.value == []:
        report.add(node, "`origins` is empty, so no page may use this key", "list its pages, or write `origins: any`")
        return None
    return _LISTED.read(node, report)


_WRITE_KEY = private(
    "a write key: 1 to 200 letters, digits or _ . ~ -",
    "one that `leadglow keys new NAME` makes",
    matching(r"[A-Za-z0-9_.~-]{1,200}"),
)
_SHA256 = private(
    "the SHA-256 of a secret: 64 of 0-9, a-f",
    "what `leadglow keys new NAME --server` prints, never the secret itself",
    _sha256,
)
_RATE = private("a rate", "a number a second, minute or hour, for example `200/s` or `5000/m`", _rate)
_NEW_IDS = private("a number of ids on a day", "a number up to 100 million, for example `500000/day`", _ids_a_day)
_BOOLEAN = private("true or false", "`true` or `false`", lambda value: value if isinstance(value, bool) else None)
_ORIGINS = Kind(_read_origins, {}, "https://acme.example")
_SERVICE = private("the name of a service", "the name of a service, for example `sendgrid`", _text(1, 64))
_SECRET = private(
    f"a secret of {MIN_SECRET_CHARS} to 1000 characters",
    "a random one, for example what `openssl rand -hex 32` prints, in quotes",
    _text(MIN_SECRET_CHARS, 1000),
)
_OPTION_VALUE = private("a text of 1 to 10000 characters", "a text in quotes", _text(1, 10_000))


# Kinds of many values --------------------------------------------------------------------------------------------


def _hide_scalars(kind: Kind) -> Kind:
    """The same kind, but messages do not show a scalar in place of a mapping, because it may be a secret."""

    def read(node: Node, report: Report) -> Any:
        shown = node if isinstance(node.value, list | dict) else replace(node, value="…")
        return kind.read(shown, report)

    return Kind(read, {}, kind.example)


def _read_webhook(node: Node, report: Report) -> Struct | None:
    """A webhook's name and service; all other fields belong to the service and are texts."""
    if not isinstance(node.value, dict):
        _COMMON_WEBHOOK.read(node, report)
        return None
    common = {key: value for key, value in node.value.items() if key.value in _SAME_FIELDS}
    struct: Struct = _COMMON_WEBHOOK.read(Node(node.line, node.column, common), report)
    options: dict[str, str] = {}
    for key, value in node.value.items():
        if key in common:
            continue
        if not _OPTION.fullmatch(str(key.value)):
            report.add(key, f"{key} is not a field name", "use only a-z, 0-9 and _")
        struct.nodes[str(key.value)] = value
        text = _OPTION_VALUE.read(value, report)
        if text is not None:
            options[str(key.value)] = text
    struct.values["options"] = options
    return struct


_KEY = struct_of(
    "a key",
    {
        "name": Field(placed(NAME), "its name in events and metrics", required=True),
        "write_key": Field(placed(_WRITE_KEY), "the key that senders of a public key use"),
        "server": Field(_BOOLEAN, "whether it is a server key"),
        "sha256": Field(placed(_SHA256), "the hash of a server's secret"),
        "origins": Field(_ORIGINS, "the pages that may use a public key, or `any`"),
        "rate": Field(_RATE, "the highest rate of all senders together"),
        "address_rate": Field(_RATE, "the highest rate of one address"),
        "new_ids": Field(_NEW_IDS, "how many ids of leads its events may name on a day, and how many sets of traits"),
    },
    "{name: site, write_key: wk_…, origins: [https://acme.example]}",
)
_COMMON_WEBHOOK = struct_of(
    "a webhook",
    {
        "name": Field(placed(NAME), "the last part of its URL", required=True),
        "service": Field(placed(_SERVICE), "which mail service it is", required=True),
    },
    "{name: news, service: sendgrid, …}",
)
_LINKS = struct_of(
    "the settings of links",
    {"secret": Field(_SECRET, "signs the targets of links", required=True)},
    "{secret: …}",
)
FILE = struct_of(
    "a keys file",
    {
        "leadglow_keys": Field(VERSION, "the version of this format", required=True),
        "keys": Field(list_of(_hide_scalars(_KEY)), "write keys and server keys"),
        "webhooks": Field(
            list_of(_hide_scalars(Kind(_read_webhook, {}, "{name: news, service: sendgrid, …}"))),
            "webhooks of mail services",
        ),
        "links": Field(_hide_scalars(_LINKS), "signed links"),
    },
    "leadglow_keys: 1",
)


# Checks across fields ---------------------------------------------------------------


class ServiceFields(Protocol):
    """A mail service, which checks its own fields."""

    def find_mistakes(self, options: Mapping[str, Any]) -> list[tuple[str, str]]:
        """All mistakes in the fields, as (field, sentence)."""


def check_keys(file: Struct, services: Mapping[str, ServiceFields], report: Report) -> None:
    """Report mistakes across fields; the fields of webhooks are checked only if ``services`` is not empty."""
    keys = [key for key in file.get("keys") or () if key is not None]
    hooks = [hook for hook in file.get("webhooks") or () if hook is not None]
    for key in keys:
        _check_server(key, report) if key.get("server") else _check_public(key, report)
    for hook in hooks:
        _check_service(hook, services, report)
    for sentence, items in (
        ("this write key", [key.get("write_key") for key in keys]),
        ("this secret", [key.get("sha256") for key in keys]),
        ("the name", [part.get("name") for part in [*keys, *hooks]]),
    ):
        report_repeated(items, lambda _: sentence, "give each its own", report)  # noqa: B023 - used at once


def _check_public(key: Struct, report: Report) -> None:
    if "sha256" in key.nodes:
        report.add(key.nodes["sha256"], "only a server key has `sha256`", "add `server: true`, or remove it")
    elif "write_key" not in key.nodes:
        report.add(key.node, "a public key needs `write_key`", "add one from `leadglow keys new NAME`")
    if "origins" not in key.nodes and "server" not in key.broken and "sha256" not in key.nodes:
        remedy = "add `origins: [https://acme.example]`, or `origins: any` for apps and servers"
        report.add(key.node, "a public key needs `origins`", remedy)
    origins = key.get("origins", ())
    if ANY in origins and len(origins) > 1:
        report.add(
            key.nodes["origins"], "`any` makes the other origins useless", "write only `origins: any`, or remove `any`"
        )


def _check_server(key: Struct, report: Report) -> None:
    if "sha256" not in key.nodes:
        remedy = "add the hash that `leadglow keys new NAME --server` prints"
        report.add(key.node, "a server key needs `sha256`", remedy)
    for name, why in (
        ("write_key", "the secret of a server key must not be in the file"),
        ("origins", "web pages cannot use a server key"),
    ):
        if name in key.nodes:
            report.add(key.nodes[name], why, f"remove `{name}`")


def _check_service(hook: Struct, services: Mapping[str, ServiceFields], report: Report) -> None:
    item = hook.get("service")
    if not services or item is None or item.value is None:
        return
    if item.value not in services:
        report.add(item.node, f"unknown service {item.node}", nearest(item.value, sorted(services)))
        return
    for name, sentence in services[item.value].find_mistakes(hook.get("options", {})):
        if name in hook.nodes:
            report.add(hook.nodes[name], f"`{name}` of `{item.value}`: {sentence}", f"correct `{name}`")
        else:
            report.add(hook.node, f"`{name}` of `{item.value}` {sentence}", f'add `{name}: "…"`')

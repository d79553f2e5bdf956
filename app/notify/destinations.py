"""The kinds of destinations in a routes file: their fields, checks and values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from app.notify.kinds import hubspot
from app.notify.kinds.crm_fields import CrmFields
from app.notify.kinds.hubspot import HubSpot
from app.notify.kinds.mail import Mail, Security
from app.notify.kinds.salesforce import Salesforce
from app.notify.kinds.slack import Slack
from app.notify.kinds.webhook import Webhook
from app.notify.routes import AnyKind, Destination
from app.notify.routes_kinds import (
    ADDRESS,
    HOST,
    SECRET,
    URL,
    URL_OR_SECRET,
    at,
    is_url,
    one_of,
    whole,
)
from app.notify.secrets import ReadVariable, SecretMissing, SecretPlace, is_signing_secret
from streams.yamlfile.containers import list_of, named, struct_of
from streams.yamlfile.kinds import BOOLEAN, PATH, Field, Kind, Struct, matching, private
from streams.yamlfile.tree import Node, Report

_NO_TLS: Final = "alerts are personal data, and must not be sent without TLS"
_PORTS: Final = {"tls": 465, "starttls": 587, "none": 25}
_HEADER = private("the name of a header", "one such as `X-Api-Key`", matching(r"[A-Za-z0-9-]{1,100}"))
_WORD = private("a name of letters, digits and _", "its name there", matching(r"[A-Za-z][A-Za-z0-9_]{0,79}"))
_CRM: Final = {
    "key": Field(_WORD, "the field that identifies a record", required=True, example="email"),
    "key_from": Field(PATH, "where the alert has its value", required=True, example="lead.email"),
    "fields": Field(
        named(_WORD, PATH, at_least=1), "field: path in the alert", required=True, example="{score: score.published}"
    ),
}


def _secret(about: str) -> Field:
    return Field(at(SECRET), about, required=True)


def _url(about: str, kind: Kind = URL_OR_SECRET) -> Field:
    return Field(at(kind), about, required=True)


_WEBHOOK = struct_of(
    "a webhook",
    {
        "url": _url("where it sends to"),
        "secrets": Field(list_of(at(SECRET), or_one=True), "what signs it; a second one while you change it"),
        "headers": Field(named(_HEADER, at(SECRET), at_least=1), "more headers"),
    },
    "{url: https://hooks.acme.example/leads, secrets: {env: HOOK_SECRET}}",
    {"secret": "secrets"},
)
_SLACK = struct_of(
    "a channel of Slack", {"url": _url("of the incoming webhook; a secret", SECRET)}, "{url: {env: SLACK_URL}}"
)
_MAIL = struct_of(
    "mail",
    {
        "server": Field(HOST, "the mail server", required=True, example="smtp.acme.example"),
        "port": Field(whole("a port", 1, 65535), "its port; 465, 587 or 25 by `security`"),
        "security": Field(
            one_of(tuple(_PORTS), "how mail is sent"), "`tls`, `starttls` or `none`; by default `tls` for port 465"
        ),
        "user": Field(at(SECRET), "the user name"),
        "password": Field(at(SECRET), "the password"),
        "from": Field(ADDRESS, "the sender", required=True, example="leadglow@acme.example"),
        "to": Field(list_of(ADDRESS, or_one=True), "who gets it", required=True, example="sales@acme.example"),
        "to_owner": Field(BOOLEAN, "whether the owner of a lead gets it in their place"),
    },
    "{server: smtp.acme.example, from: leadglow@acme.example, to: sales@acme.example}",
)  # fmt: skip
_HUBSPOT = struct_of(
    "an account of HubSpot",
    {"token": _secret("of a private app"), "url": Field(at(URL), f"by default {hubspot.URL}"), **_CRM},
    "{token: {env: HUBSPOT_TOKEN}, key: email, key_from: lead.email, fields: {lead_score: score.published}}",
)
_SALESFORCE = struct_of(
    "an organization of Salesforce",
    {
        "url": _url("of your domain there", URL),
        "client_id": _secret("of a connected app"),
        "client_secret": _secret("of a connected app"),
        "object": Field(_WORD, "`Lead` if left out"),
        **_CRM,
    },
    "{url: https://acme.my.salesforce.com, client_id: {env: SF_ID}, client_secret: {env: SF_SECRET}, "
    "key: Leadglow_Id__c, key_from: lead.lead_id, fields: {Score__c: score.published}}",
)
KINDS: Final[Mapping[str, tuple[Kind, str, float, int]]] = {
    "webhook": (_WEBHOOK, "a signed webhook", 0.0, 8),
    "slack": (_SLACK, "a channel of Slack", 1000.0, 1),
    "mail": (_MAIL, "mails", 0.0, 2),
    "hubspot": (_HUBSPOT, "contacts of HubSpot", 100.0, 1),
    "salesforce": (_SALESFORCE, "records of Salesforce", 200.0, 1),
}
"""Kind -> its fields, meaning, milliseconds from one message to the next, messages in flight."""
KIND_FIELDS: Final = {name: Field(kind, about) for name, (kind, about, _, _) in KINDS.items()}


class Secrets:
    """Reads the secrets of a file."""

    def __init__(self, read_variable: ReadVariable) -> None:
        """``read_variable`` reads the environment."""
        self._read_variable = read_variable

    def check(self, node: Node, place: SecretPlace, report: Report) -> str | None:
        """The secret; a missing one is a mistake."""
        try:
            return place.read(self._read_variable)
        except SecretMissing as missing:
            report.add(node, str(missing), "set it, or name another one")
            return None

    def read(self, value: tuple[Node, SecretPlace | str] | None) -> str:
        """The secret, or the text in its place; empty for None."""
        if value is None:
            return ""
        return value[1] if isinstance(value[1], str) else value[1].read(self._read_variable)


class NoSecrets:
    """Reads no secrets, for a file that is only checked."""

    def check(self, node: Node, place: SecretPlace, report: Report) -> str | None:
        """Nothing is known about it."""
        return None

    def read(self, value: tuple[Node, SecretPlace | str] | None) -> str:
        """The text in place of a secret."""
        return value[1] if value is not None and isinstance(value[1], str) else ""


def check_destination(struct: Struct, secrets: Any, report: Report) -> None:
    """Report mistakes across the fields of a destination, and secrets that are missing or wrong."""
    chosen = [name for name in KINDS if name in struct.nodes]
    if not chosen and isinstance(struct.node.value, dict) and len(struct.nodes) < len(struct.node.value):
        return  # an unknown key was meant as its kind, and is reported
    if len(chosen) != 1:
        about = "a destination needs its kind" if not chosen else "a destination is of one kind"
        report.add(struct.node, about, f"write one of {', '.join(f'`{name}`' for name in KINDS)}")
        return
    inner = struct.get(chosen[0])
    if inner is None or chosen[0] in struct.broken:
        return
    _check_url(struct, inner, secrets, report)
    for node, place in inner.get("secrets", ()):
        found = secrets.check(node, place, report)
        if found is not None and not is_signing_secret(found):
            report.add(node, "this secret is not base64 of 24 to 64 bytes", "make one: `openssl rand -base64 32`")
    if chosen[0] == "webhook" and "secrets" not in inner.nodes:
        report.warn(inner.node, "this webhook is not signed", "add `secrets: {env: NAME}`")
    _check_plain_secrets(inner, secrets, report)
    if chosen[0] == "mail":
        _check_mail(struct, inner, report)


def _check_plain_secrets(inner: Struct, secrets: Any, report: Report) -> None:
    """Secrets that go into headers or a login: one line."""
    pairs = [inner.get(name) for name in ("token", "client_id", "client_secret", "user", "password")]
    pairs += [item.value for item in (inner.get("headers") or {}).values()]
    for node, place in filter(None, pairs):
        found = secrets.check(node, place, report)
        if found is not None and not found.isprintable():
            report.add(node, "this secret has more than one line", "keep only the secret there")


def _check_mail(struct: Struct, inner: Struct, report: Report) -> None:
    if ("user" in inner.nodes) != ("password" in inner.nodes):
        report.add(inner.node, "a login needs `user` and `password`", "add the other one")
    security = inner.get("security")
    if security == "none" and "user" in inner.nodes:
        report.add(inner.nodes["user"], "a password must not be sent without TLS", "write `security: starttls`")
    elif security == "none" and "allow_networks" not in struct.nodes:
        remedy = "write `starttls` or `tls`, or `allow_networks` beside the kind for a private network"
        report.add(inner.nodes["security"], _NO_TLS, remedy)
    if security == "starttls" and inner.get("port") == _PORTS["tls"]:
        report.add(inner.nodes["security"], "port 465 begins with TLS", "write `tls`, or `port: 587`")


def _check_url(struct: Struct, inner: Struct, secrets: Any, report: Report) -> None:
    pair = inner.get("url")
    if pair is None:
        return
    node, value = pair
    url = secrets.check(node, value, report) if isinstance(value, SecretPlace) else value
    if url is None:
        return
    if not is_url(url):
        report.add(node, "this secret is not a URL", "put one there such as `https://hooks.acme.example/leads`")
    elif url.startswith("http:") and "allow_networks" not in struct.nodes:
        remedy = "write `https:`, or `allow_networks` beside it for a private network"
        report.add(node, _NO_TLS, remedy)


def destination_of(name: str, struct: Struct, secrets: Any) -> Destination:
    """The value of a destination without mistakes."""
    kind = next(each for each in KINDS if each in struct.nodes)
    _, _, gap_ms, parallel = KINDS[kind]
    build: dict[str, Callable[[Struct, Any], AnyKind]] = {
        "webhook": _webhook,
        "slack": _slack,
        "mail": _mail,
        "hubspot": _hubspot,
        "salesforce": _salesforce,
    }
    return Destination(
        name,
        build[kind](struct.get(kind), secrets),
        struct.get("rate", gap_ms),
        struct.get("parallel", parallel),
        tuple(struct.get("allow_networks", ())),
    )


def _webhook(inner: Struct, secrets: Any) -> Webhook:
    headers = {name.lower(): secrets.read(item.value) for name, item in inner.get("headers", {}).items()}
    signing = tuple(secrets.read(pair) for pair in inner.get("secrets", ()))
    return Webhook(secrets.read(inner.get("url")), signing, headers)


def _slack(inner: Struct, secrets: Any) -> Slack:
    return Slack(secrets.read(inner.get("url")))


def _mail(inner: Struct, secrets: Any) -> Mail:
    default = "tls" if inner.get("port") == _PORTS["tls"] else "starttls"
    security: Security = inner.get("security", default)
    return Mail(
        host=inner.get("server"),
        port=inner.get("port", _PORTS[security]),
        security=security,
        sender=inner.get("from"),
        to=tuple(inner.get("to")),
        to_owner=inner.get("to_owner", False),
        user=secrets.read(inner.get("user")),
        password=secrets.read(inner.get("password")),
    )


def _crm(inner: Struct) -> CrmFields:
    fields = {name: item.value for name, item in inner.get("fields").items()}
    return CrmFields(inner.get("key"), inner.get("key_from"), fields)


def _hubspot(inner: Struct, secrets: Any) -> HubSpot:
    url = secrets.read(inner.get("url")) or hubspot.URL
    return HubSpot(secrets.read(inner.get("token")), _crm(inner), url.rstrip("/"))


def _salesforce(inner: Struct, secrets: Any) -> Salesforce:
    return Salesforce(
        url=secrets.read(inner.get("url")).rstrip("/"),
        client_id=secrets.read(inner.get("client_id")),
        client_secret=secrets.read(inner.get("client_secret")),
        sobject=inner.get("object", "Lead"),
        crm=_crm(inner),
    )

"""Requests that no client should send: real ones, broken in body, encoding, headers and framing. All by one seed."""

from __future__ import annotations

import base64
import gzip
import json
import zlib
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from random import Random
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

from app.collector import links
from app.collector.inbound import Inbound
from app.collector.webhooks import unsubscribe
from streams.clock import now_ms
from tests.support import mail_services as mail

CAPTURES = Path(__file__).parents[1] / "data" / "captures"
LINK_SECRET = b"0123456789abcdef0123456789abcdef"
WEIRD: tuple[Any, ...] = (
    None, True, 0, -1, 1e308, -0.0, 2**63, 2**64, 10**400, "", " ", "\x00", "\ufeff", "\u202e", "é", "💥" * 50,
    "a" * 5_000, "\ud800", "\udfff\ud800", "2026-13-45T99:99:99Z", "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:60+14:00", "1e999", [], {}, [[]], {"": {}}, [None] * 100, {"email": 1}, "constructor",
    "=CMD()", "u" * 600,
)  # fmt: skip
JUNK = ("NaN", "Infinity", "-", "{", '"\\u12"', "[" * 20_000, '{"a":' * 600 + "1" + "}" * 600, "1" * 5_000, "'x'", "\\")
"""What stands where a JSON value should."""
ENCODINGS = (
    "gzip",
    "x-gzip",
    "deflate",
    "br",
    "zstd",
    "identity",
    "GZIP",
    "gzip, gzip",
    "",
    "a" * 3_000,
    "é",
    "aws-chunked",
)
TYPES = (
    "application/json", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "", "é",
    "x" * 5_000, "multipart/form-data; boundary=", "multipart/form-data; boundary=x",
    "application/cloudevents+json", "application/cloudevents-batch+json", "application/cloudevents+avro",
    "application/json; charset=utf-7", "application/json; charset=\xff", "a/b/c;;;=",
    "application/json; charset*=x''%ff",
)  # fmt: skip
NAMES = (
    "Authorization", "Origin", "Referer", "User-Agent", "Cookie", "X-Forwarded-For", "Sec-GPC", "DNT",
    "SentAt", "Host", "AnonymousId", "ce-id", "ce-type", "ce-source", "ce-specversion", "ce-time", "ce-data",
    "ce-", "Expect", "Range", "Access-Control-Request-Headers", "Access-Control-Request-Method",
    "If-None-Match", "Upgrade", "Connection", "TE", "svix-id", "X-Twilio-Email-Event-Webhook-Timestamp",
    "X-Mandrill-Signature", "x-amz-sns-message-type", "Accept",
)  # fmt: skip
VALUES = (
    b"", b"1", b"\xff\xfe", b"%ff%00%", b"null", b"http://[", b"https://acme.example", b"Basic ====",
    b"Basic V1JJVEVLRVkxOg==", b"Bearer \xe9", b"Basic " + b"A" * 9_000, b"x" * 9_000, b"1.0", b"-1",
    b"9" * 400, b"a,b,,;=", b"\x7f", b"websocket", b"upgrade, close", b"100-continue", b"bytes=0-0,-1",
    b"::1%lo0, 999.1.1.1,", b"2026-11-22T01:00:00Z", b'"',
)  # fmt: skip
METHODS = ("GET", "HEAD", "OPTIONS", "PUT", "DELETE", "PATCH", "TRACE", "post", "FOO", "PRI", "M-SEARCH")
PATHS = (
    "/", "*", "//", "/%00", "/%ff/%c3%28", "/v1/../v1/t", "/v1/t/", "/v1/T", "/v1/" + "x" * 9_000,
    "/webhooks/", "/webhooks/%2f", "/unsubscribe/" + "A" * 300, "/unsubscribe/é", "http://[::1/v1/t",
    "http://x:99999/v1/t", "/v1/projects/%ff/settings", "/v1/t?%", "/i?e=ue&ue_px=%%%&aid=site",
    "/i?" + "e=pv&" * 2_000, "/v1/pixel.gif?writeKey=WRITEKEY1&properties[a]=1",
    "/v1/link?to=javascript:alert(1)&sig=x", "/sourceConfig/?writeKey=\xff", "/openapi.json", "/leadglow.js",
    "?", "/#",
)  # fmt: skip
BOMB = gzip.compress(b" " * 6_000_000)
FRAMINGS = ("chunked", "torn", "long", "short", "none", "both", "twice", "negative", "old", "folded", "coded")


class Base(NamedTuple):
    """A request to start from; ``body`` is JSON as Python has it, or bytes."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: Any


class Sent(NamedTuple):
    """One request on the wire."""

    raw: bytes
    method: str
    whole: bool
    """Whether its length is as it says, so that it must be answered."""


class Fuzz:
    """An endless supply, the same for the same seed."""

    def __init__(self, seed: int) -> None:
        self._draw = Random(seed)
        self._bases = [*_captured(), *_others()]

    def __iter__(self) -> Iterator[Sent]:
        while True:
            yield self._request()

    def _request(self) -> Sent:
        draw, often = self._draw, self._draw.random
        base = draw.choice(self._bases) if often() < 0.8 else self._signed()
        headers = [(name, value.encode("utf-8", "surrogateescape")) for name, value in base.headers]
        body = base.body if isinstance(base.body, bytes) else self._written(base.body)
        if often() < 0.3:
            body = self._torn(body)
        if often() < 0.4:
            body = self._encoded(body, headers)
        if often() < 0.2:
            headers = [each for each in headers if each[0].lower() != "content-type"]
            headers.append(("Content-Type", draw.choice(TYPES).encode()))
        while often() < 0.4:
            headers.append((draw.choice(NAMES), draw.choice(VALUES)))
        if often() < 0.01:
            headers += [(f"X-{n}", b"y" * draw.choice((1, 200))) for n in range(draw.choice((50, 500)))]
        method = draw.choice(METHODS) if often() < 0.05 else base.method
        return self._framed(method, self._target(base.target), headers, body)

    def _target(self, target: str) -> str:
        draw = self._draw
        if draw.random() < 0.08:
            return draw.choice(PATHS)
        if draw.random() < 0.1:
            more = ("%", "%00", "a=%ff", "writeKey=WRITEKEY1", "writeKey=sk")
            return target + draw.choice(("?", "&", "/")) + draw.choice(more)
        return target

    # Bodies -------------------------------------------------------------------------------------------------------

    def _written(self, value: Any) -> bytes:
        """JSON, most often with something in it that is not as it should be."""
        draw = self._draw
        if value is None:
            return b""
        value = deepcopy(value)
        while draw.random() < 0.6:
            value = self._changed(value)
        text = json.dumps(value, ensure_ascii=draw.random() < 0.7)
        if draw.random() < 0.1:
            places = [at for at, char in enumerate(text) if char == ":"] or [0]
            at = draw.choice(places) + 1
            text = text[:at] + draw.choice(JUNK) + text[at + draw.randrange(8) :]
        kind = draw.choice(("utf-8",) * 12 + ("utf-16", "latin-1", "utf-8-sig", "utf-7"))
        return text.encode(kind, "surrogatepass" if kind.startswith("utf-8") else "replace")

    def _changed(self, value: Any) -> Any:
        """One place of it is another."""
        draw = self._draw
        if isinstance(value, dict) and value and draw.random() < 0.85:
            name = draw.choice(list(value))
            if draw.random() < 0.1:
                del value[name]
            elif draw.random() < 0.1:
                value[str(draw.choice(WEIRD))] = value.pop(name)
            else:
                value[name] = self._changed(value[name])
            return value
        if isinstance(value, list) and value and draw.random() < 0.85:
            at = draw.randrange(len(value))
            value[at] = self._changed(value[at])
            return value * 30 if len(value) < 10 and draw.random() < 0.05 else value
        deep: Any = deepcopy(draw.choice(WEIRD))
        for _ in range(draw.choice((0, 0, 0, 0, 0, 0, 0, 3, 260, 400))):
            deep = [deep] if draw.random() < 0.5 else {"a": deep}
        return deep

    def _torn(self, body: bytes) -> bytes:
        draw = self._draw
        at, to = sorted((draw.randrange(len(body) + 1), draw.randrange(len(body) + 1)))
        junk = draw.choice((b"", draw.randbytes(draw.randrange(9)), b"\xff\xfe\xc3", b"\x00" * 9, b'"', b"}]"))
        return draw.choice(
            (body[:at], body[:at] + junk + body[at:], body[:at] + junk + body[to:], body[at:to] * 2, junk)
        )

    def _encoded(self, body: bytes, headers: list[tuple[str, bytes]]) -> bytes:
        draw = self._draw
        raw = zlib.compressobj(wbits=-15)
        whole = draw.choice(
            (
                lambda: gzip.compress(body, 1),
                lambda: gzip.compress(body[:9], 1) + gzip.compress(body[9:], 1),
                lambda: zlib.compress(body, 1),
                lambda: raw.compress(body) + raw.flush(),
                lambda: body,
                lambda: BOMB,
                lambda: gzip.compress(gzip.compress(body, 1), 1),
                lambda: b"\x1f\x8b\x08" + draw.randbytes(20),
                lambda: b"\x28\xb5\x2f\xfd" + body,
            )
        )()
        headers.append(("Content-Encoding", draw.choice(ENCODINGS[:3] if draw.random() < 0.6 else ENCODINGS).encode()))
        return self._torn(whole) if draw.random() < 0.3 else whole

    # What mail services sign --------------------------------------------------------------------------------------

    def _signed(self) -> Base:
        """A webhook's request whose signature is good, whatever it says."""
        draw, at_s = self._draw, now_ms() // 1000
        event = {"event": "open", "email": "ana@acme.example", "sg_event_id": "e", "timestamp": at_s, "url": "http://x"}
        ask: dict[str, Callable[[], Inbound]] = {
            "sendgrid": lambda: mail.sendgrid(self._plain([event]), at_s),
            "mailgun": lambda: mail.mailgun(self._changed({**event, "id": "x", "message": {"headers": {}}}), "t", at_s),
            "postmark": lambda: mail.postmark(self._plain({**event, "RecordType": "Open", "MessageID": "m"})),
            "brevo": lambda: mail.brevo(self._plain({**event, "message-id": "m", "ts_event": at_s})),
            "resend": lambda: mail.resend(self._plain({"type": "email.opened", "data": event}), "m", at_s),
            "mandrill": lambda: mail.mandrill(self._plain([{**event, "msg": {"email": "x"}}]).decode()),
            "mailchimp": lambda: mail.mailchimp({"type": "unsubscribe", "data[email]": self._plain("x").decode()}),
            "ses": lambda: mail.ses(mail.notification(self._plain({"eventType": "Open", "mail": event}).decode())),
        }
        service = draw.choice(list(ask))
        found = ask[service]()
        query = f"?{urlencode(found.query)}" if found.query else ""
        return Base("POST", f"/webhooks/{service}{query}", tuple(found.headers.items()), found.body)

    def _plain(self, value: Any) -> bytes:
        """JSON with something wrong in what it says, and nothing in how."""
        return json.dumps(self._changed(value)).encode()

    # On the wire --------------------------------------------------------------------------------------------------

    def _framed(self, method: str, target: str, headers: list[tuple[str, bytes]], body: bytes) -> Sent:
        draw = self._draw
        way = draw.choice(FRAMINGS) if draw.random() < 0.12 else "plain"
        length = str(len(body)).encode()
        say: dict[str, list[tuple[str, bytes]]] = {
            "chunked": [("Transfer-Encoding", b"chunked")],
            "torn": [("Transfer-Encoding", b"chunked")],
            "long": [("Content-Length", str(len(body) + draw.choice((1, 99, 10**7, 10**30))).encode())],
            "short": [("Content-Length", str(len(body) // 2).encode())],
            "none": [],
            "both": [("Content-Length", length), ("Transfer-Encoding", b"chunked")],
            "twice": [("Content-Length", length), ("Content-Length", b"7")],
            "negative": [("Content-Length", draw.choice((b"-1", b"+5", b"0x10", b"1 2", b"", b"\xb2")))],
            "folded": [("Content-Length", length), ("X-Folded", b"a\r\n b")],
            "coded": [("Transfer-Encoding", draw.choice((b"gzip, chunked", b"identity", b"chunked, chunked", b"x")))],
        }
        headers = [*headers, *say.get(way, [("Content-Length", length)])]
        if way in ("chunked", "both", "coded"):
            body = self._chunks(body)
        elif way == "torn":
            body = self._torn(self._chunks(body))
        head = f"{method} {target} HTTP/{'1.0' if way == 'old' else '1.1'}\r\n".encode()
        lines = b"".join(name.encode() + b": " + value + b"\r\n" for name, value in [("Host", b"localhost"), *headers])
        odd = {name.lower() for name, _ in headers} & {"expect", "upgrade", "connection", "host", "te"}
        return Sent(head + lines + b"\r\n" + body, method, way in ("plain", "chunked") and not odd)

    def _chunks(self, body: bytes) -> bytes:
        draw, found, at = self._draw, b"", 0
        while at < len(body):
            size = draw.randrange(1, 2_000)
            part, at = body[at : at + size], at + size
            found += f"{len(part):x}{draw.choice(('', '', ';a=b'))}\r\n".encode() + part + b"\r\n"
        return found + draw.choice((b"0\r\n\r\n", b"0\r\n\r\n", b"0\r\nX-Trailer: 1\r\n\r\n"))


def _captured() -> Iterator[Base]:
    """What real trackers sent."""
    for path in sorted(CAPTURES.glob("*.json")):
        for request in json.loads(path.read_text()).get("requests", ()):
            query = urlencode(request["query"])
            left_out = {"content-length", "content-encoding", "host", "connection"}
            headers = tuple(each for each in request["headers"].items() if each[0].lower() not in left_out)
            yield Base(request["method"], request["path"] + (f"?{query}" if query else ""), headers, request["body"])


def _others() -> Iterator[Base]:
    """What trackers' captures do not show."""
    key = (("Authorization", f"Basic {base64.b64encode(b'WRITEKEY1:').decode()}"),)
    event = {
        "specversion": "1.0",
        "id": "1",
        "source": "/s",
        "type": "Demo Requested",
        "subject": "u",
        "data": {"a": 1},
    }
    yield Base("POST", "/v1/cloudevents", (*key, ("Content-Type", "application/cloudevents+json")), event)
    yield Base("POST", "/v1/cloudevents", (*key, ("Content-Type", "application/cloudevents-batch+json")), [event] * 3)
    binary = tuple((f"ce-{name}", str(value)) for name, value in event.items() if name != "data")
    yield Base("POST", "/v1/cloudevents", (*key, *binary, ("Content-Type", "application/json")), {"a": 1})
    for method in ("GET", "HEAD"):
        yield Base(method, "/v1/pixel.gif?writeKey=WRITEKEY1&userId=u&properties=x&event=Seen", (), None)
        yield Base(method, "/v1/link?" + links.sign_link("https://acme.example/", LINK_SECRET, userId="u"), (), None)
        yield Base(method, f"/unsubscribe/{_ticket()}", (), None)
        yield Base(method, "/webhooks/mailchimp?secret=chimp", (), None)
    form = (("Content-Type", "application/x-www-form-urlencoded"),)
    yield Base("POST", f"/unsubscribe/{_ticket()}", form, b"List-Unsubscribe=One-Click")
    yield Base("GET", "/v1/projects/" + quote("ключ") + "/settings", (), None)


def _ticket() -> str:
    return unsubscribe.unsubscribe_token(LINK_SECRET, unsubscribe.Ticket("ana@acme.example"))

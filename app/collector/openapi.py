"""The OpenAPI 3.1 document of the collector: every route, what it takes, and every answer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib.metadata import version
from typing import Any, Final

from app.collector.schemas import BYTES, LINK_QUERY, PIXEL_QUERY, SCHEMAS, SNOWPLOW_QUERY, Part, ref

SEGMENT_CALLS: Final = {
    "t": "track", "p": "page", "i": "identify", "g": "group", "a": "alias", "s": "screen",
}  # fmt: skip
"""Path -> type of call, as the browser SDKs shorten it."""
SEGMENT_BATCHES: Final = ("b", "batch", "import")
TP2: Final = "/com.snowplowanalytics.snowplow/tp2"


def openapi_document(base_url: str) -> Part:
    """The whole document, for a collector that the world reaches at ``base_url``."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Leadglow collector",
            "version": version("leadglow"),
            "description": _ABOUT,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": base_url}],
        "paths": {path: dict(operations) for path, operations in _paths().items()},
        "components": {
            "schemas": SCHEMAS,
            "responses": {name: _error(*told) for name, told in _ERRORS.items()},
            "securitySchemes": {
                "basic": {"type": "http", "scheme": "basic", "description": "The key as user name, no password."},
                "bearer": {"type": "http", "scheme": "bearer", "description": "The key as token."},
                "query": {"type": "apiKey", "in": "query", "name": "writeKey", "description": "Public keys only."},
            },
        },
    }


_ABOUT: Final = """\
Takes events of websites, servers and mail services. 200 means that Kafka has everything of the request.

A body is read as what it is, JSON, whatever its Content-Type says; `Content-Encoding: gzip` and `deflate` are
understood. A bad event in a good batch goes to the topic of rejects, and the answer is 200 all the same. After 429 and
503 send the same request again after `Retry-After` seconds: `messageId` keeps it from counting twice. Pages may send
from the origins that the keys file names: every path answers a preflight."""


# Paths -----------------------------------------------------------------------------------------------------------


def _paths() -> dict[str, dict[str, Part]]:
    return {
        **{f"/v1/{name}": {"post": _single(name, kind)} for name, kind in SEGMENT_CALLS.items()},
        **{f"/v1/{kind}": {"post": _single(kind, kind)} for kind in SEGMENT_CALLS.values()},
        **{f"/v1/{name}": {"post": _batch(name)} for name in SEGMENT_BATCHES},
        TP2: {"post": _tracked("snowplowPost", "Events of a Snowplow tracker", "SnowplowPayload")},
        "/i": {"get": _image("snowplowGet", "One event of a Snowplow tracker", SNOWPLOW_QUERY)},
        "/v1/cloudevents": {"post": _cloudevents()},
        "/v1/pixel.gif": _looked("pixel", lambda name: _image(name, "A picture that counts", PIXEL_QUERY)),
        "/v1/link": _looked("link", _link),
        "/webhooks/{name}": _webhooks(),
        "/unsubscribe/{token}": _unsubscribe(),
        "/v1/projects/{write_key}/settings": {"get": _settings()},
        "/sourceConfig": {"get": _source_config("sourceConfig")},
        "/sourceConfig/": {"get": _source_config("sourceConfigSlash")},
        "/leadglow.js": {"get": _plain("snippet", "Trackers", "Our own tracker", "text/javascript; charset=utf-8")},
        "/openapi.json": {"get": _json("openapi", "Documents", "This document", {"type": "object"})},
    }


def _single(name: str, kind: str) -> Part:
    about = f"One {kind} call, or an array of calls. A call without a known `type` is taken as {kind}."
    return _tracked(f"segment_{name}", about, "Call", "Calls")


def _batch(name: str) -> Part:
    return _tracked(f"segment_{name}", "A batch of calls, an array of calls, or one call.", "Batch", "Calls", "Call")


def _tracked(name: str, about: str, *schemas: str) -> Part:
    """An operation that takes JSON from who shows a key."""
    refs = [ref(schema) for schema in schemas]
    schema = refs[0] if len(refs) == 1 else {"anyOf": refs}
    text = {"schema": {"type": "string", "description": "The same JSON, as browsers send it without a preflight."}}
    return {
        "operationId": name,
        "summary": about,
        "tags": ["Trackers"],
        "security": _SECURITY,
        "requestBody": {"required": True, "content": {"application/json": {"schema": schema}, "text/plain": text}},
        "responses": {"200": _ok("Accepted"), **_refusals(*_TRACKED)},
    }


def _cloudevents() -> Part:
    found = _tracked("cloudevents", "CloudEvents 1.0: structured, binary (`ce-` headers) or batched.", "CloudEvent")
    content = found["requestBody"]["content"]
    content["application/cloudevents+json"] = {"schema": ref("CloudEvent")}
    content["application/cloudevents-batch+json"] = {"schema": {"type": "array", "items": ref("CloudEvent")}}
    return found


def _image(name: str, about: str, query: Mapping[str, str]) -> Part:
    return {
        "operationId": name,
        "summary": about,
        "tags": ["Trackers"],
        "security": _SECURITY,
        "parameters": _query(query),
        "responses": {
            "200": {"description": "Kept; a transparent point.", "content": {"image/gif": {"schema": BYTES}}},
            **_refusals(*_TRACKED),
        },
    }


def _link(name: str) -> Part:
    return {
        "operationId": name,
        "summary": "Count a click on a signed link, and send the visitor on, even while Kafka is away",
        "tags": ["Trackers"],
        "parameters": _query(LINK_QUERY),
        "responses": {
            "302": {
                "description": "To the signed target.",
                "headers": {"Location": {"schema": {"type": "string", "format": "uri"}}},
            },
            **_refusals("400", "403", "408", "410", "413", "415", "503"),
        },
    }


def _webhooks() -> dict[str, Part]:
    statuses = ("400", "401", "403", "404", "405", "406", "408", "413", "415", "503")
    shared = {
        "tags": ["Mail"],
        "parameters": [_in_path("name", "A webhook's name in the keys file.")],
        "responses": {"200": _ok("Accepted"), **_refusals(*statuses)},
    }
    body: Part = {"content": {kind: {"schema": {}} for kind in ("application/json", "text/plain")}}
    body["content"]["application/x-www-form-urlencoded"] = {"schema": {"type": "object"}}
    post = {"operationId": "webhook", "summary": "Events of a mail service, signed as it signs", "requestBody": body}
    return {
        "post": {**post, **shared},
        **_looked("webhookCheck", lambda name: {"operationId": name, "summary": "A service's set-up asks", **shared}),
    }


def _unsubscribe() -> dict[str, Part]:
    page = {"200": {"description": "A page.", "content": {"text/html; charset=utf-8": {"schema": {"type": "string"}}}}}
    shared = {
        "tags": ["Mail"],
        "parameters": [_in_path("token", "What stands in the mail, signed.")],
        "responses": {**page, **_refusals("400", "404", "408", "413", "415", "503")},
    }
    form = {
        "type": "object",
        "required": ["List-Unsubscribe"],
        "properties": {"List-Unsubscribe": {"const": "One-Click"}},
    }
    kinds = ("application/x-www-form-urlencoded", "multipart/form-data")
    body = {"required": True, "content": {kind: {"schema": form} for kind in kinds}}
    post = {"operationId": "unsubscribe", "summary": "Unsubscribe, RFC 8058", "requestBody": body}
    about = "A button; looking at it changes nothing"
    return {
        "post": {**post, **shared},
        **_looked("unsubscribePage", lambda name: {"operationId": name, "summary": about, **shared}),
    }


def _settings() -> Part:
    found = _json("segmentSettings", "Trackers", "What analytics-next asks for first", {"type": "object"})
    return {**found, "parameters": [_in_path("write_key", "A public write key.")]}


def _source_config(name: str) -> Part:
    found = _json(name, "Trackers", "What the RudderStack SDK asks for first", {"type": "object"})
    return {**found, "parameters": _query({"writeKey": "A public write key."})}


# Parts -----------------------------------------------------------------------------------------------------------


def _looked(name: str, make: Any) -> dict[str, Part]:
    """The same for GET and HEAD; an answer to HEAD has no body."""
    head = make(f"{name}Head")
    responses = {status: _bodiless(answer) for status, answer in head["responses"].items()}
    return {"get": make(name), "head": {**head, "responses": responses}}


def _bodiless(answer: Part) -> Part:
    if "$ref" in answer:
        return {"description": _ERRORS[answer["$ref"].rpartition("/")[2]][0]}
    return {key: value for key, value in answer.items() if key != "content"}


def _plain(name: str, tag: str, about: str, kind: str) -> Part:
    answer = {"description": about, "content": {kind: {"schema": {"type": "string"}}}}
    return {"operationId": name, "summary": about, "tags": [tag], "responses": {"200": answer}}


def _json(name: str, tag: str, about: str, schema: Part) -> Part:
    answer = {"description": about, "content": {"application/json": {"schema": schema}}}
    return {"operationId": name, "summary": about, "tags": [tag], "responses": {"200": answer}}


def _ok(schema: str) -> Part:
    about = "Kafka has everything of the request."
    return {"description": about, "content": {"application/json": {"schema": ref(schema)}}}


def _query(names: Mapping[str, str]) -> list[Part]:
    return [
        {"name": name, "in": "query", "description": about, "schema": {"type": "string"}}
        for name, about in names.items()
    ]


def _in_path(name: str, about: str) -> Part:
    schema = {"type": "string", "minLength": 1, "pattern": "^[^/]+$"}
    return {"name": name, "in": "path", "required": True, "description": about, "schema": schema}


def _refusals(*statuses: str) -> dict[str, Part]:
    return {status: {"$ref": f"#/components/responses/{status}"} for status in statuses}


def _error(about: str, retry: bool = False) -> Part:
    headers = {"Retry-After": {"description": "Seconds.", "schema": {"type": "integer"}}} if retry else {}
    return {"description": about, "headers": headers, "content": {"application/json": {"schema": ref("Error")}}}


_SECURITY: Final[list[dict[str, list[str]]]] = [{"basic": []}, {"bearer": []}, {"query": []}, {}]
"""The last: Segment's bodies carry `writeKey`, Snowplow's `aid`."""
_TRACKED: Final = ("400", "401", "403", "408", "413", "415", "429", "503")
_ERRORS: Final[dict[str, tuple[str, bool]]] = {
    "400": ("Nothing in the request can be used.", False),
    "401": ("The key, or the service's own proof, is missing or unknown.", False),
    "403": ("The key is not for this origin, or the signature is wrong.", False),
    "404": ("There is no such webhook or address.", False),
    "405": ("This service takes no such request.", False),
    "406": ("The signature is wrong; to the service it means not to send it again.", False),
    "408": ("The body took too long.", False),
    "410": ("The time of this link is over.", False),
    "413": ("The body is too large when inflated, or has too many events.", False),
    "415": ("The body is compressed in a way that is not understood.", False),
    "429": ("The key, or the address, sends more than its rate allows.", True),
    "503": ("Kafka does not answer, or too much is in flight: send the same again later.", True),
}


def operations(found: Part) -> Iterable[tuple[str, str]]:
    """Every (method, path) of a document."""
    return ((method.upper(), path) for path, methods in found["paths"].items() for method in methods)

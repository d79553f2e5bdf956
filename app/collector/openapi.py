"""The OpenAPI 3.1 document of the collector: every route, its request and its responses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.metadata import version
from typing import Final

from app.collector import cloudevents, links, segment, snippet, snowplow, tracker_pixels, webhooks
from app.collector.schemas import BYTES, SCHEMAS, Part, ref
from app.collector.webhooks import unsubscribe

PATH: Final = "/openapi.json"


def openapi_document(base_url: str) -> Part:
    """The whole document, for a collector at ``base_url``."""
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
            "responses": {name: _error(*about) for name, about in _ERRORS.items()},
            "securitySchemes": {
                "basic": {"type": "http", "scheme": "basic", "description": "The key as user name, no password."},
                "bearer": {"type": "http", "scheme": "bearer", "description": "The key as token."},
                "query": {"type": "apiKey", "in": "query", "name": "writeKey", "description": "Public keys only."},
            },
        },
    }


_ABOUT: Final = """\
Accepts events of websites, servers and mail services. 200 means that Kafka has acknowledged the whole request.

A body is parsed as JSON whatever its Content-Type is; `Content-Encoding: gzip` and `deflate` are supported. An invalid
event in a valid batch goes to the topic of rejects, and the response is still 200. After 429 and 503 send the same
request again after `Retry-After` seconds: with the same `messageId` it counts once. Pages may send from the origins in
the keys file; every path answers a preflight."""


# Paths -----------------------------------------------------------------------------------------------------------


def _paths() -> dict[str, dict[str, Part]]:
    return {
        **{path: {"post": _call_operation(path, kind)} for path, kind in segment.CALL_PATHS.items()},
        **{path: {"post": _batch_operation(path)} for path in segment.BATCH_PATHS},
        snowplow.POST_PATH: {"post": _tracked("snowplowPost", "Events of a Snowplow tracker", "SnowplowPayload")},
        snowplow.GET_PATH: {"get": _image("snowplowGet", "One event of a Snowplow tracker", snowplow.QUERY)},
        cloudevents.PATH: {"post": _cloudevents()},
        links.PIXEL_PATH: _get_and_head("pixel", lambda name: _image(name, "A tracking pixel", links.PIXEL_QUERY)),
        **{path: _get_and_head(name, _tracker_pixel) for path, name in zip(tracker_pixels.PATHS, _PIXELS, strict=True)},
        links.LINK_PATH: _get_and_head("link", _link),
        webhooks.PATH: _webhooks(),
        unsubscribe.PATH: _unsubscribe(),
        segment.SETTINGS_PATH: {"get": _settings()},
        **{path: {"get": _source_config(path)} for path in segment.SOURCE_CONFIG_PATHS},
        snippet.PATH: {"get": _plain("snippet", "Trackers", "Our own tracking snippet", snippet.CONTENT_TYPE)},
        PATH: {"get": _json("openapi", "Documents", "This document", {"type": "object"})},
    }


def _call_operation(path: str, kind: str) -> Part:
    about = f"One {kind} call, or an array of calls. A call without a known `type` is a {kind} call."
    return _tracked(_segment_name(path), about, "Call", "Calls")


def _batch_operation(path: str) -> Part:
    about = "A batch of calls, an array of calls, or one call."
    return _tracked(_segment_name(path), about, "Batch", "Calls", "Call")


def _segment_name(path: str) -> str:
    return f"segment_{path.removeprefix('/v1').strip('/').replace('/', '_')}"


def _tracked(name: str, about: str, *schemas: str) -> Part:
    """An operation that accepts JSON from senders with a key."""
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
            "200": {"description": "Accepted; a transparent pixel.", "content": {"image/gif": {"schema": BYTES}}},
            **_refusals(*_TRACKED),
        },
    }


_PIXELS: Final = ("segmentPixel", "rudderstackPixel")


def _tracker_pixel(name: str) -> Part:
    found = _image(name, "A tracking pixel of Segment or RudderStack", tracker_pixels.QUERY)
    kind = _in_path("type", "The type of call: track, page, identify, …")
    return {**found, "parameters": [kind, *found["parameters"]]}


def _link(name: str) -> Part:
    return {
        "operationId": name,
        "summary": "Count a click on a signed link and redirect the visitor, even if Kafka cannot be reached",
        "tags": ["Trackers"],
        "parameters": _query(links.LINK_QUERY),
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
    post = {"operationId": "webhook", "summary": "Events of a mail service, signed in its own way", "requestBody": body}
    return {
        "post": {**post, **shared},
        **_get_and_head(
            "webhookCheck",
            lambda name: {"operationId": name, "summary": "A service checks the address during set-up", **shared},
        ),
    }


def _unsubscribe() -> dict[str, Part]:
    page = {"200": {"description": "A page.", "content": {"text/html; charset=utf-8": {"schema": {"type": "string"}}}}}
    shared = {
        "tags": ["Mail"],
        "parameters": [_in_path("token", "The signed token in the mail.")],
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
    about = "A page with a button; viewing it changes nothing"
    return {
        "post": {**post, **shared},
        **_get_and_head("unsubscribePage", lambda name: {"operationId": name, "summary": about, **shared}),
    }


def _settings() -> Part:
    found = _json("segmentSettings", "Trackers", "The settings that analytics-next requests first", {"type": "object"})
    return {**found, "parameters": [_in_path("write_key", "A public write key.")]}


def _source_config(path: str) -> Part:
    name = "sourceConfigSlash" if path.endswith("/") else "sourceConfig"
    found = _json(name, "Trackers", "The settings that the RudderStack SDK requests first", {"type": "object"})
    return {**found, "parameters": _query({"writeKey": "A public write key."})}


# Parts -----------------------------------------------------------------------------------------------------------


def _get_and_head(name: str, make: Callable[[str], Part]) -> dict[str, Part]:
    """The same operation for GET and HEAD; a response to HEAD has no body."""
    head = make(f"{name}Head")
    responses = {status: _without_body(answer) for status, answer in head["responses"].items()}
    return {"get": make(name), "head": {**head, "responses": responses}}


def _without_body(answer: Part) -> Part:
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
    about = "Kafka has acknowledged the whole request."
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
"""The last one: the key may be in the body, as `writeKey` (Segment) or `aid` (Snowplow)."""
_TRACKED: Final = ("400", "401", "403", "408", "413", "415", "429", "503")
_ERRORS: Final[dict[str, tuple[str, bool]]] = {
    "400": ("Nothing in the request can be used.", False),
    "401": ("The key, or the service's secret or signature, is missing or unknown.", False),
    "403": ("The key does not allow this origin, or the signature is wrong.", False),
    "404": ("There is no such webhook or address.", False),
    "405": ("The address does not accept this method.", False),
    "406": ("The signature is wrong; this status makes the service stop sending the request again.", False),
    "408": ("The body did not arrive in time.", False),
    "410": ("The link has expired.", False),
    "413": ("The body is too large when inflated, or has too many events.", False),
    "415": ("The compression of the body is not supported.", False),
    "429": ("The key or the address exceeds its rate.", True),
    "503": ("Kafka does not answer, or too much is in flight: send the same request again later.", True),
}

"""Names what an event was, for people: the page, the asset, the search term, the campaign, the mail, the form. Pure."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final
from urllib.parse import parse_qs, unquote, urlsplit

from streams.scoring.texts import number_of

MAX_CHARS: Final = 120
"""A longer text is cut."""
MAX_FIELDS: Final = 10
MAX_FIELD_NAME_CHARS: Final = 60
MAX_SHOWN: Final = 5
"""Values of a list that are shown."""
_MAX_READ: Final = 8 * MAX_CHARS
"""Characters of a text that are looked at."""
MAX_AMOUNT: Final = 10.0**15
_TERMS: Final = ("q", "query", "search", "s", "term")
"""Parameters of a URL that hold a search term."""

_Path = tuple[str, str]
"""An object of the event, and the name of a value in it."""
_TITLE: Final[tuple[_Path, ...]] = (
    ("properties", "title"), ("properties", "page_title"), ("context.page", "title"),
)  # fmt: skip
_PATH: Final[tuple[_Path, ...]] = (("properties", "path"), ("context.page", "path"))
_URL: Final[tuple[_Path, ...]] = (("properties", "url"), ("context.page", "url"))
_ASSET: Final = tuple(
    ("properties", name)
    for name in (
        "asset", "asset_name", "file_name", "filename", "file", "document", "download", "video_title", "product_name",
        "product",
    )
)  # fmt: skip
_SEARCH: Final = tuple(("properties", name) for name in ("search_term", "searchTerm", "query", "term", "keyword", "q"))
_QUERY: Final[tuple[_Path, ...]] = (("properties", "search"), ("context.page", "search"))
_CAMPAIGN: Final[tuple[tuple[_Path, ...], ...]] = (
    (("context.campaign", "source"), ("properties", "utm_source")),
    (("context.campaign", "medium"), ("properties", "utm_medium")),
    (
        ("context.campaign", "name"), ("properties", "utm_campaign"), ("properties", "campaign_name"),
        ("properties", "campaign"),
    ),
)  # fmt: skip
_SUBJECT: Final = tuple(("properties", name) for name in ("subject", "email_subject", "mail_subject"))
_FORM: Final = tuple(("properties", name) for name in ("form_name", "form", "form_id"))
_FIELDS: Final = ("fields", "form_fields", "answers", "form")
_AMOUNT: Final = tuple(("properties", name) for name in ("amount", "revenue", "value", "total", "price"))
_CURRENCY: Final[tuple[_Path, ...]] = (("properties", "currency"),)
_ORDER: Final = ("mail_subject", "asset", "search", "form", "title", "path", "campaign")
"""Of these the first one is shown if no signal says otherwise."""
NOT_PERSONAL: Final = frozenset(
    ".".join(path)
    for paths in (_TITLE, _PATH, _URL, _ASSET, _SEARCH, *_CAMPAIGN, _SUBJECT, _FORM, _AMOUNT, _CURRENCY)
    for path in paths
) | {"event", "name", "type"}
"""Paths that ``show`` of a signal may name without hiding the text from people who may not see traits."""
_Objects = Mapping[str, Mapping[str, Any]]


def name_event(call: Mapping[str, Any], show: Iterable[str] = ()) -> dict[str, Any]:
    """What an event was, in bounded texts without control characters; ``show`` are the paths that its signals name.

    Returns:
        Those of ``title``, ``path``, ``asset``, ``search``, ``campaign``, ``mail_subject``, ``form``, ``form_fields``,
        ``amount`` and ``currency`` that it has; ``show`` is the one to show. ``personal``: only people who may see
        traits may see ``show``.
    """
    objects = _objects(call)
    found: dict[str, Any] = {
        "title": _first(objects, _TITLE) or _page_name(call),
        "path": _path(objects),
        "asset": _asset(objects),
        "search": _search(objects),
        "campaign": " / ".join(filter(None, [_first(objects, paths) for paths in _CAMPAIGN])),
        "mail_subject": _first(objects, _SUBJECT),
        "form": _first(objects, _FORM),
        "form_fields": _form_fields(objects["properties"]),
    }
    amount = next((number for value in _values(objects, _AMOUNT) if (number := number_of(value)) is not None), None)
    if amount is not None and abs(amount) < MAX_AMOUNT:
        found |= {"amount": amount, "currency": _first(objects, _CURRENCY)}
    wanted = {path: text for path in show if (text := clean_text(value_at(call, path)))}
    found["show"] = " · ".join(wanted.values()) or next((found[name] for name in _ORDER if found[name]), "")
    found["personal"] = not wanted.keys() <= NOT_PERSONAL
    return {name: value for name, value in found.items() if value not in ("", {}, False)}


def clean_text(value: Any, most: int = MAX_CHARS) -> str:
    """A text, number, boolean or list of these in one line; empty for anything else."""
    if isinstance(value, list):
        return clean_text(", ".join(filter(None, map(clean_text, value[:MAX_SHOWN]))), most)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return f"{value:.15g}" if abs(value) < MAX_AMOUNT else ""
    if not isinstance(value, str):
        return ""
    if value.isprintable() and len(value) <= most:
        return " ".join(value.split())
    kept = "".join(" " if each.isspace() else each for each in value[:_MAX_READ] if each.isspace() or _is_shown(each))
    text = " ".join(kept.split())
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


def value_at(call: Any, path: str) -> Any:
    """The value at a path of names with dots between them; None if it is missing."""
    for name in path.split("."):
        if not isinstance(call, Mapping):
            return None
        call = call.get(name)
    return call


def _is_shown(letter: str) -> bool:
    """Whether a character is no control character, and does not change the direction of the text."""
    return unicodedata.category(letter)[0] != "C"


def _objects(call: Mapping[str, Any]) -> _Objects:
    """The objects of an event that paths begin with."""
    context = _object(call, "context")
    return {
        "properties": _object(call, "properties"),
        "context.page": _object(context, "page"),
        "context.campaign": _object(context, "campaign"),
    }


def _object(parent: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = parent.get(name)
    return value if isinstance(value, dict) else {}


def _values(objects: _Objects, paths: Iterable[_Path]) -> Iterator[Any]:
    """The values at those of the paths that have one."""
    return (value for name, key in paths if (value := objects[name].get(key)) is not None)


def _first(objects: _Objects, paths: Iterable[_Path]) -> str:
    """The first text at one of these paths."""
    for name, key in paths:
        if (value := objects[name].get(key)) is not None and (text := clean_text(value)):
            return text
    return ""


def _page_name(call: Mapping[str, Any]) -> str:
    return clean_text(call.get("name")) if call.get("type") in ("page", "screen") else ""


def _path(objects: _Objects) -> str:
    """The path of the page or of the link, without what follows ``?``, which may be secret."""
    if path := _first(objects, _PATH):
        return clean_text(path.partition("?")[0])
    return next(filter(None, (_path_of(url) for url in _values(objects, _URL) if isinstance(url, str))), "")


def _path_of(url: str) -> str:
    try:
        return clean_text(unquote(urlsplit(url[:_MAX_READ]).path))
    except ValueError:
        return ""


def _asset(objects: _Objects) -> str:
    """The name of a file; of a URL the last part."""
    asset = _first(objects, _ASSET)
    return clean_text(_path_of(asset).rstrip("/").rpartition("/")[2]) or asset if "/" in asset else asset


def _search(objects: _Objects) -> str:
    """The search term, from its own property or from the parameters of the page."""
    if term := _first(objects, _SEARCH):
        return term
    for given in (each for each in _values(objects, _QUERY) if isinstance(each, str) and each):
        if not given.startswith("?"):
            return clean_text(given)
        try:
            asked = parse_qs(given[1:_MAX_READ], max_num_fields=100)
        except ValueError:
            continue
        if found := next((asked[name][0] for name in _TERMS if name in asked), ""):
            return clean_text(found)
    return ""


def _form_fields(properties: Mapping[str, Any]) -> dict[str, str]:
    """The fields of a form: an object, or a list of objects with a name and a value."""
    for fields in filter(None, map(properties.get, _FIELDS)):
        pairs = list(fields.items()) if isinstance(fields, dict) else _pairs(fields)
        texts = ((clean_text(name, MAX_FIELD_NAME_CHARS), clean_text(value)) for name, value in pairs[:MAX_FIELDS])
        if found := {name: text for name, text in texts if name and text}:
            return found
    return {}


def _pairs(fields: Any) -> list[tuple[Any, Any]]:
    rows = [row for row in fields[:MAX_FIELDS] if isinstance(row, dict)] if isinstance(fields, list) else []
    return [(row.get("label") or row.get("name") or row.get("field"), row.get("value")) for row in rows]

"""URLs of pages: their parts as page properties, and their campaign. Pure."""

from __future__ import annotations

from typing import Final
from urllib.parse import parse_qsl, urlsplit

_CAMPAIGN: Final = {
    "utm_source": "source",
    "utm_medium": "medium",
    "utm_campaign": "name",
    "utm_term": "term",
    "utm_content": "content",
}


def page_of(url: str, title: str = "", referrer: str = "") -> dict[str, str]:
    """The page properties, as Segment's browser library sets them."""
    try:
        parts = urlsplit(url)
    except ValueError:  # an invalid host
        return {"url": url, "title": title, "referrer": referrer}
    search = f"?{parts.query}" if parts.query else ""
    return {"url": url, "path": parts.path or "/", "search": search, "title": title, "referrer": referrer}


def campaign_of(search: str) -> dict[str, str]:
    """The ``utm_`` parameters, named as in ``context.campaign``; the first one of each name counts."""
    campaign: dict[str, str] = {}
    if "utm_" in search:
        for name, value in parse_qsl(search.removeprefix("?")):
            if name in _CAMPAIGN:
                campaign.setdefault(_CAMPAIGN[name], value)
    return campaign

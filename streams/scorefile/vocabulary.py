"""Names that events have: call types, standard track calls, fields. For warnings about what looks like one of them."""

from __future__ import annotations

import re
from collections.abc import Collection
from difflib import get_close_matches
from typing import Final

from streams.scoring.scorecard import CALL_TYPES

MAIL_EVENTS: Final = (
    "Email Delivered",
    "Email Opened",
    "Email Link Clicked",
    "Email Bounced",
    "Email Marked as Spam",
    "Unsubscribed",
    "Subscribed",
)
"""What the collector names the events of mail services."""
_OTHER_EVENTS: Final = (
    "Signed Up",
    "Signed In",
    "Signed Out",
    "Trial Started",
    "Trial Ended",
    "Application Installed",
    "Application Opened",
    "Products Searched",
    "Product List Viewed",
    "Product Clicked",
    "Product Viewed",
    "Product Added",
    "Product Removed",
    "Cart Viewed",
    "Checkout Started",
    "Payment Info Entered",
    "Order Completed",
    "Order Refunded",
    "Order Cancelled",
    "Coupon Applied",
    "Product Shared",
    "Product Reviewed",
)
"""Of the Segment spec."""
_SYNONYMS: Final = {
    **dict.fromkeys(("pageview", "pageviewed", "viewedpage", "pagevisit", "pagevisited", "pageload", "pages"), "page"),
    **dict.fromkeys(("screenview", "screenviewed", "screens"), "screen"),
    **dict.fromkeys(("identified", "identifycall"), "identify"),
    **dict.fromkeys(("emailopen", "emailopens", "openedemail", "openemail", "mailopened"), "Email Opened"),
    **dict.fromkeys(
        ("emailclick", "emailclicked", "clickedemail", "linkclicked", "emaillinkclick"), "Email Link Clicked"
    ),
    **dict.fromkeys(("emailbounce", "bounced", "hardbounce"), "Email Bounced"),
    **dict.fromkeys(("spam", "spamreport", "emailspam", "markedasspam", "spamcomplaint"), "Email Marked as Spam"),
    **dict.fromkeys(("unsubscribe", "emailunsubscribed", "emailunsubscribe", "optout", "optedout"), "Unsubscribed"),
    **dict.fromkeys(("subscribe", "emailsubscribed", "optin", "optedin"), "Subscribed"),
    **dict.fromkeys(("emailsent", "emaildeliver", "delivered"), "Email Delivered"),
    **dict.fromkeys(("signup", "signedup"), "Signed Up"),
}
_FIELDS: Final = (
    *("type", "event", "userId", "anonymousId", "messageId", "groupId", "previousId", "name", "category", "channel"),
    *("properties", "traits", "context", "integrations", "timestamp", "originalTimestamp", "sentAt", "receivedAt"),
    *("writeKey", "projectId", "version", "leadglow", "metadata", "_metadata", "rudderId", "request_ip"),
)
"""At the top of an event."""
_OF_FIELDS: Final = {
    "properties": {name: name for name in ("url", "path", "title", "referrer", "search")},
    "context": {"useragent": "userAgent", "user_agent": "userAgent", "utm": "campaign"},
}
"""Names that the Segment spec has below a field, in lower case, and as they are written."""
OBJECTS: Final = ("properties", "context", "traits", "integrations", "context.campaign", "context.page")
"""Fields that have fields."""
SINGLE: Final = frozenset(
    [
        "url",
        "path",
        "title",
        "referrer",
        "search",
        "name",
        "email",
        "phone",
        "company",
        "plan",
        "country",
        "region",
        "state",
        "city",
        "zip",
        "postal_code",
        "first_name",
        "last_name",
        "firstName",
        "lastName",
        "job_title",
        "currency",
        "locale",
        "type",
        "event",
        "userId",
        "userAgent",
        "ip",
    ]
)
"""Names of fields and traits that have one value, and no list."""
_ELSEWHERE: Final = {
    "useragent": "context.userAgent",
    "user_agent": "context.userAgent",
    "ip": "context.ip",
    "locale": "context.locale",
    "campaign": "context.campaign",
    "user_id": "userId",
    "anonymous_id": "anonymousId",
    "props": "properties",
    "property": "properties",
    "params": "properties",
    "data": "properties",
    "payload": "properties",
    "page": "properties",
    "trait": "traits",
    "user": "traits",
    "ctx": "context",
}


def find_standard_event(name: str) -> str:
    """The standard name that a name nearly is; empty if it is one, or like none."""
    known = (*CALL_TYPES, *MAIL_EVENTS, *_OTHER_EVENTS)
    if name in known:
        return ""
    plain = _letters(name)
    standard = {_letters(each): each for each in known}
    found = standard.get(plain) or _SYNONYMS.get(plain) or _MAIL_WORDS.get(_stems(name), "")
    close = [] if found or len(plain) < 8 else get_close_matches(plain[:64], standard, n=1, cutoff=0.92)
    return standard[close[0]] if close else found


def correct_event_path(path: str) -> str:
    """The path that was probably meant; empty if the path is one that events have."""
    first, dot, rest = re.sub(r"^(properties|context|traits)[^\w.]+(?=.)", r"\1.", path).partition(".")
    if rest and first.casefold() in ("event", "$"):
        return correct_event_path(rest) or rest
    utm = re.fullmatch(r"(?:context\.(?:campaign\.)?)?utm_(source|medium|term|content|campaign)", path.casefold())
    if utm:
        return f"context.campaign.{utm[1].replace('campaign', 'name')}"
    if first in _FIELDS:
        known = _OF_FIELDS.get(first, {}).get(rest.casefold(), rest)
        corrected = first + dot + known
        return corrected if corrected != path else ""
    fields = {_letters(field): field for field in _FIELDS}
    elsewhere = fields.get(_letters(first)) or _ELSEWHERE.get(first.casefold())
    if elsewhere in OBJECTS and not rest and "." in elsewhere:
        return f"{elsewhere}.name"
    if elsewhere and (rest or "." in elsewhere or elsewhere in _FIELDS):
        found = elsewhere + dot + rest
        return correct_event_path(found) or found
    return f"properties.{path}"


def correct_trait(path: str, known: Collection[str] = ("properties", "traits", "user", "identify", "context")) -> str:
    """The trait that was probably meant; empty if the path is that of a trait."""
    parts = path.split(".")
    while len(parts) > 1 and parts[0] in (*known, "$", "event"):
        del parts[0]
    if parts == ["group"]:
        return "group.name"
    if len(parts) > 2 and parts[:2] == ["group", "traits"]:
        del parts[1]
    corrected = ".".join(parts)
    return corrected if corrected != path else ""


def _stems(name: str) -> frozenset[str]:
    """The words of a name without their endings."""
    return frozenset(re.sub(r"(e?s|ed)$", "", word) for word in re.split(r"[\W_]+", name.casefold()))


def _letters(text: str) -> str:
    return re.sub(r"[\W_]+", "", text.casefold())


_MAIL_WORDS: Final = {**{_stems(name): name for name in MAIL_EVENTS}, _stems("Email Click"): "Email Link Clicked"}
"""The words of each name, in any order and form."""

"""Determines the lead that an event belongs to.

An event identifies its lead by ``userId``, ``anonymousId`` or an e-mail address. The first of these that is a valid id
is its owner. ``identify`` and ``alias`` join the other identities to it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from hashlib import sha256
from typing import Annotated, Any, Final, NamedTuple

import msgspec

from streams.events.rejects import MAX_ID_CHARS, Refused
from streams.scoring.event import ANONYMOUS, EMAIL, USER, Identity

MAX_EMAIL_CHARS: Final = 320
_MAILTO: Final = "mailto:"
Id = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_ID_CHARS)]
"""An id in a call that is decoded into a structure. ``clean_id`` has not checked it yet."""
PLACEHOLDERS: Final = frozenset(
    {"undefined", "null", "none", "nil", "nan", "[object object]", "true", "false", "anonymous", "guest", "n/a"}
    | {"not set", "-", "-1", "0", "00000000-0000-0000-0000-000000000000"}
)
"""What senders write where there is no id, in lower case; so are zeros, and merge tags that were not replaced."""
_QUOTES: Final = "\"'`()<>"
"""A placeholder may be within these: ``"undefined"``, ``(null)``, ``<nil>``."""
ODD_FIRST: Final = " 0-[{*%$#@" + _QUOTES
"""An id that begins so, or ends as in ODD_LAST, may have to be trimmed or be a placeholder other than a word."""
ODD_LAST: Final = " }]*%$#@" + _QUOTES
WORD_SHAPES: Final = tuple(sorted({256 * len(word) + ord(word[0]) for word in PLACEHOLDERS if word[0].isalpha()}))
"""Length and first letter of placeholders that are words."""
_MAX_WORD_CHARS: Final = WORD_SHAPES[-1] // 256
_MERGE_TAGS: Final = (
    *(("{{", "}}"), ("*|", "|*"), ("%%", "%%"), ("${", "}"), ("<%", "%>")),
    *(("[[", "]]"), ("[%", "%]"), ("{!", "}"), ("{$", "}"), ("#{", "}"), ("$[", "]$")),
)
"""How the merge tags of mail services begin and end."""
_NAMED_TAG: Final = re.compile(r"([%#@])[A-Za-z_][\w.:-]*\1")
"""A name between two equal marks, such as Mailgun's ``%recipient.id%``."""
_TAG_MARKS: Final = "{}*%$<>[]#@"
_CONTROLS: Final = re.compile("[\0-\x1f\x7f-\x9f\ud800-\udfff]")
_AROUND: Final = (
    "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f"
    "\u205f\u3000\xad\u180e\u200b\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\u2061\u2062\u2063\u2064\u2066\u2067"
    "\u2068\u2069\ufeff"
)
"""White space, and format characters that come with copied texts; not joiners, which belong to words and emoji."""
_MAX_WHOLE: Final = 1e21
"""JavaScript writes larger numbers with an exponent, too."""


class LeadIds(NamedTuple):
    """The ids and the e-mail address in an event; an empty string for each one that is missing."""

    user_id: str = ""
    anonymous_id: str = ""
    email: str = ""
    """In the case in which it was written; ``email_id`` converts it to lower case."""


def owner_of(sent: Mapping[str, Any]) -> Identity:
    """The identity that an event belongs to.

    Raises:
        Refused: the event has no identity.
    """
    return identities(sent)[0]


def identities(sent: Mapping[str, Any]) -> list[Identity]:
    """All identities in an event, its owner first. Ids that are not valid are ignored.

    Raises:
        Refused: the event has no identity.
    """
    ids = lead_ids(sent)
    known = [Identity(kind, name) for kind, name in ((USER, ids.user_id), (ANONYMOUS, ids.anonymous_id)) if name]
    if ids.email:
        known.append(Identity(EMAIL, email_id(ids.email)))
    if not known:
        raise Refused(_reason_for_none(sent))
    return known


def lead_ids(sent: Mapping[str, Any]) -> LeadIds:
    """The valid ids and the e-mail address in an event."""
    return LeadIds(clean_id(sent.get("userId")), clean_id(sent.get("anonymousId")), _email_of(sent))


def plain_owner(user_id: Any, anonymous_id: Any) -> str:
    """The id of the owner; empty if only an e-mail address can identify the lead."""
    return (clean_id(user_id) if user_id else "") or clean_id(anonymous_id)


def previous_identity(sent: Mapping[str, Any]) -> Identity | None:
    """The identity that an ``alias`` call joins to its owner."""
    previous = clean_id(sent.get("previousId"))
    if not previous:
        return None
    return Identity(ANONYMOUS if previous == clean_id(sent.get("anonymousId")) else USER, previous)


def names_user(sent: Mapping[str, Any], lead_id: str) -> bool:
    """Whether the ``userId`` of an event is this lead id, which may be older than the rules for ids."""
    user_id = sent.get("userId")
    return user_id == lead_id or _text_of(user_id) == lead_id


def record_key(call: Mapping[str, Any]) -> bytes:
    """The key of a call's record in a source topic: its owner's id, or e-mail address in lower case; empty for none."""
    owner = plain_owner(call.get("userId"), call.get("anonymousId")) or _email_of(call).lower()
    return owner.encode(errors="replace")


def name_lead(call: dict[str, Any], user_id: Any = "", anonymous_id: Any = "", email: str = "") -> None:
    """Add the ids and the e-mail address of a lead to a call. An e-mail address in the call is kept."""
    if user_id:
        call["userId"] = user_id
    if anonymous_id:
        call["anonymousId"] = anonymous_id
    if email:
        call.setdefault("context", {}).setdefault("traits", {}).setdefault("email", email)


def clean_id(value: Any) -> str:
    """An id as a text without white space around it; empty where there is none.

    Missing values, placeholders, lists, objects, texts with control characters and very long ones are no id.
    """
    if (
        type(value) is str
        and value.isprintable()  # what is to be trimmed is not, but for the space
        and 0 < len(value) <= MAX_ID_CHARS
        and value[0] not in ODD_FIRST
        and value[-1] not in ODD_LAST
    ):
        return "" if len(value) <= _MAX_WORD_CHARS and value.lower() in PLACEHOLDERS else value
    text = _text_of(value)
    return text if _is_sound(text, MAX_ID_CHARS) and not _is_placeholder(text) else ""


def first_id(*values: Any) -> Any:
    """The first value that is an id, else the first that is there, which a rejection can then explain."""
    return next(filter(clean_id, values), next(filter(None, values), ""))


def clean_address(value: Any) -> str:
    """An e-mail address as in ``jane@acme.example``, ``Jane <jane@acme.example>`` or ``mailto:jane@acme.example``.

    Empty where there is none, or where several have names.
    """
    if not isinstance(value, str) or "@" not in value or value.count("<") > 1:
        return ""
    address = value.rpartition("<")[2].partition(">")[0].strip(_AROUND)
    if address[: len(_MAILTO)].lower() == _MAILTO:
        address = address[len(_MAILTO) :].partition("?")[0].strip(_AROUND)
    return address if _is_sound(address, MAX_EMAIL_CHARS) and not _has_merge_tag(address) else ""


def email_id(address: str) -> str:
    """The lead id of an e-mail address: the SHA-256 of its lower-cased form."""
    return sha256(address.strip(_AROUND).lower().encode()).hexdigest()


def _text_of(value: Any) -> str:
    """A text, number or boolean as a text without white space around it; empty for anything else."""
    if isinstance(value, str):
        return value.strip(_AROUND)
    if isinstance(value, float) and value.is_integer() and abs(value) < _MAX_WHOLE:
        value = int(value)
    return str(value).lower() if isinstance(value, int | float) else ""


def _is_sound(text: str, most_chars: int) -> bool:
    return 0 < len(text) <= most_chars and (text.isprintable() or not _CONTROLS.search(text))


def _is_placeholder(text: str) -> bool:
    """Whether senders put a text where there is no id."""
    bare = text.strip(_QUOTES)
    return bare.lower() in PLACEHOLDERS or not bare.strip("0") or _has_merge_tag(text)


def _has_merge_tag(text: str) -> bool:
    """Whether a text begins or ends with a merge tag that was not replaced."""
    if text[0] not in _TAG_MARKS and text[-1] not in _TAG_MARKS:
        return False
    return _NAMED_TAG.fullmatch(text) is not None or any(
        (text.startswith(begin) and end in text[len(begin) :]) or (text.endswith(end) and begin in text[: -len(end)])
        for begin, end in _MERGE_TAGS
    )


def _reason_for_none(sent: Mapping[str, Any]) -> str:
    """Why an event has no identity."""
    for value in (sent.get("userId"), sent.get("anonymousId")):
        text = _text_of(value)
        if isinstance(value, list | dict) or (text and not _is_placeholder(text)):
            return "bad_id"
    return "no_lead"


def _email_of(sent: Mapping[str, Any]) -> str:
    context = sent.get("context")
    inner = context.get("traits") if isinstance(context, dict) else None
    for place in (sent.get("traits"), inner, sent.get("properties")):
        if isinstance(place, dict) and (address := clean_address(place.get("email"))):
            return address
    return ""

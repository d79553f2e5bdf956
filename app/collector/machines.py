"""Detects machines: opens, clicks and visits that no person made are marked, never dropped.

Pure: the time is an argument. The memory of mails is bounded and ends with the process; a verdict that would need more
is not made.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, Final

from app.collector.authority import STAMP_FIELD
from app.collector.calls import rfc3339
from app.collector.crawlers import is_crawler
from app.collector.inbound import Call
from app.collector.mail_agents import mail_machine
from app.collector.mailings import MailAction, Mailing
from app.collector.vocabulary import (
    CLICKED,
    CRAWLER,
    DELIVERED,
    MAIL_EVENTS,
    OPENED,
    PROVIDER,
    REASONS,
)
from streams.events.calls import RETRACTION
from streams.events.identities import LeadIds, lead_ids, name_lead
from streams.events.times import parse_ms

_BELIEVED: Final = (MAIL_EVENTS | {RETRACTION}) - {OPENED, CLICKED}
"""Never judged by user agent: mailbox services unsubscribe on behalf of people."""
MAX_EVENTS: Final = 50_000
"""Opens, clicks and deliveries in memory, over all mails."""
MEMORY_MS: Final = 3_600_000
"""How long a mail is remembered after its latest event."""
_MAX_AGENT_CHARS: Final = 512
_MAX_ID_CHARS: Final = 512


class MachineDetector:
    """Marks the events of machines, and remembers the recent events of each mail."""

    def __init__(self, most_events: int = MAX_EVENTS) -> None:
        """Nothing is remembered yet."""
        self._most = most_events
        self._count = 0
        self._mailings: OrderedDict[tuple[str, str], Mailing] = OrderedDict()

    def judge_call(self, call: Call, now_ms: int, door: str | None = None) -> list[Call]:
        """Mark a call in place if a machine made it; it must be stamped already.

        ``door`` is OPENED for the pixel and CLICKED for links: these are for mails, whatever their event is called.
        Sets ``properties.automated`` and ``properties.automated_reason``. Returns retractions to write with it, for
        earlier opens and clicks of the same mail that turn out to be a machine's. Judging a call again, after a write
        that failed, gives the same result.
        """
        named = call.get("event") if call.get("type") == "track" else None
        event = named if isinstance(named, str) else ""
        kind = event if event in MAIL_EVENTS else door
        reason = _given_reason(call)
        if reason is None and event not in _BELIEVED:
            reason = _reason_by_agent(_agent_of(call), kind)
        retractions: list[Call] = []
        if kind in (OPENED, CLICKED, DELIVERED):
            action = _mail_action_of(call, kind, reason, now_ms)
            if action is not None:
                found, earlier = self._remember(action, call, now_ms)
                reason = reason or found
                retractions = [_retraction_of(each, call, now_ms) for each in earlier]
        if reason is not None:
            mark_automated(call, reason)
        return retractions

    def __len__(self) -> int:
        return self._count

    def _remember(self, action: MailAction, call: Call, now_ms: int) -> tuple[str | None, list[MailAction]]:
        """The reason why an event of a mail is a machine's, and the earlier events that it exposes."""
        mail_id = _properties(call).get("message_id")
        if not isinstance(mail_id, str) or not 0 < len(mail_id) <= _MAX_ID_CHARS:
            return None, []
        at = (mail_id, action.recipient)
        self._forget_old(now_ms)
        mailing = self._mailings.setdefault(at, Mailing())
        self._mailings.move_to_end(at)
        self._count -= len(mailing)
        action = mailing.add_action(action, now_ms)
        self._count += len(mailing)
        return action.reason, mailing.convicted_by(action)

    def _forget_old(self, now_ms: int) -> None:
        """Forget the mails whose latest event is oldest."""
        while self._mailings:
            mailing = next(iter(self._mailings.values()))
            if self._count < self._most and now_ms - mailing.updated_ms <= MEMORY_MS:
                return
            self._mailings.popitem(last=False)
            self._count -= len(mailing)


def _given_reason(call: Call) -> str | None:
    """The reason that a call already has, from its mail service or its route."""
    properties = _properties(call)
    if properties.get("automated") is not True:
        return None
    reason = properties.get("automated_reason")
    return reason if isinstance(reason, str) and reason in REASONS else PROVIDER


def _reason_by_agent(agent: str, kind: str | None) -> str | None:
    """The reason given by the user agent; for opens and clicks of mails more kinds of machines are known."""
    if not agent:
        return None
    found = mail_machine(agent) if kind in (OPENED, CLICKED) else None
    return found or (CRAWLER if is_crawler(agent) else None)


def _agent_of(call: Call) -> str:
    context = call.get("context")
    agent = context.get("userAgent") if isinstance(context, dict) else None
    return agent[:_MAX_AGENT_CHARS].strip() if isinstance(agent, str) else ""


def _properties(call: Call) -> dict[str, Any]:
    properties = call.get("properties")
    return properties if isinstance(properties, dict) else {}


def mark_automated(call: Call, reason: str) -> None:
    """Mark a call, in place, as a machine's; properties that are not an object are replaced."""
    call["properties"] = _properties(call) | {"automated": True, "automated_reason": reason}


def _mail_action_of(call: Call, event: str, reason: str | None, now_ms: int) -> MailAction | None:
    """An open, click or delivery to remember; None if it could not be retracted later."""
    message_id = call.get("messageId")
    if not isinstance(message_id, str) or not 0 < len(message_id) <= _MAX_ID_CHARS:
        return None
    ids = lead_ids(call)
    if not any(ids):
        return None
    at_ms = parse_ms(call.get("timestamp"))
    url = _properties(call).get("url") if event == CLICKED else None
    return MailAction(
        message_id,
        event,
        now_ms if at_ms is None else at_ms,
        hash(url) if isinstance(url, str) else 0,
        _recipient(ids),
        ids,
        reason,
    )


def _recipient(ids: LeadIds) -> str:
    """Who received the mail: the address, if it is known."""
    return ids.email.strip().lower() or ids.user_id or ids.anonymous_id


def _retraction_of(earlier: MailAction, cause: Call, now_ms: int) -> Call:
    """The retraction of an event. Its message id is always the same, so that it counts once."""
    call: Call = {
        "type": "track",
        "event": RETRACTION,
        "messageId": f"retract:{earlier.message_id}",
        "timestamp": rfc3339(now_ms),
        "properties": {"messageId": earlier.message_id, "reason": earlier.reason},
    }
    name_lead(call, *earlier.ids)
    if STAMP_FIELD in cause:
        call[STAMP_FIELD] = cause[STAMP_FIELD]
    return call

"""Sends the verdicts of sales, and takes them back, for viewers with the role for it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from app.board.identity import Viewer
from app.http.refusals import Refusal
from app.sales import DETAILS, undo_event, verdict_event, verdict_id
from app.scorecards.publication import name_local_author
from streams.clock import now_ms
from streams.publishing.sessions import TROUBLE
from streams.scoring.lead import Lead, id_hash
from streams.scoring.rules import Rules
from streams.scoring.scorecard import SalesTerms
from streams.scoring.verdicts import KINDS, MAX_SALES_AMOUNT, MAX_TEXT_BYTES

MAX_KEY_CHARS: Final = 150
NOT_SALES: Final = "Your role may not give verdicts: ask somebody with the role sales or editor."
AWAY: Final = "Kafka does not respond, or does not let the board write: see the log of the board."
WAIT_S: Final = 3.0
LOOK_S: Final = 0.1
Find = Callable[[str, str], Awaitable[tuple[str, Lead]]]
"""Finds a lead for a role."""
Send = Callable[[str, bytes, int], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Wanted:
    """A verdict that somebody gives."""

    kind: int
    detail: str | float | None = None
    key: str = ""
    """Sent again with a repetition, so that it counts once."""
    currency: str = ""
    """Of an amount; empty for the one of the costs file."""


class SalesVerdicts:
    """Gives verdicts about leads and takes them back."""

    def __init__(self, send: Send, find: Find, rules: Callable[[], Rules]) -> None:
        """``send`` writes to the topic of sales events; ``rules`` returns those in use."""
        self._send = send
        self._find = find
        self._rules = rules

    def list_reasons(self) -> list[str]:
        """The reasons to reject a lead, of all scorecards."""
        return list(dict.fromkeys(reason for each in self._terms() for reason in each.reasons))

    def list_currencies(self) -> list[str]:
        """The currencies of amounts, of all scorecards."""
        return list(dict.fromkeys(code for each in self._terms() for code in each.currencies))

    def _terms(self) -> list[SalesTerms]:
        return [card.card.sales for card in self._rules().cards if card.card.sales is not None]

    async def give(self, lead_id: str, wanted: Wanted, viewer: Viewer) -> dict[str, Any]:
        """Give a verdict; returns its message id, and whether the lead has it.

        Raises:
            Refusal: the role does not allow it, there is no such lead, or Kafka does not respond.
        """
        require_sales(viewer)
        found_id, lead = await self._find(lead_id, viewer.role)
        at_ms, by = now_ms(), viewer.name or name_local_author()
        message_id = f"verdict:{by}:{wanted.key}"[:200] if wanted.key else verdict_id(found_id, wanted.kind, at_ms)
        given = found_id, lead, wanted.kind, wanted.detail, wanted.currency
        event = verdict_event(*given, message_id=message_id, at_ms=at_ms, by=by)
        await self._write(found_id, event, at_ms)
        return {"message_id": message_id, "applied": await self._wait(found_id, viewer.role, message_id, True)}

    async def undo(self, lead_id: str, message_id: str, viewer: Viewer) -> dict[str, Any]:
        """Take a verdict back; returns its message id, and whether the lead no longer has it.

        Raises:
            Refusal: as by ``give``.
        """
        require_sales(viewer)
        found_id, lead = await self._find(lead_id, viewer.role)
        at_ms, by = now_ms(), viewer.name or name_local_author()
        event = undo_event(found_id, lead, message_id, message_id=f"undo:{message_id}", at_ms=at_ms, by=by)
        await self._write(found_id, event, at_ms)
        return {"message_id": message_id, "applied": await self._wait(found_id, viewer.role, message_id, False)}

    async def _write(self, lead_id: str, event: bytes, at_ms: int) -> None:
        try:
            await self._send(lead_id, event, at_ms)
        except (*TROUBLE, TimeoutError):
            raise Refusal(503, "not_sent", AWAY, retry_after_s=5) from None

    async def _wait(self, lead_id: str, role: str, message_id: str, is_there: bool) -> bool:
        """Wait a moment until a lead has a verdict, or no longer has it."""
        digest = id_hash(message_id)
        for _ in range(round(WAIT_S / LOOK_S)):
            _, lead = await self._find(lead_id, role)
            if any(verdict.digest == digest for verdict in lead.verdicts) is is_there:
                return True
            await asyncio.sleep(LOOK_S)
        return False


def require_sales(viewer: Viewer) -> None:
    """Refuse a viewer whose role may not give verdicts.

    Raises:
        Refusal: it may not.
    """
    if not viewer.may_sell:
        raise Refusal(403, "not_sales", NOT_SALES)


def wanted_verdict(given: dict[str, Any]) -> Wanted:
    """The verdict in a form or in a JSON body.

    Raises:
        Refusal: its kind is unknown, or its detail is missing or wrong.
    """
    kind = next((kind for kind, name in KINDS.items() if name == given.get("kind")), None)
    if kind is None:
        raise Refusal(400, "bad_kind", f"`kind` is one of {', '.join(KINDS.values())}.")
    name, key = DETAILS.get(kind, ""), given.get("id") or ""
    detail = given.get(name)
    if len(key) > MAX_KEY_CHARS:
        raise Refusal(400, "too_long", f"An id has at most {MAX_KEY_CHARS} characters.")
    if name == "amount":
        return Wanted(kind, _amount(detail), key, _currency(given.get("currency") or ""))
    text = " ".join(str(detail or "").split())
    if (size := len(text.encode("utf-8", "replace"))) > MAX_TEXT_BYTES:
        raise Refusal(
            400, "too_long", f"This {name} has {size} bytes, and at most {MAX_TEXT_BYTES} are kept: shorten it."
        )
    if name in ("owner", "note") and not text:
        raise Refusal(400, f"no_{name}", f"The {name} is missing.")
    return Wanted(kind, text, key)


def _currency(code: str) -> str:
    if code and not re.fullmatch(r"[A-Z]{3}", code):
        raise Refusal(400, "bad_currency", "The currency is not a code of three capital letters, such as EUR.")
    return code


def _amount(given: Any) -> float | None:
    """An amount; a form has it as a text, in which a comma may separate the decimals."""
    if given in (None, ""):
        return None
    try:
        amount = float(str(given).strip().replace(",", "."))
    except ValueError:
        amount = -1.0
    if not 0 <= amount <= MAX_SALES_AMOUNT:
        raise Refusal(400, "bad_amount", "The amount is not a number from 0, such as 1200.50.")
    return amount

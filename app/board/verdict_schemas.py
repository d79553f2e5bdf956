"""The schemas of the API's OpenAPI document for verdicts of sales."""

from __future__ import annotations

from typing import Any, Final

from app.board.schemas import NUMBER, TEXT, TIME, TRUTH, Schema, listed, maybe, whole
from streams.scoring.verdicts import KINDS, STATES

_KIND: Final[dict[str, Any]] = {"enum": list(KINDS.values())}
_DETAILS: Final[dict[str, Any]] = {"reason": TEXT, "owner": TEXT, "note": TEXT}
_AMOUNT: Final = {"type": "number", "minimum": 0}
VERDICT_SCHEMAS: Final[dict[str, Schema]] = {
    "Verdict": whole(
        {"kind": _KIND},
        {**_DETAILS, "amount": _AMOUNT, "currency": {"type": "string", "pattern": "^([A-Z]{3})?$"}, "id": TEXT},
        "A verdict of sales: `reason` of a rejected or lost one, `amount` of an opportunity or a won one, in "
        "`currency`, or in that of the costs file. A text "
        "has at most 40 bytes. With the same `id` again it counts once.",
    ),
    "VerdictUndo": whole({"message_id": TEXT}, about="The verdict to take back."),
    "VerdictGiven": whole(
        {"message_id": TEXT, "applied": TRUTH},
        about="The event is in Kafka. `applied`: the lead shows it already; otherwise it will in a moment.",
    ),
    "Sales": whole(
        {
            "state": {"enum": list(STATES)},
            "owner": maybe(TEXT),
            "history": listed(
                whole({"kind": _KIND, "at": TIME}, {**_DETAILS, "amount": NUMBER, "by": TEXT, "message_id": TEXT})
            ),
        },
        {"since": TIME, "by": TEXT, "reason": TEXT, "amount": NUMBER},
        "What sales made of a lead. `history` has the verdicts that the lead keeps, the latest first; those of the "
        "board with their `message_id`, with which they can be taken back.",
    ),
}

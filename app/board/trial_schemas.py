"""The schemas of the API's OpenAPI document for a scorecard file that is tried."""

from __future__ import annotations

from typing import Final

from app.board.schemas import NUMBER, RANGE, TEXT, TIME, TRUTH, WHOLE, Schema, listed, maybe, ref, whole

_NAMES: Final = listed(TEXT)
_BEFORE_AND_AFTER: Final = whole({"before": maybe(NUMBER), "after": maybe(NUMBER)})
_ENTERED_AND_LEFT: Final = whole({"entered": WHOLE, "left": WHOLE})
_STANDING: Final = whole({"score": WHOLE, "exact": NUMBER, "grade": TEXT, "stage": maybe(TEXT)})
TRIAL_SCHEMAS: Final[dict[str, Schema]] = {
    "Trial": whole(
        {
            "mistakes": listed(ref("FileMessage")), "warnings": listed(ref("FileMessage")),
            "report": maybe(ref("ChangeReport")), "withheld": maybe(TEXT),
        },
        about="`report` is null if the file has mistakes. `withheld` is the reason if it has only words, because the "
        "role may not see the effect on leads.",
    ),
    "FileMessage": whole(
        {"line": WHOLE, "column": WHOLE, "message": TEXT},
        about="A mistake or a warning, as `leadglow scorecards check` prints it.",
    ),
    "ChangeReport": whole(
        {
            "old_version": TEXT, "new_version": TEXT, "differences": listed(ref("Difference")),
            "rebuild": whole({"starts_at_0": _NAMES, "incomplete": _NAMES, "new_events": _NAMES}),
        },
        {
            "at": TIME, "leads": WHOLE, "alerts": WHOLE,
            "scorecards": {"type": "object", "additionalProperties": ref("CardChange")},
        },
        "A change of the scorecards, as `leadglow scorecards diff --json` prints it.",
    ),
    "Difference": whole(
        {
            "subject": TEXT, "kind": {"enum": ["added", "removed", "changed", "renamed"]}, "scorecard": TEXT,
            "name": TEXT, "label": TEXT, "scorecard_label": TEXT, "text": TEXT,
            "rebuild": {"enum": ["", "starts_at_0", "new_events"]},
        },
        about="One difference in meaning; `scorecard` is empty for signals. `rebuild` says what needs one. Labels are "
        "empty for parts without one.",
    ),
    "CardChange": whole(
        {
            "label": TEXT, "range": RANGE, "risen": WHOLE, "fallen": WHOLE, "average": _BEFORE_AND_AFTER, "step": WHOLE,
            "scores": listed(whole({"from": WHOLE, "before": WHOLE, "after": WHOLE})),
            "stages": {"type": "object", "additionalProperties": ref("StageChange")}, "movers": listed(ref("Mover")),
            "names": {"type": "object", "additionalProperties": TEXT},
        },
        about="What a change does to one scorecard; each row of `scores` counts the leads from `from` on, up to the "
        "next step. `names` of the leads in it by id, for roles that may see them.",
    ),
    "StageChange": whole(
        {
            "label": TEXT, "removed": TRUTH, "handoff": TRUTH, "enter": _BEFORE_AND_AFTER, "before": WHOLE,
            "after": WHOLE,
            "entered": WHOLE, "left": WHOLE, "first_entered": _NAMES, "first_left": _NAMES,
            "alerts": _ENTERED_AND_LEFT, "silenced": _ENTERED_AND_LEFT, "unannounced": WHOLE,
        },
        about="The leads in a stage before and after a change, who enters and leaves, and the alerts about that. "
        "`unannounced` stay in it without one, although it sends alerts from now on.",
    ),
    "Mover": whole(
        {
            "lead_id": TEXT, "change": NUMBER, "before": _STANDING, "after": _STANDING,
            "why": listed(
                whole(
                    {
                        "kind": TEXT, "name": TEXT, "label": TEXT, "before": NUMBER, "after": NUMBER, "change": NUMBER,
                        "change_after_caps": NUMBER,
                    }
                )
            ),
        },
        about="One of the leads whose score changes most; the `change` of all parts sum to that of the score.",
    ),
}  # fmt: skip

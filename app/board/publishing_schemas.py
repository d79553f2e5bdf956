"""The schemas of the API's OpenAPI document for published versions of the scorecards."""

from __future__ import annotations

from typing import Any, Final

from app.board.publishing import MAX_NOTE_CHARS
from app.board.schemas import TEXT, TIME, TRUTH, WHOLE, Schema, listed, maybe, ref, whole
from app.board.trials import MAX_TEXT_BYTES
from app.board.versions import VERSION_NAME

_NAME: Final = {"type": "string", "description": VERSION_NAME}
_COUNTS: Final = {"entered": WHOLE, "left": WHOLE}
_TERMS: Final = {
    "note": {"type": "string", "maxLength": MAX_NOTE_CHARS, "default": ""},
    "quiet": {"type": "boolean", "default": False, "description": "Change the stages of leads without alerts."},
    "confirmed": {
        "type": "boolean",
        "default": False,
        "description": "Send more alerts than `LEADGLOW_MOST_MODEL_ALERTS`.",
    },
}
_INSTEAD_OF: Final = {
    "type": "string",
    "description": "The version in use when you looked: `old_version` of the report, or `version` of the one in use.",
}
_VERSION: Final[dict[str, Any]] = {
    "number": WHOLE, "version": TEXT, "at": TIME, "author": TEXT, "note": TEXT, "quiet": TRUTH, "rollback": TRUTH,
    "in_use": TRUTH, "taken_back": TRUTH, "until": maybe(TIME), "before": maybe(TEXT),
    "changes": maybe(ref("ChangeReport")),
    "alerts": listed(
        whole(
            {
                "scorecard": TEXT, "scorecard_label": TEXT, "stage": TEXT, "stage_label": TEXT, **_COUNTS,
                "at_once": whole(_COUNTS),
            }
        )
    ),
    "alerts_since": maybe(TIME),
}  # fmt: skip
_ABOUT: Final = (
    "A publication of the scorecards. `until`: the next one was published. `changes` against the version `before` in "
    "words; null for the first one, and if this version of Leadglow cannot read one of both. `alerts` that were sent "
    "while it was in use; those `at_once` were caused by the publication. `alerts_since`: the board knows no earlier "
    "alerts; null if all are counted."
)
PUBLISHING_SCHEMAS: Final[dict[str, Schema]] = {
    "Version": whole(_VERSION, about=_ABOUT),
    "VersionText": whole(_VERSION | {"text": TEXT}, about=f"{_ABOUT} `text` is the scorecard file."),
    "Versions": whole({"versions": listed(ref("Version")), "next": maybe(TEXT)}),
    "Publication": whole(
        {"text": {"type": "string", "maxLength": MAX_TEXT_BYTES}, "instead_of": _INSTEAD_OF},
        _TERMS,
        "A scorecard file to publish.",
    ),
    "Rollback": whole({"version": _NAME, "instead_of": _INSTEAD_OF}, _TERMS, "A version to go back to."),
    "RollbackTrial": whole(
        {"version": TEXT, "report": maybe(ref("ChangeReport"))}, about="`report` is null if the version is in use."
    ),
    "Published": whole(
        {"version": TEXT, "published": TRUTH}, about="`published` is false if the version was in use already."
    ),
}

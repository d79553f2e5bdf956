"""The schemas of the API for results."""

from __future__ import annotations

from typing import Final

from app.board.schemas import FRESHNESS, NAMED, NUMBER, TEXT, TIME, TRUTH, WHOLE, Schema, listed, maybe, ref, whole

_FIGURES: Final[dict[str, Schema]] = {
    "leads": WHOLE, "handovers": WHOLE, "open": WHOLE, "contacted": WHOLE, "median_hours_to_contact": maybe(NUMBER),
    "accepted": WHOLE, "rejected": WHOLE, "acceptance": maybe(NUMBER), "opportunities": WHOLE, "won": WHOLE,
    "lost": WHOLE, "won_share": maybe(NUMBER),
    "revenue": listed(whole({"currency": TEXT, "amount": NUMBER})),
}  # fmt: skip
RESULTS_SCHEMAS: Final[dict[str, Schema]] = {
    "ResultsFigures": whole(
        _FIGURES,
        about="What became of some leads: `leads`, `won` and `open` count each lead once, all else each alert "
        "(`handovers`). `open` ones are not decided since the last alert; `acceptance` is accepted of accepted and "
        "rejected ones, `won_share` won of `leads`; null of none. `revenue` is that of won ones, by currency; empty "
        "for amounts without one.",
    ),
    "ResultsNamed": whole({**NAMED, **_FIGURES}, about="The ResultsFigures of a scorecard or a stage."),
    "ResultsChannel": whole(
        {
            "source": TEXT, "medium": TEXT, "campaign": TEXT, "seen": WHOLE, "qualified_share": maybe(NUMBER),
            **_FIGURES, "cost": maybe(NUMBER), "cost_per_won": maybe(NUMBER),
        },
        about="The ResultsFigures of a channel. `seen` leads of it were seen in the time, of which `qualified_share` "
        "were handed over.",
    ),
    "Results": whole(
        {
            "scorecard": TEXT, "version": TEXT, "since": TIME, "until": TIME, "days": WHOLE,
            "touch": {"enum": ["first", "last"]}, "currency": TEXT, "costs_since": TIME, "total": ref("ResultsFigures"),
            "contact": whole({"median_hours": maybe(NUMBER), "p90_hours": maybe(NUMBER), "within_24_h": maybe(NUMBER)}),
            "without_alert": WHOLE,
            "target": maybe(whole({"leads": WHOLE, "period": {"enum": ["day", "week", "month", "quarter"]}})),
            "periods": listed(
                whole({"from": TIME, "leads": WHOLE, "of_target": maybe(NUMBER), "is_over": TRUTH})
            ),
            "scorecards": listed(ref("ResultsNamed")), "stages": listed(ref("ResultsNamed")),
            "reasons": listed(whole({"reason": TEXT, "rejected": WHOLE, "share": NUMBER})),
            "channels": listed(ref("ResultsChannel")), "seen_is_estimate": TRUTH, "truncated": TRUTH, **FRESHNESS,
        },
        about="What became of the leads that entered a stage with handoff between `since` and `until`. `currency` is "
        "that of the costs, and of amounts that name none. Costs count from `costs_since` on, at the earliest from the "
        "first handover that is known. `periods` are calendar periods (UTC) of the target, else "
        "weeks, the latest first; each lead counts once in each. `without_alert` leads were decided about although no "
        "alert was sent before. `seen_is_estimate`: `seen` is estimated from 2,000 leads. `truncated`: older handovers "
        "may be missing.",
    ),
}  # fmt: skip

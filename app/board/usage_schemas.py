"""The schemas of the API for the usage of a scorecard."""

from __future__ import annotations

from typing import Final

from app.board.schemas import (
    FRESHNESS,
    NAMED,
    NUMBER,
    RANGE,
    TEXT,
    TIME,
    TRUTH,
    WHOLE,
    Schema,
    listed,
    maybe,
    ref,
    whole,
)

USAGE_SCHEMAS: Final[dict[str, Schema]] = {
    "ScorecardUsage": whole(
        {
            "scorecard": TEXT, "version": TEXT, "as_of": TIME, "range": RANGE, "leads": WHOLE,
            "bins": listed(whole({"from": WHOLE, "to": WHOLE, "leads": WHOLE})),
            "stages": listed(
                whole({**NAMED, "enter": NUMBER, "leave": NUMBER, "leads_from_enter": WHOLE, "leads_from_leave": WHOLE})
            ),
            "sampled": WHOLE,
            "signals": listed(whole({**NAMED, "leads": WHOLE, "fired_7d": WHOLE, "hint": maybe(TEXT)})),
            "fit": listed(
                whole(
                    {**NAMED, "says": TEXT, "leads": WHOLE, "traits": listed(ref("TraitUsage")), "hint": maybe(TEXT)}
                )
            ),
            "outcomes": ref("SignalsByOutcome"),
            **FRESHNESS,
        },
        about="All `leads` in the ranking of a scorecard by published score, at most some seconds old; a score outside "
        "the range counts at its end. `leads_from_enter` have at least so many points, whether or not they are in the "
        "stage. The `leads` of a signal had an amount above 0 at any time; those of a fit line match it; both "
        "are counted among `sampled` leads, evenly spaced in the ranking. `hint` is why a signal or a fit line may "
        "never have an effect; null if it has one, or without leads.",
    ),
    "SignalsByOutcome": whole(
        {
            "won": WHOLE, "lost": WHOLE, "needed": WHOLE, "enough": TRUTH,
            "signals": listed(
                whole(
                    {
                        **NAMED, "points": NUMBER, "won": WHOLE, "lost": WHOLE,
                        "won_share": maybe(NUMBER), "lost_share": maybe(NUMBER), "interval": maybe(listed(NUMBER)),
                        "occurs": maybe({"enum": ["alike", "won", "lost", "never"]}),
                    }
                )
            ),
        },
        about="The sampled leads that are `won` and `lost`, and how many of them have each signal, at any time. With "
        "at least `needed` of each there are shares, the 95 % confidence `interval` of their difference, and for which "
        "leads a signal `occurs` more often: `alike` if the difference may be chance, `never` if for none.",
    ),
    "TraitUsage": whole(
        {"name": TEXT, "leads": WHOLE, "values": listed(whole({"value": TEXT, "leads": WHOLE}))},
        about="The sampled leads with a trait, and its most frequent values; none for a role without `pii`.",
    ),
}  # fmt: skip

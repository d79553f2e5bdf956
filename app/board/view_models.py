"""Values that templates need besides those of the service: URLs, rows, places in a chart. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from itertools import islice
from typing import Any, Final
from urllib.parse import quote, urlencode

from multidict import MultiMapping

from app.board import waterfall
from app.board.filters import Filters
from app.board.filters import filters_of as filters_in
from app.board.formatting import number
from app.board.masking import HIDDEN
from app.board.timeline import MISSING, describe_event
from app.lead_names import company_of, name_of, title_of
from app.lead_views import points_of
from streams.events.times import parse_ms
from streams.shard.alert import rfc3339
from streams.units import DAY_MS, HOUR_MS

LEADS_PARTS: Final = {"results": "leads_results.html", "live": "leads_refreshed.html", "more": "leads_page.html"}
"""Target of htmx's swap -> template of the part of the ranking."""
ROWS: Final = 50
"""Leads per page."""
MAX_ROWS: Final = 250
"""Leads that are refreshed together; those further down are not refreshed."""
MAX_REASONS: Final = 5
MAX_EVENTS: Final = 4
"""Of an alert."""
TABLE_ROWS: Final = 12


def build_url(path: str, query: Mapping[str, str]) -> str:
    """A path with its query, if there is one."""
    return f"{path}?{urlencode(query)}" if query else path


def sparse(query: Mapping[str, str]) -> dict[str, str]:
    """A query without its empty values."""
    return {name: value for name, value in query.items() if value}


def lead_path(lead_id: str) -> str:
    """The path of a lead's page."""
    return f"/leads/{quote(lead_id, safe='')}"


def filters_of(query: MultiMapping[str], choices: Mapping[str, Any]) -> Filters:
    """The filters in a query."""
    shown = ",".join(query.getall("columns", []))
    return replace(filters_in({**query, "columns": shown}), scorecard=choices["scorecard"])


def plain(filters: Filters) -> dict[str, Any]:
    """The filters by name."""
    more = any((filters.seen, filters.unseen, filters.new_since, filters.equals, filters.sort, filters.show))
    given = {**asdict(filters), "any": filters.any, "needs_index": filters.needs_index, "more": more}
    return defaultdict(lambda: None, {**given, **dict(filters.equals)})


def show_used(filters: Filters, choices: Mapping[str, Any]) -> Filters:
    """The filters with the columns shown that they filter and sort by, besides those of every row."""
    used = [name for name, _ in filters.equals] + [(filters.sort or "").removeprefix("-")]
    known = {each["name"] for each in choices["columns"]} - {"name", "company"}
    return replace(filters, show=tuple(dict.fromkeys([*filters.show, *(name for name in used if name in known)])))


def since_choices(now_ms: int) -> list[tuple[str, str]]:
    """Choices of how new a lead is in its stage."""
    days = [(1, "New in the last day"), (7, "New in the last 7 days")]
    return [("", "For any time"), *((rfc3339((now_ms - n * DAY_MS) // HOUR_MS * HOUR_MS), text) for n, text in days)]


def query_of(filters: Filters, choices: Mapping[str, Any]) -> dict[str, str]:
    """The filters as a query; the first scorecard is left out, as it is the default."""
    query = filters.to_query()
    if choices["scorecards"] and query.get("scorecard") == choices["scorecards"][0]["name"]:
        del query["scorecard"]
    return query


def rows_shown(text: str) -> int:
    """The number of rows that the visitor's page has, in whole pages."""
    shown = int(text) if text.isascii() and text.isdigit() and len(text) < 6 else ROWS
    return min(max(-(-shown // ROWS), 1) * ROWS, MAX_ROWS)


def most_rows(many: int, requested: int, more: bool) -> int:
    """How many rows can be refreshed together; no more where a page stopped at the limit of examined leads."""
    return many if more and many < requested else MAX_ROWS


def describe_count(many: int, more: bool, further: bool, is_hottest: bool = True) -> str:
    """The line above the list: how many leads it has, or how many follow ``further`` down."""
    if not many:
        return "Search further" if more else "No leads"
    leads = "lead" if many == 1 else "leads"
    if further:
        return f"{many} {leads} further down"
    return (
        f"The {many} hottest {leads}"
        if more and is_hottest
        else f"The first {many} {leads}"
        if more
        else f"{many} {leads}"
    )


def weightiest(parts: list[dict[str, Any]], most: int) -> list[dict[str, Any]]:
    """The signals and fit lines with the most points."""
    main = [_capped(part) for part in parts if part["kind"] in {"signal", "fit"} and abs(points_of(part)) >= 0.5]
    return sorted(main, key=lambda part: -abs(part["points"]))[:most]


def _capped(part: dict[str, Any]) -> dict[str, Any]:
    """A part with its points after caps, and with ``uncapped`` ones if these differ."""
    return {**part, "points": points_of(part), "uncapped": part["points"] if "after_caps" in part else None}


def lead_parts(view: dict[str, Any], scorecard: str) -> dict[str, Any]:
    """The values of a lead's page for one scorecard."""
    card = view["scorecards"][scorecard]
    traits = _open(view["traits"])
    return {
        "view": view,
        "card": card,
        "name": name_of(view["lead_id"], traits),
        "title": title_of(traits),
        "company": company_of(traits),
        "steps": waterfall.build_steps(card["parts"]),
        "exact": waterfall.format_exactly(card["exact"]),
    }


def _open(traits: dict[str, Any]) -> dict[str, Any]:
    """The traits that are not hidden."""
    return {name: value for name, value in traits.items() if value != HIDDEN}


def curve_parts(curve: dict[str, Any]) -> dict[str, Any]:
    """The curve with the score at each crossing, and a selection of points for the table."""
    coming = [[at, round(score, 3)] for at, score in curve["coming"]]
    past = [list(point) for point in curve["past"]]
    if past and past[-1][0] < curve["now"]:
        past.append([curve["now"], past[-1][1]])
    scores = dict(map(tuple, coming))
    crossings = [{**each, "score": _nearest(scores, parse_ms(each["at"]) or 0)} for each in curve["crossings"]]
    rows = [(at, score, True) for at, score in _some(past)] + [(at, score, False) for at, score in _some(coming)]
    return {"curve": {**curve, "past": past, "coming": coming, "crossings": crossings}, "curve_rows": rows}


def _nearest(scores: Mapping[int, float], at_ms: int) -> float:
    return scores[min(scores, key=lambda each: abs(each - at_ms))] if scores else 0.0


def _some(points: list[list[float]]) -> list[list[float]]:
    """A selection for a table: the first, the last, and some between."""
    if len(points) <= TABLE_ROWS:
        return points
    return [points[i * (len(points) - 1) // (TABLE_ROWS - 1)] for i in range(TABLE_ROWS)]


def timeline_rows(timeline: list[dict[str, Any]], scorecard: str) -> list[dict[str, Any]]:
    """A timeline with the points for one scorecard, and with what each event was in words."""
    rows = []
    for entry in timeline:
        shown, facts = describe_event(entry)
        points = sum(signal["points"].get(scorecard, 0) for signal in entry["signals"])
        rows.append({**entry, "points": points, "shown": shown, "facts": facts, "missing": MISSING.get(entry["log"])})
    return rows


def alert_row(alert: dict[str, Any]) -> dict[str, Any]:
    """An alert with a name for its lead, where it came from, and the reasons that weigh most.

    One about an account stays as it is.
    """
    if "account" in alert:
        return {**alert, "score": {"previous": None, **alert["score"]}}
    traits = _open((alert.get("lead") or {}).get("traits") or {})
    touch = (alert.get("channels") or {}).get("last_touch") or {}
    reasons = [_capped(why) for why in alert.get("reasons", ()) if why.get("kind", "signal") in {"signal", "fit"}]
    return {
        **alert,
        "name": name_of(alert["lead_id"], traits),
        "company": company_of(traits),
        "channel": " / ".join(filter(None, (touch.get("source"), touch.get("medium"), touch.get("campaign")))),
        "reasons": sorted(reasons, key=lambda why: -abs(why["points"]))[:MAX_REASONS],
        "score": {"previous": None, **alert["score"]},
        "events": _event_rows((alert.get("activity") or {}).get("events", ())),
    }


def _event_rows(events: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The latest events of an alert in words, without those that only changed traits and have no name."""
    rows = []
    for each in islice((each for each in events if each.get("label") or each.get("event")), MAX_EVENTS):
        shown, facts = describe_event({"what": each})
        rows.append({"at": each["at"], "title": each.get("label") or each["event"], "shown": shown, "facts": facts})
    return rows


def grade_bands(card: dict[str, Any]) -> list[dict[str, Any]]:
    """Each grade with its share of the range, in percent."""
    low, high = card["range"]
    width = (high - low) or 1
    bands, top = [], high
    for grade in sorted(card["grades"], key=lambda grade: -grade["from"]):
        start = min(max(grade["from"], low), high)
        bands.append(
            {
                "letter": grade["grade"],
                "from": start,
                "x": round(100 * (start - low) / width, 2),
                "width": round(100 * max(top - start, 0) / width, 2),
            }
        )
        top = start
    return bands


def add_costs(rows: Iterable[Mapping[str, Any]]) -> float | None:
    """The sum of the costs of channels; None if none is known."""
    costs = [row["cost"] for row in rows if row["cost"] is not None]
    return sum(costs) if costs else None


def flow_tiles(flow: dict[str, Any]) -> list[tuple[str, str]]:
    """The figures at the top of the Flow page."""
    shards, sources = flow["shards"], flow["sources"]
    return [
        (number(sum(each["per_s"] for each in sources), 1), "events per second"),
        (number(flow["rates"]["alerts_per_s"], 2), "alerts per second"),
        (number(sum(shard["leads"] or 0 for shard in shards)), "leads"),
        (number(sum(each["lag"] or 0 for each in (*sources, *shards))), "events waiting"),
        (number(sum(flow["reject_reasons"].values())), "rejected"),
    ]

"""The result of a backtest as JSON, as lines for the terminal, and as a report of one HTML file."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib.resources import files
from typing import Final

from jinja2 import Environment, StrictUndefined

from app.backtest.measure import View
from app.backtest.plots import Bar, Mark, draw_bars
from app.backtest.records import EventSource
from app.backtest.session import Findings, Order
from app.scorecards.won_lost import describe_comparison
from streams.counts import count_of
from streams.scoring.rules import Rules
from streams.scoring.stages import Transition
from streams.shard.alert import rfc3339

NONE: Final = "\N{EN DASH}"
METHOD: Final = (
    "Events are replayed in the order of their arrival by the code that scores live, on the clock of their arrival. "
    "Leads cool in between, and stages change at the instants at which they would have.",
    "Events before the range build the scores, but are not reported.",
    "A lead counts once as won or lost, at its first outcome event. The prediction is its score and stage just before "
    "the time of that event; nothing that happened or arrived later is used. Leads without an outcome are left out.",
    "Precision: the share of the predicted leads that was won. Recall: the share of the won leads that was predicted. "
    "Kappa: agreement with the outcomes beyond chance; 0 is chance, 1 is perfect.",
    "A signal occurs alike for won and lost leads if the difference of its shares may be chance: the 95 % confidence "
    "interval (Newcombe) includes 0. The share is of leads that had an event of the signal before their outcome.",
    "Lift: how much more often a tenth of the leads was won than all of them. Leads with equal scores are divided in "
    "proportion. Calibration lines show 95 % confidence intervals (Wilson).",
)


def describe(findings: Findings, order: Order, source: EventSource, names: tuple[str, str], seconds: float) -> View:
    """Everything about a backtest, as JSON has it; ``names`` are those of the two files."""
    against: View | None = None
    if order.against is not None:
        against = {
            "file": names[1],
            "version": order.against.version,
            "publications": _describe_log(order.against, order, findings),
            "scorecards": findings.against,
        }
    return {
        "file": names[0],
        "version": order.rules.version,
        "publications": _describe_log(order.rules, order, findings),
        "input": source.name,
        "from": rfc3339(findings.from_ms),
        "to": rfc3339(findings.to_ms),
        "events": findings.records,
        "leads": findings.leads,
        "seconds": round(seconds, 2),
        "unreadable": {
            "count": source.unreadable.reasons.total(),
            "reasons": dict(source.unreadable.reasons.most_common()),
            "examples": source.unreadable.examples,
        },
        "outcome_events": {"won": list(order.won), "lost": list(order.lost)},
        "method": list(METHOD),
        "scorecards": findings.cards,
        "against": against,
        "agreement": findings.agreement,
        "alerts": [_alert(transition) for transition in findings.alerts],
    }


def _describe_log(rules: Rules, order: Order, findings: Findings) -> str:
    """How a file was used across the publications in the log; empty if there is none."""
    if not findings.publications:
        return ""
    count = count_of(findings.publications, "publication")
    count += " after the one in force at its start"
    if order.follows_log(rules):
        return f"the log holds {count}; the scorecards changed at the same places"
    return f"the log holds {count}; this file was used throughout"


def _alert(t: Transition) -> View:
    return {
        "id": t.alert_id,
        "lead_id": t.lead_id,
        "scorecard": t.card,
        "stage": t.stage,
        "kind": t.kind,
        "time": rfc3339(t.at_ms),
        "cause": t.cause,
    }


# The terminal ---------------------------------------------------------------------------------------------------


def summary_lines(result: View) -> list[str]:
    """The most important figures."""
    lines = [
        f"{result['events']:,} events of {result['leads']:,} leads, {result['from'][:10]} to {result['to'][:10]}, "
        f"in {result['seconds']:g} s"
    ]
    if result["publications"]:
        lines.append(result["publications"])
    unreadable = result["unreadable"]
    if unreadable["count"]:
        reasons = ", ".join(f"{count} {reason}" for reason, count in unreadable["reasons"].items())
        lines.append(f"{unreadable['count']:,} could not be read: {reasons}")
        lines += [f"  {each['place']}: {each['detail']}: {each['text']}" for each in unreadable["examples"]]
    for name, card in result["scorecards"].items():
        lines += ["", *_card_lines(name, card), *_explain_no_outcomes(card["outcomes"], result["outcome_events"])]
        if name in result["agreement"]:
            lines += _agreement_lines(result["agreement"][name], result["against"]["scorecards"][name])
    return lines


def _explain_no_outcomes(outcomes: View | None, names: View) -> list[str]:
    """Why no lead was won, or none was lost, if so."""
    if outcomes is None:
        given = " or ".join([*names["won"], *names["lost"]])
        return [f"  no outcomes: there is no event {given}; name others with --outcome and --lost"]
    options = {"won": "--outcome", "lost": "--lost"}
    return [
        f"  no lead was {kind}: there is no event {' or '.join(names[kind])}; name others with {option}"
        for kind, option in options.items()
        if not outcomes[kind]
    ]


def _card_lines(name: str, card: View) -> list[str]:
    days, outcomes, capacity = card["days_to_qualify"], card["outcomes"], card["capacity"]
    target = card["target_label"] or card["target_stage"] or "no stage"
    lines = [
        f"scorecard {card['label'] or name}",
        f"  {target}: {card['qualified']:,} entries{_rate(card['qualified_per_week'])}; "
        f"{card['alerts']:,} alerts in all{_rate(card['alerts_per_week'])}",
    ]
    if days["leads"]:
        lines.append(f"  days from first event to {target}: median {days['median']:g}")
    if capacity:
        over = capacity["weeks_over"]
        lines.append(
            f"  capacity {capacity['leads_a_week']} a week: {percent(capacity['used'])} used, exceeded in "
            f"{count_of(over, 'week')}, longest queue {capacity['longest_queue']}"
        )
    if outcomes is None:
        return lines
    stage, top = outcomes["in_stage"], outcomes["deciles"][0]
    lines.append(
        f"  {outcomes['won']:,} won and {outcomes['lost']:,} lost; in {target} before: precision "
        f"{percent(stage['precision'])}, recall {percent(stage['recall'])}; best tenth: lift {number(top['lift'])}"
    )
    return lines + [f"  {sentence}" for sentence in describe_comparison(outcomes)]


def _rate(per_week: float | None) -> str:
    return "" if per_week is None else f", {per_week:g} a week"


def _agreement_lines(agreement: View, other: View) -> list[str]:
    return [
        f"  against the other file: {other['qualified']:,} entries{_rate(other['qualified_per_week'])}",
        f"  leads qualified by both {agreement['qualified_by_both']:,}, by this file only "
        f"{agreement['qualified_by_this_only']:,}, by the other only {agreement['qualified_by_other_only']:,}; "
        f"same stage at the end {percent(agreement['same_stage'])}",
    ]


# The report -----------------------------------------------------------------------------------------------------


def render_report(result: View) -> str:
    """The report as one HTML file without external parts."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters.update(number=number, percent=percent, day=day, words=words)
    environment.globals.update(plots=plots_of, weeks=_week_rows, groups=_group_rows)
    style = files("app.board").joinpath("static/board.css").read_text("utf-8")
    template = files("app.backtest").joinpath("report.html").read_text("utf-8")
    return environment.from_string(template).render(result=result, style=style)


def plots_of(card: View) -> dict[str, str]:
    """The plots of one scorecard as SVG, by name; texts in them are escaped."""
    found = {"weeks": _weeks_plot(card), "distribution": _distribution_plot(card)}
    if (outcomes := card["outcomes"]) is not None:
        base = Mark(outcomes["win_rate"], f"all leads: {percent(outcomes['win_rate'])}")
        found["deciles"] = draw_bars(
            [
                Bar(str(i), group["win_rate"], f"tenth {i}, {_range(group)}: {percent(group['win_rate'])} won")
                for i, group in enumerate(outcomes["deciles"], 1)
            ],
            "Share won by tenth of the leads, the highest scores first",
            percent,
            [base],
        )
        found["calibration"] = draw_bars(
            [
                Bar(number(group["from"]), group["win_rate"], _band_title(group), *(group["interval"] or (None, None)))
                for group in outcomes["calibration"]
            ],
            "Share won by score",
            percent,
            [base],
            top=1.0,
        )
    return found


def _weeks_plot(card: View) -> str:
    weeks = [Bar(day(week["week"]).rpartition(" ")[0], week["entered"], _week_title(week)) for week in card["weeks"]]
    limit = card["capacity"] and Mark(card["capacity"]["leads_a_week"], f"capacity {card['capacity']['leads_a_week']}")
    return draw_bars(weeks, "Leads qualified by week", number, [limit] if limit else [])


def _week_title(week: View) -> str:
    counts = f"{week['entered']} entered, {week['left']} left, {week['alerts']} alerts in all"
    return f"week of {day(week['week'])}: {counts}"


def _distribution_plot(card: View) -> str:
    bars = [
        Bar(number(group["from"]), group["leads"], f"{_range(group)}: {number(group['leads'])} leads")
        for group in card["distribution"]
    ]
    return draw_bars(bars, "Leads by score at the end", number)


def _range(group: View) -> str:
    return f"score {number(group['from'])} to {number(group['to'])}"


def _band_title(group: View) -> str:
    return f"{_range(group)}: {number(group['won'])} of {number(group['leads'])} won"


# Tables ---------------------------------------------------------------------------------------------------------


def _week_rows(card: View) -> list[list[str]]:
    counts = ("entered", "left", "alerts")
    return [[day(week["week"]), *(number(week[name]) for name in counts)] for week in card["weeks"]]


def _group_rows(groups: list[View]) -> list[list[str]]:
    return [_group_row(group) for group in groups]


def _group_row(group: View) -> list[str]:
    row = [f"{number(group['from'])} to {number(group['to'])}", number(group["leads"])]
    if "won" in group:
        row += [number(group["won"]), percent(group["win_rate"])]
    if "lift" in group:
        row.append(number(group["lift"]))
    if "interval" in group:
        low, high = group["interval"] or (None, None)
        row.append(f"{percent(low)} to {percent(high)}")
    return row


# Texts ----------------------------------------------------------------------------------------------------------


def words(name: str | None) -> str:
    """A name from the scorecard file as words."""
    return (name or "").replace("_", " ")


def number(value: float | None) -> str:
    """A number with separated thousands and at most two digits after the point."""
    if value is None:
        return NONE
    text = f"{value:,.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text.replace("-", "\N{MINUS SIGN}")


def percent(share: float | None) -> str:
    """A share as a percentage."""
    return NONE if share is None else f"{share:.0%}" if share >= 0.1 or share == 0 else f"{share:.1%}"


def day(text: str) -> str:
    """The day of an RFC 3339 time or date."""
    at = datetime.fromisoformat(text).replace(tzinfo=UTC)
    return f"{at.day} {at:%b %Y}"

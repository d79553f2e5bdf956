"""Counts in a sample of leads how many have each signal, and of how many each fit line holds. Pure."""

from __future__ import annotations

from collections import Counter
from difflib import get_close_matches
from typing import Any, Final

from app.board.formatting import number, shown
from app.lead_views import signals_of
from app.scorecards.text import describe_condition, describe_events, describe_fit
from app.scorecards.won_lost import compare_signals
from streams.scoring.lead import Lead
from streams.scoring.rules import CardRule, Rules
from streams.scoring.scorecard import FitLine, Signal, paths_in
from streams.scoring.verdicts import KINDS, LOST, WON, sales_of
from streams.store.base import Fired
from streams.units import format_duration

View = dict[str, Any]
MAX_VALUES: Final = 3
"""Values of a trait that are named."""
MAX_CHARS: Final = 40
_ENDS: Final = frozenset({KINDS[WON], KINDS[LOST]})


class LeadSample:
    """Some of the leads of a scorecard."""

    def __init__(self, card: CardRule, rules: Rules) -> None:
        """Start without any lead."""
        self._card = card
        self._rules = rules
        self.leads = 0
        self._signals: Counter[str] = Counter()
        self._outcomes: list[tuple[frozenset[str], bool]] = []
        """The signals of each lead that was won or lost, and whether it was won."""
        self._lines = [0] * len(card.fit.lines)
        self._names: Counter[str] = Counter()
        self._values: dict[str, Counter[str]] = {name: Counter() for name in card.fit.traits}

    def add_lead(self, lead: Lead) -> None:
        """Count one lead."""
        self.leads += 1
        signals, state = signals_of(lead, self._rules), sales_of(lead.verdicts).state
        self._signals.update(signals)
        if state in _ENDS:
            self._outcomes.append((signals, state == KINDS[WON]))
        traits = lead.trait_values()
        self._names.update(name for name, value in traits.items() if value is not None)
        for i, (_, worth) in enumerate(self._card.fit.lines):
            self._lines[i] += worth(traits) is not None
        for name, values in self._values.items():
            if traits.get(name) is not None:
                values[_short(shown(traits[name]))] += 1

    def describe(self, fired: Fired, has_traits: bool) -> View:
        """The counts, with a hint where one is 0; names and values of traits only if the role may see them."""
        signals = [s for s in self._rules.model.signals if s.name in self._card.card.points]
        return {
            "sampled": self.leads,
            "signals": [self._signal_view(signal, fired) for signal in signals],
            "fit": [self._line_view(i, line, has_traits) for i, (line, _) in enumerate(self._card.fit.lines)],
            "outcomes": self._outcomes_view(),
        }

    def _outcomes_view(self) -> View:
        """How many leads were won and lost, and how often each signal occurs for either."""
        won = sum(is_won for _, is_won in self._outcomes)
        return {"won": won, "lost": len(self._outcomes) - won, **compare_signals(self._card, self._outcomes)}

    def _signal_view(self, signal: Signal, fired: Fired) -> View:
        leads, lately = self._signals[signal.name], fired.get(signal.name, (0, None))[0]
        is_unused = self.leads and not (leads or (lately and not signal.at_least))
        hint = hint_at_signal(signal, self._rules.model.signals, fired) if is_unused else None
        return {"name": signal.name, "label": signal.label, "leads": leads, "fired_7d": lately, "hint": hint}

    def _line_view(self, i: int, line: FitLine, has_traits: bool) -> View:
        tested = sorted({line.trait} - {""} | set(paths_in(line.when)))
        traits = [self._trait_view(name, has_traits) for name in tested]
        hint = None
        if self.leads and not self._lines[i]:
            hint = " ".join(self._hint_at_trait(trait, has_traits) for trait in traits)
        view = {"name": line.part, "label": line.label, "says": describe_fit(line), "leads": self._lines[i]}
        return {**view, "traits": traits, "hint": hint}

    def _trait_view(self, name: str, has_traits: bool) -> View:
        values = self._values.get(name, Counter())
        most = values.most_common(MAX_VALUES) if has_traits else []
        return {
            "name": name,
            "leads": values.total(),
            "values": [{"value": value, "leads": leads} for value, leads in most],
        }

    def _hint_at_trait(self, trait: View, has_traits: bool) -> str:
        name = trait["name"]
        if trait["leads"]:
            found = [f"{each['value']} ({number(each['leads'])})" for each in trait["values"]]
            most = f"; most often {', '.join(found)}" if found else ""
            return f"{name} is known for {number(trait['leads'])} of them{most}."
        close = get_close_matches(name, self._names, 1) if has_traits else []
        similar = f" A similar trait is {close[0]}, known for {number(self._names[close[0]])}." if close else ""
        return f"{name} is not known for any of them.{similar}"


def hint_at_signal(signal: Signal, signals: tuple[Signal, ...], fired: Fired) -> str:
    """Why a signal may never have an effect: its event does not arrive, does not match, or is too rare."""
    if signal.at_least and (counted := fired.get(signal.name, (0, None))[0]):
        times = f"at least {signal.at_least} times within {format_duration(signal.window_ms)}"
        return f"Its events arrive (it counted {number(counted)} in 7 days), but none of these leads has one {times}."
    others = [
        (fired[other.name][0], other)
        for other in signals
        if other.name in fired and set(other.events) & set(signal.events)
    ]
    if not others:
        name = describe_events(signal.events)
        return f"No signal counted an event {name} in 7 days: check that it is sent, under exactly this name."
    count, other = max(others, key=lambda each: each[0])
    shared = describe_events(event for event in signal.events if event in other.events)
    where = describe_condition(signal.where)
    reason = f"but none whose {where}" if where else "but none counts for this signal: check its limit and `amount`"
    return f"Events {shared} arrive ({other.label or other.name} counted {number(count)} in 7 days), {reason}."


def _short(text: str) -> str:
    return text if len(text) <= MAX_CHARS else text[: MAX_CHARS - 1] + "\N{HORIZONTAL ELLIPSIS}"

"""Rows of a list of leads, for those that its filters include and as a role may see them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from app.board import lead_summary
from app.board.filters import Filters
from app.board.lead_columns import columns_of
from app.board.masking import Mask, sees_everything
from app.lead_views import points_of, rank, row_view
from streams.clock import now_ms
from streams.scoring.lead import Lead
from streams.scoring.rules import CardRule, Rules


class RowMaker:
    """Makes the rows of one page."""

    def __init__(  # noqa: PLR0913, PLR0917 - what makes a page
        self,
        mask: Mask,
        card: CardRule,
        rules: Rules,
        filters: Filters,
        role: str,
        extras: bool,
        traits: Sequence[str],
        note_lead: Callable[[Lead], None],
    ) -> None:
        """``extras`` adds name, company, channel and title; ``traits`` have columns.

        ``note_lead`` is called with each lead that was read.
        """
        self._mask, self._card, self._rules = mask, card, rules
        self._filters, self._role, self._extras = filters, role, extras
        self._traits, self._note_lead = traits, note_lead
        self.at_ms = now_ms()
        self.ranks: dict[str, float] = {}
        """Lead id -> place in the ranking, of each row."""
        self._unknown = bool(filters.channel) and mask.mask_channel(filters.channel or "", role) != filters.channel
        """Whether the role may not know the channel of the filter."""

    def make_row(self, lead_id: str, lead: Lead, named: bool = False) -> dict[str, Any] | None:
        """The row of a lead; None if a filter excludes it. A ``named`` one is shown where no scorecard applies."""
        self._note_lead(lead)
        wants = self._filters
        if self._unknown:
            return None
        if wants.channel and not (lead.touches and str(lead.touches[-1][1]).casefold() == wants.channel.casefold()):
            return None
        row = row_view(lead_id, lead, self._card, self._rules, self.at_ms)
        if not (row["applies"] or named) or not self._is_wanted(row):
            return None
        self.ranks[lead_id] = rank(lead, self._card, self.at_ms)
        if self._filters.show:
            row["columns"] = self._shown_of(lead_id, lead)
        return {**row, **self._extras_of(lead_id, lead)} if self._extras else row

    def mask_rows(self, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The rows as shown to the role."""
        return [self._mask.mask_value(row, self._role) for row in rows]

    def _is_wanted(self, row: dict[str, Any]) -> bool:
        """Whether the filters by stage, grade and category include a row."""
        wants = self._filters
        if (wants.stage and row["stage"] != wants.stage) or (wants.grade and row["grade"] != wants.grade):
            return False
        return not wants.category or category_of(self._card, row, self._rules) == wants.category

    def _shown_of(self, lead_id: str, lead: Lead) -> dict[str, str | None]:
        columns = columns_of(lead_id, lead, self._traits)
        shown = {name: columns[name] for name in self._filters.show}
        return {name: text and self._mask.mask_channel(text, self._role) for name, text in shown.items()}

    def _extras_of(self, lead_id: str, lead: Lead) -> dict[str, Any]:
        more = lead_summary.summarize_lead(lead_id, lead)
        if sees_everything(self._role):
            return more
        mask = self._mask
        came = more["channel"] and " / ".join(
            mask.mask_channel(part, self._role) for part in more["channel"].split(" / ")
        )
        return {"name": mask.mask_id(lead_id, self._role), "company": None, "channel": came, "title": None}


def category_of(card: CardRule, row: dict[str, Any], rules: Rules) -> str | None:
    """The category of most of a row's points."""
    sums: dict[str, float] = {}
    for part in row["parts"]:
        if part["kind"] == "signal":
            category = card.category_names[card.weights[rules.signals[part["name"]].id][2]]
            sums[category] = sums.get(category, 0.0) + points_of(part)
    name, points = max(sums.items(), key=lambda item: item[1], default=("", 0.0))
    return name if points > 0 else None

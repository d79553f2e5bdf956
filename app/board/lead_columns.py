"""The columns of a lead in the search index: what lists can be filtered and sorted by, and its words. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from app import lead_names
from app.board.masking import is_personal
from app.board.search_words import fold_text, join_words, phone_words, split_words
from app.lead_views import rank
from streams.scoring.lead import Lead
from streams.scoring.rules import UNRANKED, CardRule
from streams.scoring.stages import current_stage
from streams.scoring.verdicts import sales_of

COLUMNS: Final = ("name", "company", "owner", "campaign", "sales")
"""Columns of every board; those of traits follow."""
TRAIT: Final = "trait."
"""Beginning of the name of a trait's column."""
OPEN_COLUMNS: Final = frozenset({"campaign", "sales"})
"""Columns that a role may use that sees no traits."""
MAX_VALUE_CHARS: Final = 200
_NAMES: Final = ("name", "first_name", "last_name", "firstName", "lastName")
_MAILS: Final = ("email",)
_PHONES: Final = ("phone", "mobile", "telephone", "phone_number", "mobile_phone")


class Standing(NamedTuple):
    """The place of a lead in the ranking of one scorecard."""

    scorecard: str
    place: float
    stage: str | None
    entered_ms: int | None
    """When it entered this stage."""


class Entry(NamedTuple):
    """One lead in the index."""

    lead_id: str
    seen_ms: int
    mail: str | None
    ids: str
    """Words of the ids that every role may see."""
    more: str
    """The other words."""
    columns: tuple[str | None, ...]
    """The folded value of each column."""
    standings: tuple[Standing, ...]
    """Scorecards that apply to the lead."""


def columns_of(lead_id: str, lead: Lead, names: Sequence[str]) -> dict[str, str | None]:
    """The value of each column as it is shown: these of every board and those of the traits ``names``."""
    traits, sales = lead.trait_values(), sales_of(lead.verdicts)
    return {
        "name": lead_names.name_of(lead_id, traits),
        "company": lead_names.company_of(traits),
        "owner": sales.owner or lead_names.owner_of(traits),
        "campaign": str(lead.touches[-1][3]) if lead.touches and lead.touches[-1][3] else None,
        "sales": sales.state,
        **{TRAIT + name: _text_of(traits.get(name)) for name in names},
    }


def entry_of(lead_id: str, lead: Lead, cards: Iterable[CardRule], names: Sequence[str], at_ms: int) -> Entry:
    """The entry of a lead; ``names`` are the traits that have a column."""
    traits, shown = lead.trait_values(), columns_of(lead_id, lead, names)
    ids = [lead_id, *lead.aliases]
    mail = next((fold_text(text) for name in _MAILS if (text := _text_of(traits.get(name)))), None)
    return Entry(
        lead_id,
        lead.last_seen,
        mail,
        join_words(word for each in ids if not is_personal(each) for word in split_words(each)),
        join_words(_other_words(ids, traits, shown)),
        tuple(None if value is None else fold_text(value)[:MAX_VALUE_CHARS] or None for value in shown.values()),
        tuple(standing for card in cards if (standing := _standing_of(lead, card, at_ms)) is not None),
    )


def _other_words(ids: Iterable[str], traits: Mapping[str, Any], shown: Mapping[str, str | None]) -> Iterable[str]:
    for each in ids:
        if is_personal(each):
            yield from split_words(each)
    for text in (
        *(_text_of(traits.get(name)) for name in (*_NAMES, *_MAILS)),
        *(shown[name] for name in shown if name != "sales"),
    ):
        yield from split_words(text or "")
    for name in _PHONES:
        yield from phone_words(_text_of(traits.get(name)) or "")


def _standing_of(lead: Lead, card: CardRule, at_ms: int) -> Standing | None:
    place = rank(lead, card, at_ms)
    if place == UNRANKED:
        return None
    stage = current_stage(card, lead)
    entered_ms = next((lead.latches[rule.key].since for rule in card.stages if rule.stage.name == stage), None)
    return Standing(card.name, place, stage, entered_ms)


def _text_of(value: Any) -> str | None:
    """A trait as a text; a list as its texts, separated by commas."""
    if isinstance(value, list):
        value = ", ".join(filter(None, map(_text_of, value)))
    if isinstance(value, bool):
        value = "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value)[:MAX_VALUE_CHARS].strip() or None if isinstance(value, str | int | float) else None

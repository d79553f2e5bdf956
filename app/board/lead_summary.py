"""The name, company, title and channel of a lead, for lists. Pure."""

from __future__ import annotations

from typing import Any

from app.lead_names import company_of, name_of, title_of
from streams.scoring.lead import Lead


def summarize_lead(lead_id: str, lead: Lead) -> dict[str, Any]:
    """Name, company, channel and title."""
    traits = lead.trait_values()
    return {
        "name": name_of(lead_id, traits),
        "company": company_of(traits),
        "channel": channel_of(lead),
        "title": title_of(traits),
    }


def channel_of(lead: Lead) -> str | None:
    """The channel of the last touch: ``google / cpc``."""
    if not lead.touches:
        return None
    _, source, medium, _ = lead.touches[-1]
    return " / ".join(filter(None, (source, medium))) or None

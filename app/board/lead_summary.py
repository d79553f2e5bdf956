"""The name, company, title and channel of a lead, for lists. Pure."""

from __future__ import annotations

from typing import Any, Final

from streams.scoring.lead import Lead

_COMPANY: Final = ("company", "group.name", "company_name", "organization", "companyName")
_OWNER: Final = ("owner", "owner_name", "owner_email")
_TITLE: Final = ("title", "job_title", "position", "jobTitle")


def summarize_lead(lead_id: str, lead: Lead) -> dict[str, Any]:
    """Name, company, channel and title."""
    traits = lead.trait_values()
    return {
        "name": name_of(lead_id, traits),
        "company": company_of(traits),
        "channel": channel_of(lead),
        "title": title_of(traits),
    }


def name_of(lead_id: str, traits: dict[str, Any]) -> str:
    """The best available name."""
    full = " ".join(
        filter(None, (_first(traits, ("first_name", "firstName")), _first(traits, ("last_name", "lastName"))))
    )
    return _first(traits, ("name",)) or full or _first(traits, ("email",)) or lead_id


def channel_of(lead: Lead) -> str | None:
    """The channel of the last touch: ``google / cpc``."""
    if not lead.touches:
        return None
    _, source, medium, _ = lead.touches[-1]
    return " / ".join(filter(None, (source, medium))) or None


def company_of(traits: dict[str, Any]) -> str | None:
    """The lead's company."""
    return _first(traits, _COMPANY)


def owner_of(traits: dict[str, Any]) -> str | None:
    """Who is responsible for the lead."""
    return _first(traits, _OWNER)


def title_of(traits: dict[str, Any]) -> str | None:
    """The lead's job title."""
    return _first(traits, _TITLE)


def _first(traits: dict[str, Any], names: tuple[str, ...]) -> str | None:
    for name in names:
        value = traits.get(name)
        if isinstance(value, str) and value.strip():
            return value.strip()
        if isinstance(value, dict) and isinstance(value.get("name"), str) and value["name"].strip():
            return str(value["name"]).strip()
    return None

"""The name, company and title of a lead, from its traits. Pure."""

from __future__ import annotations

from typing import Any, Final

_COMPANY: Final = ("company", "group.name", "company_name", "organization", "companyName")
_OWNER: Final = ("owner", "owner_name", "owner_email")
_TITLE: Final = ("title", "job_title", "position", "jobTitle")


def name_of(lead_id: str, traits: dict[str, Any]) -> str:
    """The best available name."""
    full = " ".join(
        filter(None, (_first(traits, ("first_name", "firstName")), _first(traits, ("last_name", "lastName"))))
    )
    return _first(traits, ("name",)) or full or _first(traits, ("email",)) or lead_id


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

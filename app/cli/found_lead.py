"""Finds the lead that a command is about."""

from app import lead_lookup
from app.cli.common import open_store
from app.cli.errors import CommandError
from app.settings import Settings
from streams.exits import Exit
from streams.scoring.lead import Lead
from streams.shard.alert import rfc3339


async def find_lead(settings: Settings, lead_id: str) -> tuple[str, Lead]:
    """The lead with an id or an e-mail address, and its current id.

    Raises:
        CommandError: there is none.
    """
    async with open_store(settings) as store:
        found_id, state = await lead_lookup.find_by_id_or_email(store, settings.partitions, lead_id)
    if isinstance(state, Lead):
        return found_id, state
    if state is None:
        raise CommandError(
            Exit.UNKNOWN_LEAD,
            f"there is no lead {lead_id!r}: no event with this id or address was scored, or the lead was idle for so "
            "long that it was forgotten.",
        )
    gone_at = rfc3339(state.gone_ms)
    raise CommandError(Exit.UNKNOWN_LEAD, f"there is no lead {lead_id!r}: it was erased or forgotten at {gone_at}.")

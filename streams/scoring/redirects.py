"""A merged lead remembers the events that came under its id, and what a retraction undoes.

Events and retractions that are sent on can arrive after any number of other events, when the other lead no longer
remembers the event. So the id under which an event came remembers it.
"""

from __future__ import annotations

import msgspec

from streams.scoring.event import Retract
from streams.scoring.lead import Latch, Lead, Redirect, id_hash
from streams.scoring.leads import Leads
from streams.scoring.retraction import forget_event
from streams.scoring.stored import encode_redirect


def memory_of(lead: Lead) -> Lead:
    """What a redirect keeps of a lead: its recent events, and the episodes of its stages."""
    memory = Lead(lead.base)
    memory.ring, memory.recent, memory.sets, memory.details = lead.ring, lead.recent, lead.sets, lead.details
    memory.latches = {key: Latch(episode=latch.episode) for key, latch in lead.latches.items()}
    return memory


def carry_retraction(leads: Leads, record: Retract, redirect: Redirect) -> Retract:
    """The retraction as it is sent on, with what the event was counted as."""
    target, memory = redirect.target.id, redirect.memory
    counted_as = forget_event(memory, id_hash(record.message_id)) if memory is not None else []
    if counted_as:
        leads.outcome.blobs[record.lead_id] = encode_redirect(redirect)
    return msgspec.structs.replace(record, lead_id=target, counted_as=record.counted_as or tuple(counted_as))

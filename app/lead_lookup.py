"""Finds leads in the shards, for the command line and the board."""

from collections.abc import AsyncIterator
from heapq import merge
from itertools import islice

from streams.events.identities import email_id
from streams.scoring.account_ids import account_id
from streams.scoring.account_state import Account
from streams.scoring.controls import MAX_HOPS
from streams.scoring.lead import Erased, Lead, Redirect, State
from streams.scoring.stored import decode
from streams.store.base import Store
from streams.transport.topics import partition_of


async def load_state(store: Store, partitions: int, lead_id: str) -> State | None:
    """The state that the shard has for an id."""
    blob = (await store.load(partition_of(lead_id, partitions), [lead_id]))[0]
    return None if blob is None else decode(blob)


async def find_lead(store: Store, partitions: int, lead_id: str) -> tuple[str, Lead | Erased | None]:
    """The lead with an id, and its current id; follows redirects from shard to shard."""
    for _ in range(MAX_HOPS + 1):
        state = await load_state(store, partitions, lead_id)
        if not isinstance(state, Redirect):
            return lead_id, None if isinstance(state, Account) else state
        lead_id = state.target.id
    return lead_id, None


async def find_by_id_or_email(store: Store, partitions: int, id_or_email: str) -> tuple[str, Lead | Erased | None]:
    """The lead with an id, else with an e-mail address."""
    found_id, state = await find_lead(store, partitions, id_or_email)
    if state is None and "@" in id_or_email:
        by_address_id, by_address = await find_lead(store, partitions, email_id(id_or_email))
        if by_address is not None:
            return by_address_id, by_address
    return found_id, state


async def load_top(store: Store, partitions: int, scorecard: str, limit: int) -> list[tuple[str, Lead]]:
    """The leads that are first in the ranking, ties by lead id."""
    shards = [await store.top(partition, scorecard, limit) for partition in range(partitions)]
    ranked = merge(*shards, key=lambda row: (-row[1], row[0]))
    found = [(lead_id, await load_state(store, partitions, lead_id)) for lead_id, _ in islice(ranked, limit)]
    return [(lead_id, state) for lead_id, state in found if isinstance(state, Lead)]


async def load_top_accounts(store: Store, partitions: int, ranking: str, limit: int) -> list[Account]:
    """The accounts that are first in a ranking, ties by id."""
    shards = [await store.top(partition, ranking, limit) for partition in range(partitions)]
    ranked = merge(*shards, key=lambda row: (-row[1], row[0]))
    found = [await load_state(store, partitions, of) for of, _ in islice(ranked, limit)]
    return [state for state in found if isinstance(state, Account)]


async def find_account(store: Store, partitions: int, card: str, value: str) -> Account | None:
    """The account with a value of the key; None for one that never had a lead."""
    state = await load_state(store, partitions, account_id(card, value))
    return state if isinstance(state, Account) else None


async def scan_leads(store: Store, partitions: int) -> AsyncIterator[tuple[str, Lead]]:
    """Every lead once, shard by shard; not merged or erased ones."""
    for partition in range(partitions):
        seen: set[str] = set()
        async for lead_id, blob in store.scan(partition):
            state = decode(blob)
            if isinstance(state, Lead) and lead_id not in seen:
                seen.add(lead_id)
                yield lead_id, state

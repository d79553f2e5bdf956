"""Lists accounts and shows one with its leads, as a role may see them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from app.account_views import View, account_row, account_view, rank
from app.board import lead_summary
from app.board.alert_list import AlertList
from app.board.bounded_store import BoundedStore
from app.board.cursor import cursor_of, place_of
from app.board.id_cipher import IdCipher
from app.board.masking import Mask, sees_everything
from app.http.refusals import Refusal
from app.lead_views import labels_of, row_view
from streams.clock import now_ms
from streams.scoring.account_ids import account_id
from streams.scoring.account_rules import AccountRule, key_value_of
from streams.scoring.account_state import Account
from streams.scoring.lead import Lead
from streams.scoring.rules import CardRule, Rules

MAX_SHOWN = 200
"""The most leads that a page of an account has."""
NO_ACCOUNTS = "No scorecard has accounts: add `accounts: {key: email domain}` to one."
UNKNOWN = "There is no such account: no lead with this value of the key was scored."


class AccountList:
    """The accounts of all shards."""

    def __init__(
        self, store: BoundedStore, cipher: IdCipher, mask: Mask, rules: Callable[[], Rules], alerts: AlertList
    ) -> None:
        """``rules`` returns the scorecards in use."""
        self._store = store
        self._cipher = cipher
        self._mask = mask
        self._rules = rules
        self._alerts = alerts

    @property
    def scorecards(self) -> list[str]:
        """The names of the scorecards with accounts."""
        return list(self._rules().accounts)

    def find_rule(self, scorecard: str | None) -> AccountRule:
        """The accounts of a scorecard; by default the first that has any.

        Raises:
            Refusal: it has none, or no scorecard has.
        """
        known = self._rules().accounts
        found = known.get(scorecard) if scorecard else next(iter(known.values()), None)
        if found is None:
            named = f"This scorecard has no accounts. Those with accounts are: {', '.join(known)}."
            raise Refusal(404, "no_accounts", named if known else NO_ACCOUNTS)
        return found

    async def list_page(self, scorecard: str | None, cursor: str | None, limit: int, role: str) -> dict[str, Any]:
        """One page of the ranking, highest score first; an empty one if no scorecard has accounts."""
        if not scorecard and not self.scorecards:
            return {"scorecard": "", "accounts": [], "next": None}
        rule = self.find_rule(scorecard)
        after: Any = place_of(self._cipher, cursor, float, str) if cursor else None
        async with self._store.bounded():
            places = await self._store.load_ranking(rule.ranking, after, limit, None)
            states = await self._store.load_states([of for _, of in places])
        accounts = [state for _, of in places if isinstance(state := states.get(of), Account)]
        accounts.sort(key=lambda account: (-rank(account, rule), account.id))
        more = len(places) == limit
        return {
            "scorecard": rule.name,
            "accounts": [self._masked(account_row(account, rule), role) for account in accounts],
            "next": cursor_of(self._cipher, float(places[-1][0]), places[-1][1]) if more else None,
        }

    def find_id(self, scorecard: str | None, given: str, role: str) -> str:
        """The id under which an account is stored, from the value of its key as a role knows it.

        Raises:
            Refusal: there can be no such account.
        """
        rule, resolved = self.find_rule(scorecard), self._mask.resolve_account(given, role)
        value = None if resolved is None else key_value_of(rule, resolved)
        if value is None:
            raise Refusal(404, "unknown_account", UNKNOWN)
        return account_id(rule.name, value)

    async def list_alerts(
        self, scorecard: str | None, given: str, cursor: str | None, limit: int, role: str
    ) -> dict[str, Any]:
        """One page of the latest alerts of an account, newest first."""
        return await self._alerts.list_page(cursor, limit, role, {self.find_id(scorecard, given, role)})

    async def get_account(self, scorecard: str | None, given: str, role: str) -> View:
        """One account with the leads that have the highest scores.

        Raises:
            Refusal: there is no such account.
        """
        rule, rules, of = self.find_rule(scorecard), self._rules(), self.find_id(scorecard, given, role)
        async with self._store.bounded():
            account = (await self._store.load_states([of])).get(of)
            if not isinstance(account, Account):
                raise Refusal(404, "unknown_account", UNKNOWN)
            view = account_view(account, rule, MAX_SHOWN)
            leads = await self._store.load_states([each["lead_id"] for each in view["people"]])
        card = next(card for card in rules.cards if card.name == rule.name)
        for person in view["people"]:
            person.update(self._describe(person["lead_id"], leads.get(person["lead_id"]), card, rules, role))
        return self._masked(view, role)

    def _describe(self, lead_id: str, lead: object, card: CardRule, rules: Rules, role: str) -> View:
        """What the page says of a lead of an account."""
        if not isinstance(lead, Lead):  # it leaves just now
            return {"name": lead_id, "title": None, "stage": None, "stage_label": None, "last_seen_at": None}
        row, more = row_view(lead_id, lead, card, rules, now_ms()), lead_summary.summarize_lead(lead_id, lead)
        label = labels_of(card.card.stages).get(row["stage"], row["stage"])
        shown = {"stage": row["stage"], "stage_label": label, "last_seen_at": row["last_seen_at"]}
        if sees_everything(role):
            return {"name": more["name"], "title": more["title"]} | shown
        return {"name": self._mask.mask_id(lead_id, role), "title": None} | shown

    def _masked(self, view: View, role: str) -> View:
        masked: View = self._mask.mask_value(view, role)
        return masked | {"account": self._mask.mask_account(view["account"], role)}

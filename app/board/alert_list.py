"""Lists the latest alerts about leads and accounts, as a role may see them."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import Any, cast

from app.board.alerts import EVERYTHING, Alerts, any_alert_of
from app.board.bounded_store import BoundedStore
from app.board.cursor import cursor_of, place_of
from app.board.id_cipher import IdCipher
from app.board.masking import Mask
from app.freshness import Freshness
from streams.scoring.lead import Erased


class AlertList:
    """The alerts that the board keeps."""

    def __init__(
        self, store: BoundedStore, alerts: Alerts, cipher: IdCipher, mask: Mask, freshness: Callable[[], Freshness]
    ) -> None:
        """``store`` knows which leads were erased."""
        self._store = store
        self._alerts = alerts
        self._cipher = cipher
        self._mask = mask
        self._freshness = freshness

    async def list_page(
        self, cursor: str | None, limit: int, role: str, whom: set[str] | None = None, about: str = EVERYTHING
    ) -> dict[str, Any]:
        """One page, newest first; ``whom`` and ``about`` filter as ``Alerts.list_before`` does."""
        place = None if cursor is None else place_of(self._cipher, cursor, int, str)
        rows = list(islice(self._alerts.list_before(cast(Any, place), whom, about), limit + 1))
        more = len(rows) > limit
        rows = rows[:limit]
        found = [(at_ms, of, alert) for (at_ms, _), of, value in rows if (alert := any_alert_of(value)) is not None]
        leads = {each["lead_id"] for _, _, alert in found for each in alert.get("leads", ())}
        gone = await self._erased({of for _, of, _ in found} | leads)
        kept = [_without(alert, at_ms, gone) for at_ms, of, alert in found if at_ms > gone.get(of, -1)]
        return {
            "alerts": [self._mask.mask_alert(alert, role) for alert in kept],
            "next": cursor_of(self._cipher, *rows[-1][0]) if more else None,
            "truncated": self._alerts.is_full and not more,
            **self._freshness().to_json(),
        }

    async def _erased(self, ids: set[str]) -> dict[str, int]:
        """The erased ones of these leads, with the time: earlier alerts do not show them."""
        async with self._store.bounded():
            states = await self._store.load_states(ids)
        return {i: state.gone_ms for i, state in states.items() if isinstance(state, Erased)}


def _without(alert: dict[str, Any], at_ms: int, gone: dict[str, int]) -> dict[str, Any]:
    """An alert without the leads of its account that were erased since."""
    if "leads" not in alert:
        return alert
    return {**alert, "leads": [each for each in alert["leads"] if at_ms > gone.get(each["lead_id"], -1)]}

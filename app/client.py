"""A typed client of the board's API that needs only the standard library.

board = Client("https://board.acme.example", token)
for row in board.leads(stage="qualified"):
print(row["lead_id"], row["score"])
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.client import HTTPResponse
from typing import Any, Final, Literal, NamedTuple, cast
from urllib.error import HTTPError
from urllib.parse import quote, urlencode
from urllib.request import Request, urlopen

from app.client_answers import Alert, Channels, Curve, Event, Lead, Page, Results, Row

TIMEOUT_S: Final = 15.0
STREAM_TIMEOUT_S: Final = 60.0
"""A stream sends a heartbeat every 15 s."""


class StreamEvent(NamedTuple):
    """One event of a stream."""

    event: str
    data: Any


class BoardError(Exception):
    """The board refused a request."""

    def __init__(self, status: int, code: str, message: str, retry_after_s: int | None) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.code = code
        self.retry_after_s = retry_after_s
        """Seconds after which to retry, if the board names them."""


class Client:
    """Reads from one board."""

    def __init__(self, url: str = "http://127.0.0.1:8090", token: str = "", timeout_s: float = TIMEOUT_S) -> None:
        """``token`` was made by ``leadglow tokens new``."""
        self._base = f"{url.rstrip('/')}/api/v1"
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._timeout_s = timeout_s

    def leads(self, limit: int | None = None, **filters: str) -> Iterator[Row]:
        """The ranking; pages are loaded as needed.

        ``filters`` are those of the API: scorecard, stage, grade, category, channel, q, company, owner, campaign,
        sales, ``trait.NAME``, seen, unseen, new_since, sort and columns.
        """
        left, cursor = limit, ""
        while left is None or left > 0:
            page = self.leads_page(cursor, 200 if left is None else min(left, 200), **filters)
            yield from page["leads"]
            left = None if left is None else left - len(page["leads"])
            if page["next"] is None:
                return
            cursor = page["next"]

    def leads_page(self, cursor: str = "", limit: int = 50, **filters: str) -> Page:
        """One page of the ranking."""
        return cast(Page, self._get("/leads", **filters, cursor=cursor, limit=str(limit)))

    def lead(self, lead_id: str, at: str = "") -> Lead:
        """One lead, now or in the future.

        Raises:
            BoardError: there is no such lead (404), or no answer for you.
        """
        return cast(Lead, self._get(f"/leads/{quote(lead_id, safe='')}", at=at))

    def curve(self, lead_id: str, scorecard: str = "") -> Curve:
        """The history and forecast of a lead's score."""
        return cast(Curve, self._get(f"/leads/{quote(lead_id, safe='')}/curve", scorecard=scorecard))

    def timeline(self, lead_id: str) -> list[Event]:
        """The recent activity of a lead."""
        return cast(list[Event], self._get(f"/leads/{quote(lead_id, safe='')}/timeline")["events"])

    def alerts(self, lead_id: str = "") -> Iterator[Alert]:
        """The latest alerts, of all leads or one, newest first."""
        path, cursor = f"/leads/{quote(lead_id, safe='')}/alerts" if lead_id else "/alerts", ""
        while True:
            page = self._get(path, cursor=cursor, limit="200")
            yield from cast(list[Alert], page["alerts"])
            if page["next"] is None:
                return
            cursor = page["next"]

    def channels(self, touch: Literal["first", "last"] = "first", days: int = 30, scorecard: str = "") -> Channels:
        """Qualified leads by channel."""
        return cast(Channels, self._get("/channels", touch=touch, days=str(days), scorecard=scorecard))

    def results(self, touch: Literal["first", "last"] = "first", days: int = 30, scorecard: str = "") -> Results:
        """What became of the leads that were handed over to sales."""
        return cast(Results, self._get("/results", touch=touch, days=str(days), scorecard=scorecard))

    def scorecards(self) -> list[dict[str, str]]:
        """All scorecards: name and label."""
        return cast(list[dict[str, str]], self._get("/scorecards")["scorecards"])

    def scorecard(self, name: str) -> dict[str, Any]:
        """A scorecard, with recent counts of its signals."""
        return self._get(f"/scorecards/{quote(name, safe='')}")

    def flow(self) -> dict[str, Any]:
        """Rates, lags, shards and rejects."""
        return self._get("/flow")

    def stream_alerts(self) -> Iterator[StreamEvent]:
        """Alerts as they are sent, until the board ends the stream; then call it again."""
        return self._stream("/stream/alerts")

    def stream_lead(self, lead_id: str) -> Iterator[StreamEvent]:
        """A lead (``lead``) whenever its score changes, its alerts (``alert``), and ``gone`` when it is erased."""
        return self._stream(f"/stream/leads/{quote(lead_id, safe='')}")

    def _get(self, path: str, **query: str) -> dict[str, Any]:
        with self._open(path, self._timeout_s, query) as answer:
            found: dict[str, Any] = json.load(answer)
        return found

    def _stream(self, path: str) -> Iterator[StreamEvent]:
        with self._open(path, STREAM_TIMEOUT_S, {}) as answer:
            event = ""
            for line in answer:
                name, _, value = line.decode().rstrip("\n").partition(": ")
                if name == "event":
                    event = value
                elif name == "data":
                    yield StreamEvent(event, json.loads(value))

    def _open(self, path: str, timeout_s: float, query: dict[str, str]) -> HTTPResponse:
        encoded = urlencode({name: value for name, value in query.items() if value})
        request = Request(f"{self._base}{path}{'?' if encoded else ''}{encoded}", headers=self._headers)
        try:
            return cast(HTTPResponse, urlopen(request, timeout=timeout_s))
        except HTTPError as error:
            with error:
                raise _refused(error) from None


def _refused(error: HTTPError) -> BoardError:
    retry = error.headers.get("Retry-After", "")
    try:
        body = json.load(error)
        code, message = str(body["code"]), str(body["message"])
    except (ValueError, KeyError, TypeError):
        code, message = "unknown", str(error.reason)
    return BoardError(error.code, code, message, int(retry) if retry.isdigit() else None)

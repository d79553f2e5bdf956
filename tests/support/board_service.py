"""A board service for tests of pages without Kafka and Redis; its texts can be replaced by malicious ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import cycle
from typing import Any

from app.board.costs import Cost
from app.board.filters import Filters
from app.board.results import Asked, Seen, build_results
from app.freshness import Freshness, State
from streams.scoring.sales_rows import SalesRow
from streams.scoring.scorecard import SalesTerms, Scorecard, Stage, Target
from streams.shard.alert import rfc3339

NOON = 1_795_262_400_000
HOUR = 3_600_000
DAY = 24 * HOUR
Text = Callable[[str], str]


class StandInAccounts:
    """One account with one lead."""

    scorecards = ("default", "plants")

    def __init__(self, text: Text, now_ms: int) -> None:
        """``text`` creates every text that comes from outside."""
        self._row = {
            "account": text("acme.example"), "scorecard": "default", "score": 132, "exact": 132.0, "stage": "target",
            "stage_label": text("Target"),
            "leads": 2, "changed_at": rfc3339(now_ms),
        }  # fmt: skip
        self._person = {
            "lead_id": text("u-1"), "score": 84, "name": text("Ana Lima"), "title": text("CTO"), "stage": "qualified",
            "stage_label": text("Ready for sales"),
            "last_seen_at": rfc3339(now_ms),
        }  # fmt: skip
        self._stage = {"name": "target", "label": text("Target"), "enter": 120.0, "leave": 80.0, "inside": True}
        self._stage |= {"since": rfc3339(now_ms), "missing": 0.0}
        self.alert = {
            "id": "f" * 32, "at": rfc3339(now_ms), "account": text("acme.example"), "key": "company", "members": 2,
            "leads": [{"lead_id": text("u-1"), "score": 84}], "scorecard": "default", "stage": "target",
            "stage_label": text("Target"), "kind": "entered", "episode": 1, "cause": text("event"),
            "score": {"value": 132.0, "previous": 92.0},
        }  # fmt: skip

    async def list_page(self, scorecard: str | None, cursor: str | None, limit: int, role: str) -> dict[str, Any]:
        return {"scorecard": "default", "accounts": [self._row | {"top_leads": []}], "next": "further"}

    async def get_account(self, scorecard: str | None, given: str, role: str) -> dict[str, Any]:
        more = {"key": "company", "roll_up": "top 3", "stages": [self._stage], "people": [self._person]}
        return self._row | more | {"explanation": "the 3 highest scores of its leads added: 84 + 48"}

    async def list_alerts(self, *asked: Any) -> dict[str, Any]:
        return {"alerts": [self.alert]}


class StandInService:
    """The same answers to all requests, in the format of ``app.board.service.Desk``."""

    def __init__(self, text: Text = str, leads: int = 3, now_ms: int = NOON) -> None:
        """``text`` creates every text that comes from outside."""
        self.text = text
        self.now_ms = now_ms
        self.many = leads
        self.asked: list[Any] = []
        self.verdicts = self
        self.freshness = Freshness(State.CURRENT, now_ms, 0)

    @property
    def accounts(self) -> StandInAccounts:
        """Of two scorecards."""
        return StandInAccounts(self.text, self.now_ms)

    def list_choices(self, scorecard: str | None, role: str) -> dict[str, Any]:
        return {
            "scorecards": [
                {"name": "default", "label": "Whole company", "shadow": False},
                {"name": "plants", "label": "Plants", "shadow": True},
            ],
            "labels": {"stage": {"qualified": self.text("Ready for sales")}, "category": {}, "signal": {}},
            "scorecard": scorecard if scorecard in {"default", "plants"} else "default",
            "stages": ["engaged", "qualified"],
            "grades": ["A", "B", "C", "D", "E"],
            "categories": ["intent", "attention", "friction"],
            "channels": [self.text("google"), self.text("linkedin")],
            "range": [0.0, 100.0],
            "columns": [{"name": "owner", "label": "Owner"}, {"name": "trait.industry", "label": "Industry"}],
            "orders": [("", "Hottest first"), ("owner", "Owner")],
        }

    async def list_values(self, role: str) -> dict[str, list[str]]:
        return {"owner": [self.text("olga")], "trait.industry": [self.text("plants")]}

    def list_reasons(self) -> list[str]:
        return [self.text("no budget"), "too small"]

    def list_currencies(self) -> list[str]:
        return ["EUR", "USD"]

    def check_filters(self, filters: Filters) -> None:
        """Always available."""

    async def list_leads(
        self, filters: Filters, cursor: str | None, limit: int, role: str, extras: bool = False
    ) -> dict[str, Any]:
        self.asked.append(filters)
        start = int(cursor or 0)
        rows = [self._row(i) for i in range(start, min(start + limit, self.many))]
        more = start + limit < self.many
        return {
            "leads": rows,
            "next": str(start + limit) if more else None,
            "as_of": rfc3339(self.now_ms),
            "looked_at": len(rows),
            "truncated": False,
        }

    def _row(self, i: int) -> dict[str, Any]:
        t, exact = self.text, max(96.25 - 3.5 * i, 0.5)
        grades = "A" if exact >= 80 else "B" if exact >= 60 else "C" if exact >= 40 else "D" if exact >= 20 else "E"
        return {
            "lead_id": t(f"u-{i:05d}"),
            "scorecard": "default",
            "applies": True,
            "score": round(exact),
            "exact": exact,
            "grade": grades,
            "stage": "qualified" if exact >= 70 else "engaged" if exact >= 30 else None,
            "fit": 30.0,
            "engagement": exact - 30,
            "last_seen_at": rfc3339(self.now_ms - (i + 1) * 7 * 60_000),
            "sales": "contacted" if i % 2 else "new",
            "owner": None,
            "parts": self._parts(exact),
            "name": t(("Ana Aalto", "Ben Berg", "Carla Costa")[i % 3]),
            "company": t("Brightforge"),
            "channel": t("google / cpc"),
            "title": t("VP Operations"),
        }

    def _parts(self, exact: float) -> list[dict[str, Any]]:
        return [
            {
                "kind": "signal",
                "name": "demo_request",
                "label": self.text("Asked for a demo"),
                "amount": 0.75,
                "points": 30.0,
            },
            {"kind": "signal", "name": "pricing_visit", "amount": 2.5, "points": 25.0},
            {"kind": "cap", "name": "pricing_visit", "points": -5.0},
            {"kind": "signal", "name": "jobs_visit", "amount": 0.5, "points": -5.0},
            {"kind": "fit", "name": self.text("title"), "points": 20.0},
            {"kind": "fit", "name": self.text("employees"), "points": 15.0},
            {"kind": "cap", "name": "fit", "points": -5.0},
            {"kind": "signal", "name": "page_view", "amount": 3.0, "points": exact - 75},
        ]

    async def get_lead(self, lead_id: str, at_ms: int | None, role: str) -> dict[str, Any] | None:
        if lead_id == "nobody":
            return None
        card = {
            "label": self.text("Whole company"),
            "shadow": False,
            "applies": True,
            "stage_labels": {"qualified": self.text("Ready for sales")},
            "category_labels": {"intent": self.text("Buying intent")},
            "score": 82,
            "exact": 81.625,
            "grade": "A",
            "stage": "qualified",
            "stages": {"engaged": True, "qualified": True},
            "not_entered": {},
            "fit": 30.0,
            "engagement": 51.625,
            "categories": {"intent": 50.0, "attention": 6.625, "friction": -5.0, "other": 0.0},
            "parts": self._parts(81.625),
            "next_change": {"at": rfc3339(self.now_ms + HOUR), "to": 81},
        }
        t = self.text
        return {
            "lead_id": t("u-00000") if lead_id == "known-as" else lead_id,
            "as_of": rfc3339(at_ms or self.now_ms),
            "first_seen_at": rfc3339(self.now_ms - 12 * DAY),
            "last_seen_at": rfc3339(self.now_ms - 7 * 60_000),
            "forgotten_at": None,
            "aliases": [t("5f3c9f5f0e7b1d42"), t("ana.aalto@brightforge.example")],
            "sales": {
                "state": "rejected",
                "since": rfc3339(self.now_ms - DAY),
                "by": t("ben"),
                "reason": t("no budget"),
                "owner": t("ben"),
                "history": [
                    {
                        "kind": "rejected",
                        "at": rfc3339(self.now_ms - DAY),
                        "reason": t("no budget"),
                        "by": t("ben"),
                        "message_id": "verdict:rejected:1",
                    },
                    {"kind": "won", "at": rfc3339(self.now_ms - DAY), "amount": 1200},
                ],
            },
            "traits": {t("name"): t("Ana Aalto"), "title": t("VP Operations"), "employees": 450, "company": t("Acme")},
            "scorecards": {"default": card, "plants": {**card, "next_change": None, "shadow": True}},
        }

    async def get_curve(self, lead_id: str, scorecard: str | None, role: str) -> dict[str, Any]:
        now = self.now_ms
        past = [[now - (30 - i) * 9 * HOUR, min(i * 3 + (9 if i > 20 else 0), 82)] for i in range(31)]
        coming = [[now + i * 4 * HOUR, 81.625 * 0.5 ** (i / 60)] for i in range(181)]
        return {
            "past": past,
            "coming": coming,
            "crossings": [
                {"at": rfc3339(now + 43 * 4 * HOUR), "stage": "qualified", "kind": "left"},
                {"at": rfc3339(now + 122 * 4 * HOUR), "stage": "engaged", "kind": "left"},
            ],
            "bounds": [
                {"stage": "engaged", "enter": 30.0, "leave": 20.0},
                {"stage": "qualified", "enter": 70.0, "leave": 50.0},
            ],
            "range": [0.0, 100.0],
            "now": now,
        }

    async def get_timeline(self, lead_id: str, role: str) -> dict[str, Any]:
        names = ("demo_request", "pricing_visit", "page_view", "jobs_visit", "email_open", "page_view")
        points = (40.0, 10.0, 1.0, -10.0, 0.0, 1.0)
        events = [
            {
                "at": rfc3339(self.now_ms - (i + 1) * 5 * HOUR),
                "signals": [{"name": names[i], "points": {"default": points[i]}}],
                "event": self.text("Demo Requested") if i == 0 else None,
                "log": "read" if i < 4 else "gone",
                "what": self.what(i) if i < 4 else None,
            }
            for i in range(6)
        ]
        return {"events": events, "log_failure": None}

    def what(self, i: int) -> dict[str, Any]:
        """What an event was."""
        title = self.text(("Demo", "Prices", "Why us", "Jobs")[i])
        form = {"form": title, "form_fields": {self.text("team"): self.text("50 to 100")}, "amount": 1200.0}
        return {"show": title, "title": title, "path": self.text("/page"), **(form if i == 0 else {})}

    async def get_fit(self, lead_id: str, scorecard: str | None, role: str) -> list[dict[str, Any]]:
        return [
            {"name": trait, "label": self.text(label), "trait": trait, "says": says, "points": points, "holds": holds}
            for trait, label, says, points, holds in (
                ("title", "Decision maker", "title matches (?i)\\b(ceo|cto|vp)\\b", 20.0, True),
                ("title", "", "title matches (?i)\\b(student)\\b", -20.0, False),
                ("employees", "", "employees is at least 200", 15.0, True),
                ("rating", "", "rating times 0.2, from 0 to 20", None, False),
            )
        ]

    async def list_alerts(
        self, cursor: str | None, limit: int, role: str, lead_id: str | None = None, about: str = "leads"
    ) -> dict[str, Any]:
        rows = [self._alert(i) for i in range(min(limit, 4))] + [self.accounts.alert] * (about == "all")
        return {
            "alerts": [] if cursor else rows,
            "next": None if cursor or lead_id else "older",
            "truncated": bool(cursor),
        }

    def _alert(self, i: int) -> dict[str, Any]:
        t = self.text
        entered = i != 1
        return {
            "id": f"{i:032x}",
            "at": rfc3339(self.now_ms - (i + 1) * 20 * 60_000),
            "lead_id": t(f"u-{i:05d}"),
            "scorecard": "default",
            "stage": "qualified",
            "stage_label": t("Ready for sales"),
            "kind": "entered" if entered else "left",
            "episode": 1,
            "cause": "event" if entered else "decay",
            "score": {"value": 74.5 if entered else 49.99, "previous": 64.5 if entered else 50.0, "delta": 10.0},
            "reasons": [
                {"rule": "demo_request", "label": t("Demo"), "kind": "signal", "points": 40.0, "count": 1},
                {"rule": t("title"), "kind": "fit", "points": 20.0, "count": 1},
                {"rule": "jobs_visit", "kind": "signal", "points": -10.0, "count": 1},
            ],
            "lead": {"lead_id": t("u-1"), "traits": {"name": t("Ana Aalto"), "company": t("Brightforge")}},
            "channels": {
                "last_touch": {"source": t("google"), "medium": t("cpc"), "campaign": t("downtime-calculator")}
            },
            "activity": {"events": self._alert_events()},
        }

    def _alert_events(self) -> list[dict[str, Any]]:
        t, hours_ago = self.text, [rfc3339(self.now_ms - i * HOUR) for i in range(3)]
        return [
            {"at": hours_ago[0], "signals": ["demo_request"], "label": t("Asked for a demo"), "event": "Demo Requested",
             "show": t("Demo of the plant view"), "title": t("Ask us"), "path": t("/demo")},
            {"at": hours_ago[1], "signals": [], "event": "identify"},
            {"at": hours_ago[2], "signals": ["pricing_visit"], "label": "pricing_visit"},
        ]  # fmt: skip

    async def list_channels(self, scorecard: str, role: str, touch: str, days: int) -> dict[str, Any]:
        names = [("google", "cpc", "downtime"), ("linkedin", "paid-social", "plant-leaders"), ("", "", "")]
        counts, costs = [14, 7, 3], [1240.0, 980.5, None]
        rows = [
            {
                **dict(zip(("source", "medium", "campaign"), map(self.text, name), strict=True)),
                "qualified": many,
                "share": many / 24,
                "median_hours_to_qualified": hours,
                "cost": cost,
                "cost_per_qualified": None if cost is None else cost / many,
            }
            for name, many, cost, hours in zip(names, counts, costs, (52.5, 3.25, None), strict=True)
        ]
        since = rfc3339(self.now_ms - days * DAY)
        return {"rows": rows, "total": 24, "since": since, "stages": ["qualified"], "truncated": False}

    async def get_results(self, scorecard: str, role: str, touch: str, days: int) -> dict[str, Any]:
        """Four leads handed over: two were rejected, one is won."""
        t, at = self.text, self.now_ms - DAY
        channel, about = (t("google"), t("cpc"), t("downtime")), (("default", "qualified", at),)
        rows = [SalesRow("entered", at, f"{i}", "", about, channel, channel) for i in range(4)]
        given: list[tuple[str, str | int]] = [
            ("rejected", "no budget"),
            ("rejected", ""),
            ("won", 1200),
            ("contacted", ""),
        ]
        for i, (kind, detail) in enumerate(given):
            rows.append(SalesRow(kind, at + HOUR * (i + 1), f"{i}", f"m{i}", about, detail=detail))
        stages = (
            Stage("ready", 50, 40, handoff=True),
            Stage("qualified", 70, 50, handoff=True, label=t("Ready for sales")),
        )
        terms = SalesTerms((t("no budget"),))
        card = Scorecard("default", {}, label=t("Whole company"), stages=stages, sales=terms, target=Target(3, "week"))
        asked = Asked("default", touch, self.now_ms - days * DAY, self.now_ms)
        costs = [Cost(t("google"), "", "", 500.0, self.now_ms - 90 * DAY, self.now_ms, "EUR")]
        seen = Seen({channel: 40.0, (t("linkedin"), "", ""): 7.0}, is_estimate=True)
        other = replace(card, name="plants", label="Plants")
        return {
            **build_results([card, other], asked, rows, costs, seen),
            "days": days,
            "version": "0",
            "truncated": True,
        }

    async def get_scorecard(self, name: str | None) -> dict[str, Any]:
        signals = [
            ("page_view", "page view", "14d", "5/day", 1.0, None, "attention", 412),
            ("pricing_visit", "page view whose properties.url contains /pricing", "14d", "1/day", 10.0,
             None, "intent", 63),
            ("jobs_visit", "page view whose properties.url contains /jobs", "30d", "1/day", -10.0,
             None, "friction", 12),
            ("product_depth", "page view whose properties.path begins with /product/, each properties.path once", "30d",
             None, 3.0, 15.0, "intent", 96),
            ("unsubscribe", "Unsubscribed", "never", "1/ever", -20.0, None, "friction", 0),
        ]  # fmt: skip
        fields = ("name", "says", "half_life", "limit", "points", "cap", "category", "fired_7d")
        return {
            "name": name or "default",
            "label": self.text("Whole company"),
            "shadow": name == "plants",
            "applies_to": self.text("country is ES"),
            "version": "0123456789abcdef" * 4,
            "range": [0.0, 100.0],
            "grades": [{"grade": g, "from": 80.0 - 20 * i} for i, g in enumerate("ABCDE")],
            "engagement_grades": [{"grade": "1", "from": 10.0}] if name == "plants" else [],
            "fit_max": 40.0,
            "signals": [
                {**dict(zip(fields, row, strict=True)), "points_7d": row[4] * row[7], "never": not row[7], "label": "",
                 "absent": 0.0}
                for row in signals
            ],
            "categories": [
                {"name": "intent", "label": self.text("Buying intent"), "signals": ["pricing_visit", "product_depth"],
                 "min": None, "max": 70.0},
                {"name": "friction", "label": "", "signals": ["jobs_visit", "unsubscribe"], "min": -40.0, "max": None},
            ],
            "fit": [
                {"name": "title", "label": "", "trait": "title", "says": "title matches (?i)ceo", "points": 20.0},
                {"name": "rating", "label": self.text("Rating"), "trait": "rating", "says": "rating", "points": None},
            ],
            "stages": [
                {"name": "engaged", "label": "", "keep": {},
                 "enter": 30.0, "leave": 20.0, "needs": {}, "needs_signals": [], "blocked_by": [],
                 "blocked_by_labels": [], "cooldown": None, "handoff": False},
                {"name": "qualified", "label": "", "keep": {"fit": 5.0},
                 "enter": 70.0, "leave": 50.0, "needs": {"fit": 10.0, "engagement": 20.0}, "needs_signals": [],
                 "blocked_by": ["unsubscribe"], "blocked_by_labels": [self.text("Unsubscribed")],
                 "cooldown": "7d", "handoff": True},
            ],
            "accounts": {
                "key": "company", "roll_up": "sum", "says": "leads with the same company are one account",
                "stages": [
                    {"name": "target", "label": self.text("Target account"), "keep": {}, "enter": 120.0, "leave": 80.0,
                     "needs": {}, "needs_signals": [], "blocked_by": [], "blocked_by_labels": [], "cooldown": "7d",
                     "handoff": True},
                ],
            },
        }  # fmt: skip

    async def get_usage(self, name: str | None, role: str) -> dict[str, Any]:
        t = self.text
        leads = (1700, 900, 120, 600, 0)
        counts = [0, 0, 12, 0, 3, 40, 61, 80, 95, 120, 170, 260, 400, 640, 900, 1100, 1500, 2100, 3300, 5400]
        traits = [{"name": t("title"), "leads": 1200, "values": [{"value": t("Student"), "leads": 31}]}]
        fit = [
            {"name": "title", "label": "", "says": t("title is CEO"), "leads": 0, "traits": traits,
             "hint": t("title is known for 1,200 of them; most often Student (31).")},
            {"name": "rating", "label": t("Rating"), "says": "rating", "leads": 700, "traits": [], "hint": None},
        ]  # fmt: skip
        return {
            "scorecard": name or "default",
            "version": "0123456789abcdef" * 4,
            "as_of": rfc3339(self.now_ms),
            "range": [0.0, 100.0],
            "leads": sum(counts),
            "bins": [{"from": 5 * i, "to": 5 * i + 4 + (i == 19), "leads": n} for i, n in enumerate(counts[::-1])],
            "stages": [
                {"name": "engaged", "label": "", "enter": 30.0, "leave": 20.0, "leads_from_enter": 4000,
                 "leads_from_leave": 5500},
                {"name": "qualified", "label": t("Ready for sales"), "enter": 70.0, "leave": 50.0,
                 "leads_from_enter": 60, "leads_from_leave": 410},
            ],
            "sampled": 2000,
            "signals": [
                {"name": signal["name"], "label": "", "leads": many, "fired_7d": signal["fired_7d"],
                 "hint": None if many else t("No signal counted an event Unsubscribed in 7 days.")}
                for signal, many in zip((await self.get_scorecard(name))["signals"], leads, strict=True)
            ],
            "fit": fit,
            "outcomes": {
                "won": 41, "lost": 38, "needed": 20, "enough": True,
                "signals": [
                    {"name": signal["name"], "label": "", "points": signal["points"], "won": 20, "lost": 19,
                     "won_share": 0.4878, "lost_share": 0.5, "interval": [-0.2241, 0.2001], "occurs": occurs}
                    for signal, occurs in zip(
                        (await self.get_scorecard(name))["signals"], cycle(("won", "alike", "lost", "never")),
                        strict=False)
                ],
            },
        }  # fmt: skip

    async def get_flow(self) -> dict[str, Any]:
        at = rfc3339(self.now_ms - 2000)
        return {
            "rates": {"events_per_s": 1843.2, "alerts_per_s": 0.35},
            "sources": [{"topic": self.text("web-events"), "lag": 12, "per_s": 1512.5}],
            "shards": [
                {"partition": p, "lag": 3, "leads": 10_412, "due": 9000, "outbox": 0, "owner": self.text("worker-1"),
                 "arrived_at": at if p else None}
                for p in range(2)
            ],
            "rejects": [
                {"at": at, "reason": "not_json", "message": "The value is not valid JSON in UTF-8.",
                 "source": self.text("web-events:0:41"), "bytes": 1204}
            ],
            "reject_reasons": {"not_json": 17, "no_lead": 4},
        }  # fmt: skip

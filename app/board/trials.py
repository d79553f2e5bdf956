"""Tries scorecards: checks a text, and measures what it would do to the leads, one change at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from app.board.bounded_store import AWAY, BoundedStore
from app.board.masking import Mask, sees_everything
from app.board.trait_conditions import asks_about_traits
from app.http.refusals import Refusal
from app.scorecards.change import measure_change
from app.scorecards.report import report_words
from streams.publishing.scorecards import Scorecards
from streams.scorefile import YamlFileError, parse
from streams.scoring.rules import LATENESS_MS, Rules
from streams.scoring.rules_change import Undo
from streams.scoring.scorecard import Model
from streams.store.retry import TROUBLE
from streams.yamlfile.parser import MAX_CHARS

TRIAL_S: Final = 120.0
"""Time limit of one change; 100,000 leads take a few seconds."""
TURN_S: Final = 2.0
"""How long a request waits while another change is measured."""
BUSY: Final = "Another change is being measured: try again in a moment."
WITHHELD: Final = (
    "This change tests traits that the scorecards in use do not test. Your role does not show traits, so the effect on "
    "leads is not shown: ask somebody with the role viewer+pii or editor."
)
MAX_TEXT_BYTES: Final = MAX_CHARS
TOO_LARGE: Final = f"The scorecard file is too large: keep it below {MAX_CHARS} bytes."
_NAME: Final = "scorecard.yaml"
View = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Check:
    """What is wrong with a scorecard; without mistakes it has a model."""

    mistakes: tuple[View, ...] = ()
    warnings: tuple[View, ...] = ()
    model: Model | None = None

    def describe(self, report: View | None = None, withheld: str | None = None) -> View:
        """The answer about the text, with what it would change."""
        return {
            "mistakes": list(self.mistakes),
            "warnings": list(self.warnings),
            "report": report,
            "withheld": withheld,
        }


def check_text(text: str) -> Check:
    """Check the text of a scorecard file, as ``leadglow scorecards check`` does."""
    try:
        reading = parse(text, _NAME)
    except YamlFileError as error:
        mistakes = [_place(m.line, m.column, f"{m.message}; {m.remedy}") for m in error.mistakes]
        return Check(tuple(mistakes), _read_warnings(error.warnings))
    return Check((), _read_warnings(reading.warnings), reading.value)


def _read_warnings(lines: tuple[str, ...]) -> tuple[View, ...]:
    """The warnings of a file, which are lines ``name:line:column: warning: …``."""
    found = []
    for warning in lines:
        _, line, column, text = warning.split(":", 3)
        found.append(_place(int(line), int(column), text.strip().removeprefix("warning: ")))
    return tuple(found)


def _place(line: int, column: int, message: str) -> View:
    return {"line": line, "column": column, "message": message}


class Trials:
    """Tries scorecards on the live leads; changes nothing."""

    def __init__(self, store: BoundedStore, mask: Mask, scorecards: Callable[[], Scorecards]) -> None:
        """``scorecards`` returns those in use."""
        self._store = store
        self._mask = mask
        self._scorecards = scorecards
        self._turn = asyncio.Lock()
        self._checks = asyncio.Lock()
        self.progress: tuple[int, int] | None = None
        """Leads that were read for the current change, and all of them; None while nothing is measured."""

    @property
    def text(self) -> str:
        """The text of the scorecards in use."""
        return self._scorecards().text

    async def check(self, text: str) -> Check:
        """Check a text, in a thread, because a large one takes long."""
        async with self._checks:
            return await asyncio.to_thread(check_text, text)

    async def try_change(self, text: str, role: str) -> View:
        """The mistakes in a text; without any, what it would change, with the ids that the role may see.

        Raises:
            Refusal: another change is being measured, or Redis does not respond.
        """
        check = await self.check(text)
        if check.model is None:
            return check.describe()
        async with self._take_turn():
            old = self._scorecards().rules
            new = Rules(check.model, LATENESS_MS)
            if not sees_everything(role) and asks_about_traits(old.model, new.model):
                return check.describe(report_words(old, new), WITHHELD)
            report = await self._measure(old, new)
        return check.describe(self._mask_ids(report, role))

    async def measure(self, old: Rules, new: Rules, undo: Undo | None) -> View:
        """What a change from old to new scorecards would do to the leads.

        Raises:
            Refusal: another change is being measured, or Redis does not respond.
        """
        async with self._take_turn():
            return await self._measure(old, new, undo)

    @asynccontextmanager
    async def _take_turn(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(TURN_S):
                await self._turn.acquire()
        except TimeoutError:
            raise Refusal(503, "busy", BUSY, retry_after_s=2) from None
        try:
            yield
        finally:
            self.progress = None
            self._turn.release()

    async def _measure(self, old: Rules, new: Rules, undo: Undo | None = None) -> View:
        def on_progress(done: int, total: int) -> None:
            self.progress = done, total

        store = self._store
        try:
            return await measure_change(store.store, store.partitions, old, new, on_progress, undo)
        except TROUBLE:
            raise Refusal(503, "store_away", AWAY, retry_after_s=2) from None

    def _mask_ids(self, report: View, role: str) -> View:
        """The report with ids of leads as shown to a role, and no names."""
        if sees_everything(role):
            return report
        for card in report["scorecards"].values():
            card["names"] = {}
            for mover in card["movers"]:
                mover["lead_id"] = self._mask.mask_id(mover["lead_id"], role)
            for stage in card["stages"].values():
                for name in ("first_entered", "first_left"):
                    stage[name] = [self._mask.mask_id(lead_id, role) for lead_id in stage[name]]
        return report

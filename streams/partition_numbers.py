"""Explains numbers of partitions that do not agree: those of the settings, of the topic and of the state in Redis."""

from __future__ import annotations

import json
from typing import Final, NamedTuple

from streams.counts import count_of

REPARTITION: Final = "repartition"
"""The name of the plan of a repartition in the values that hold for all shards."""
FORMER: Final = "repartitioned"
"""The name of the list of earlier numbers of partitions, in the same place."""
STOP: Final = "stop all workers, run `leadglow repartition --to {number}`, and set LEADGLOW_PARTITIONS={number}"
FRESH: Final = "start with fresh topics and another LEADGLOW_NAMESPACE"


class Numbers(NamedTuple):
    """Numbers of partitions."""

    setting: int
    topic: int
    state: int | None
    """What Redis has state for; None if there is none."""


def former_numbers(text: str) -> list[int]:
    """The earlier numbers of partitions, from the value of ``FORMER``."""
    return list(json.loads(text)) if text else []


def is_switching(plan: str) -> bool:
    """Whether the new shards are in force already, and not all in their places yet."""
    return bool(json.loads(plan).get("step", "copy") != "copy")


def explain_unfinished(plan: str) -> str:
    """A repartition has begun and not ended; what to do. ``plan`` is as it is stored."""
    found = json.loads(plan)
    again = f"`leadglow repartition --to {found['new']}` has begun and not ended: run it again."
    if is_switching(plan):
        return again
    return f"{again} Or undo it by `leadglow repartition --cancel` while the topic has {found['old']} partitions."


def explain_topic(topic: str, setting: int, actual: int) -> str:
    """The topic has another number than the settings; the state in Redis is not known here."""
    facts = f"{topic} has {count_of(actual, 'partition')} instead of {setting}"
    if actual < setting:
        return f"{facts}: set LEADGLOW_PARTITIONS={actual}; or, to have {setting}, {STOP.format(number=setting)}."
    return (
        f"{facts}: if partitions were added to it, {STOP.format(number=actual)}; otherwise set "
        f"LEADGLOW_PARTITIONS={actual}, or name a fresh topic in LEADGLOW_LEAD_EVENTS."
    )


def explain_state(setting: int, state: int) -> str:
    """Redis has state for another number than the settings."""
    more = f"; or, to have {setting}, {STOP.format(number=setting)}" if setting > state else ""
    facts = f"LEADGLOW_PARTITIONS is {setting}, but Redis holds state for {count_of(state, 'partition')}"
    return f"{facts}: set LEADGLOW_PARTITIONS={state}{more}."


def explain_partitions(topic: str, numbers: Numbers) -> str:
    """What does not agree, and what to do, with a full stop."""
    setting, actual, state = numbers
    held = "" if state is None else f", and Redis holds state for {state}"
    facts = f"LEADGLOW_PARTITIONS is {setting}, topic {topic} has {count_of(actual, 'partition')}{held}"
    if state is None or state == actual:
        more = (
            f"; or, to have {setting}, {STOP.format(number=setting)}" if state is not None and setting > actual else ""
        )
        return f"{facts}: set LEADGLOW_PARTITIONS={actual}{more}."
    if state < actual:
        return f"{facts}: {STOP.format(number=actual)}."
    return f"{facts}, so the topic is another one than before: set LEADGLOW_KAFKA and LEADGLOW_LEAD_EVENTS, or {FRESH}."

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
    noted: int | None = None
    """What leads were divided among last, by the note in Kafka; None if they never were, or it is not known."""


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


def is_older(state: int | None, noted: int | None) -> bool:
    """Whether Redis has a state from before a repartition that Kafka notes, as after a snapshot was put back."""
    return state is not None and noted is not None and state < noted


def explain_older(state: int, noted: int) -> str:
    """Redis has a state from before a repartition that has ended; what to do."""
    return (
        f"Redis holds state for {count_of(state, 'partition')}, from before the repartition to {noted}. It cannot be "
        "repeated, as events that came after it would be lost: restore a backup of Redis from after it; or set "
        f"LEADGLOW_PARTITIONS={noted} and run `leadglow rebuild --after-repartition`, which loses what came before it."
    )


def explain_topic(topic: str, setting: int, actual: int, noted: int | None = None) -> str:
    """The topic has another number than the settings; the state in Redis is not known here."""
    facts = f"{topic} has {count_of(actual, 'partition')} instead of {setting}"
    if actual == noted:
        return f"{facts}, and leads are divided among {actual} already: set LEADGLOW_PARTITIONS={actual}."
    if actual < setting:
        return f"{facts}: set LEADGLOW_PARTITIONS={actual}; or, to have {setting}, {STOP.format(number=setting)}."
    return (
        f"{facts}: if partitions were added to it, {STOP.format(number=actual)}; otherwise set "
        f"LEADGLOW_PARTITIONS={actual}, or name a fresh topic in LEADGLOW_LEAD_EVENTS."
    )


def explain_state(setting: int, state: int, noted: int | None = None) -> str:
    """Redis has state for another number than the settings."""
    if noted is not None and is_older(state, noted):
        return explain_older(state, noted)
    more = f"; or, to have {setting}, {STOP.format(number=setting)}" if setting > state else ""
    return f"{_contrast(setting, state)}: set LEADGLOW_PARTITIONS={state}{more}."


def explain_to_readers(setting: int, state: int) -> str:
    """The same where Kafka cannot be asked whether the state is from before a repartition."""
    if setting < state:
        return explain_state(setting, state)
    return f"{_contrast(setting, state)}: `leadglow doctor` says what to do."


def _contrast(setting: int, state: int) -> str:
    return f"LEADGLOW_PARTITIONS is {setting}, but Redis holds state for {count_of(state, 'partition')}"


def explain_partitions(topic: str, numbers: Numbers) -> str:
    """What does not agree, and what to do, with a full stop."""
    setting, actual, state, noted = numbers
    if state is not None and noted is not None and is_older(state, noted):
        return explain_older(state, noted)
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

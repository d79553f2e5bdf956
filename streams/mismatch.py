"""Explains why state in Redis and topics in Kafka do not belong together, and how to recover."""

from __future__ import annotations

from typing import Final


class Mismatch(Exception):
    """The state and the log do not belong together; working on would corrupt scores."""


LOST: Final = (
    "Redis has no state for partition {partition}, but Kafka says that its events were scored: Redis was emptied or is "
    "another one. Point LEADGLOW_REDIS at the right one; or run `leadglow rebuild` to score everything that Kafka "
    "still has again"
)
CUT: Final = (
    "partition {partition} of the lead events ends at {end}, but its leads were scored up to {checkpoint}: the topic "
    "was recreated or cut. If that was meant, run `leadglow rebuild`; if not, point LEADGLOW_KAFKA at the right cluster"
)
GONE: Final = (
    "partition {partition} of the lead events begins at {first}, but its leads were scored up to {checkpoint}: what "
    "lies between was deleted before it was scored (retention, or another topic). To go on without it, run `leadglow "
    "rebuild`, which scores what Kafka still has; if it is the wrong topic, point LEADGLOW_KAFKA at the right cluster"
)
OTHER: Final = (
    "partition {partition} of the lead events has another record at {offset} than the one that was scored: the topic "
    "was recreated or cut. If that was meant, run `leadglow rebuild`; if not, point LEADGLOW_KAFKA at the right cluster"
)
DAMAGED: Final = (
    "partition {partition}: {reason} (lead {lead_id!r}). Redis, or something that writes to it, has damaged its data: "
    "restore a backup of it; or run `leadglow rebuild` to score everything that Kafka still has again"
)
SOURCE_NEW: Final = (
    "{topic} was deleted and created again under its name. Its events would be taken for those that it held before: "
    "write to a topic of a new name, and put that into LEADGLOW_SOURCES"
)
SOURCE_CUT: Final = (
    "{tp.topic}, partition {tp.partition}, ends at {end}, but was read up to {committed}: the topic was recreated or "
    "cut. Its new events would be taken for repeated ones: write to a topic of a new name, and put that into "
    "LEADGLOW_SOURCES"
)
OTHER_SCORECARDS: Final = (
    "all workers must use the same scorecards. Version {agreed} is in use, this file has version {found}. To use this "
    "file everywhere, run `leadglow scorecards publish FILE`; otherwise, give this worker the file of the others"
)
UNREADABLE_SCORECARDS: Final = (
    "this version of Leadglow cannot read the scorecards in use: {error}\nRun the same version of Leadglow everywhere"
)
UNEQUAL_VERSIONS: Final = (
    "this version of Leadglow gives the scorecards in use version {found}, the one that published them {agreed}: run "
    "the same version of Leadglow everywhere"
)

"""Error messages for state in Redis that does not match the topics in Kafka, with instructions to recover."""

from __future__ import annotations

from typing import Final


class Mismatch(Exception):
    """The state does not match the log; to continue would corrupt scores."""


REBUILD: Final = "run `leadglow rebuild`, which scores what Kafka still has and nothing else"
REBUILD_AFTER: Final = (
    "run `leadglow rebuild --after-repartition`, which scores only what came after the last repartition"
)


def name_rebuild(text: str, has_older: bool) -> str:
    """A message with the rebuild that is possible; ``has_older``: Kafka has records from before a repartition."""
    return text.replace(REBUILD, REBUILD_AFTER) if has_older else text


STATE_LOST: Final = (
    "Redis has no state for partition {partition}, but according to Kafka its events were scored: Redis was emptied or "
    "is the wrong server. Set LEADGLOW_REDIS to the right server; or " + REBUILD
)
TOPIC_TRUNCATED: Final = (
    "partition {partition} of the lead events ends at {end}, but its leads were scored up to {checkpoint}: the topic "
    "was recreated or truncated. If it is the wrong one, set LEADGLOW_KAFKA to the right cluster; if this was "
    "intended, " + REBUILD
)
RECORDS_DELETED: Final = (
    "partition {partition} of the lead events begins at {first}, but its leads were scored up to {checkpoint}: the "
    "records in between were deleted before they were scored (by retention, or this is another topic). `leadglow "
    "restore` shows every partition with such a gap. If the topic is the wrong one, set LEADGLOW_KAFKA to the right "
    "cluster; else accept the gaps by `leadglow restore --accept-gap`, which keeps all leads; or " + REBUILD
)
RECORD_CHANGED: Final = (
    "the record at {offset} in partition {partition} of the lead events is not the one that was scored: the topic "
    "was recreated or truncated. If it is the wrong one, set LEADGLOW_KAFKA to the right cluster; if this was "
    "intended, " + REBUILD
)
DIVIDED: Final = (
    "partition {partition} of the lead events has records before {offset}, when leads were divided among more "
    "partitions: leads of other shards would be scored from them. Set LEADGLOW_NAMESPACE to the right one; or restore "
    "a backup of Redis from after that; or " + REBUILD_AFTER
)
LEAD_DAMAGED: Final = (
    "partition {partition}: {reason} (lead {lead_id!r}). Redis, or a program that writes to it, has damaged its data: "
    "restore a backup of Redis; or " + REBUILD
)
SOURCE_RECREATED: Final = (
    "{topic} was deleted and created again. Its new events would be mistaken for earlier ones: write to a topic with a "
    "new name, and add that name to LEADGLOW_SOURCES"
)
SOURCE_TRUNCATED: Final = (
    "partition {tp.partition} of {tp.topic} ends at {end}, but was read up to {committed}: the topic was recreated or "
    "truncated. Its new events would be mistaken for earlier ones: write to a topic with a new name, and add that name "
    "to LEADGLOW_SOURCES"
)
UNREADABLE_SCORECARDS: Final = (
    "this version of Leadglow cannot read the published scorecards: {error}\n"
    "Run the same version of Leadglow everywhere"
)
UNEQUAL_VERSIONS: Final = (
    "this version of Leadglow gives the published scorecards version {found}, the one that published them {published}: "
    "run the same version of Leadglow everywhere"
)
UNKNOWN_SCORECARDS: Final = (
    "partition {partition} of the lead events uses publication {place} of the scorecards, but topic {topic} does not "
    "have it: the topic was deleted or recreated, or is another one. Set LEADGLOW_SCORECARDS_TOPIC to the right topic, "
    "or restore it; if it is lost, start with fresh topics and another LEADGLOW_NAMESPACE"
)
NOTHING_PUBLISHED: Final = (
    "no scorecards are published, and there is no scorecard file: run `leadglow scorecards publish FILE`, or name a "
    "file in LEADGLOW_SCORECARDS"
)
NEWER_SYSTEM: Final = (
    "this system uses format {found}, but this release of Leadglow reads up to {newest}: run the newer release, which "
    "`leadglow upgrade --finish` was run with"
)
OLDER_SYSTEM: Final = (
    "this system uses format {found}, but this release of Leadglow reads {oldest} and later: run the releases between "
    "them first, one after another, each with `leadglow upgrade --finish`"
)
NO_SCORECARDS_TOPIC: Final = "Kafka has no topic {topic}: run `leadglow topics create` first"

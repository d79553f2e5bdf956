"""The engine: turns events into lead scores and alerts.

A record takes this way through the rooms:

1. ``transport`` fetches records from Kafka for one ``worker``; its ``engine`` runs a lane per partition.
2. ``intake`` finds the lead of each source record and writes it to ``lead-events``, keyed by lead.
3. ``shard`` takes a batch of ``lead-events``: ``events`` decodes it, ``store`` loads the leads.
4. ``scoring`` decides: counts, scores, stages. It is pure, and right by definition.
5. ``store`` commits states, schedule, ranking, outbox and position in one atomic step.
6. ``shard`` relays the outbox to Kafka: alerts, scores, forwarded records, rejects.

``scorefile`` and ``yamlfile`` read the scorecards; ``accelerator`` makes the same decisions faster.
"""

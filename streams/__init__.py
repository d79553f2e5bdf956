"""The engine: turns events into lead scores and alerts.

A record passes through the packages in this order:

1. ``transport`` fetches records from Kafka for one ``worker``. Its ``engine`` runs one lane for each partition.
2. ``intake`` determines the lead of each source record and writes the record to ``lead-events``, keyed by lead.
3. ``shard`` processes a batch of ``lead-events``: ``events`` decodes it, ``store`` loads the leads.
4. ``scoring`` computes counts, scores and stages. It is pure, and the reference for every result.
5. ``store`` commits states, schedule, ranking, outbox and position in one atomic step.
6. ``shard`` sends the outbox to Kafka: alerts, forwarded records and rejects; it also publishes changed scores.

``scorefile`` and ``yamlfile`` read the scorecards. ``accelerator`` computes the same results as ``scoring``, faster.
"""

"""The content of Kafka records: events, control records, rejected records, identities and times."""

"""The content of records: events, control records, rejects, times."""

"""Processes one partition of lead-events: reads records, loads leads, scores, commits and publishes."""

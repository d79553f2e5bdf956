"""One partition of lead-events: reads, loads, scores, commits and publishes."""

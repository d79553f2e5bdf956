"""One published version of the scorecards for all workers: the topic, its records, and how a version is published."""

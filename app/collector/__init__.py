"""The collector: turns HTTP requests into records of the source topics."""

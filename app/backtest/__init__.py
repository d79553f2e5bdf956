"""Replays retained events or an export by a scorecard file, and measures the result."""

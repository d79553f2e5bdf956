"""Spreads leads over more partitions of lead-events, while no worker runs."""

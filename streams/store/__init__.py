"""Stored state: shards in Redis or in memory, changed in atomic steps."""

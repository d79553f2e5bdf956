"""Stores the state of shards in Redis or in memory; each step changes it atomically."""

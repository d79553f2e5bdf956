"""The reference scorer: pure decisions about leads, from events and time."""

"""Compiled functions that work on leads in columns and on the bytes of records."""

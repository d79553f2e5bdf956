"""Compiled functions over leads in columns and over the bytes of records."""

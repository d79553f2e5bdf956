"""Reads YAML files, reports mistakes with line and column, and reloads a file when it changes."""

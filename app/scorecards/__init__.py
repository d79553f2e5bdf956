"""Scorecard files for people: in words, compared, tested with cases, and tried on leads."""

"""Scorecard files for people: in words, compared, and tried on the live leads."""

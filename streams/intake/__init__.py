"""Intake: moves records from the source topics to lead-events, keyed by lead."""

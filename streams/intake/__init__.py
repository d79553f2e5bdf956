"""Intake: carries records of the source topics over to lead-events, keyed by lead."""

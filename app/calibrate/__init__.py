"""Proposes points and bounds for a scorecard from the outcomes of leads."""

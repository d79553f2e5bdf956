"""A whole Leadglow under load, as an operator runs it."""

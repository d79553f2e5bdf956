"""The demo: sends simulated traffic through the whole system and verifies the result."""

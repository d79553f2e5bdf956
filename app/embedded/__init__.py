"""Starts embedded servers for the demo and for tests; production does not use them."""

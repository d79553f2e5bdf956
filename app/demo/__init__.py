"""The demo: made-up traffic through the whole system, checked afterwards."""

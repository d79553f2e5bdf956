"""Score and decode in compiled code, with the same bytes as the reference."""

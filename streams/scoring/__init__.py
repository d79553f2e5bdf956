"""Score leads in plain Python, without I/O: the reference that defines the correct result."""

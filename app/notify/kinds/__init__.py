"""The kinds of destinations: each turns alerts into a message, and an answer into outcomes. Pure."""

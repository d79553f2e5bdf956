"""The programs around the engine: command line, collector, board and demo."""

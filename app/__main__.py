"""``leadglow`` and ``python -m app``."""

import sys

from streams.exits import Exit


def main() -> None:
    """Run the command line; Ctrl-C ends it quietly from the start on."""
    try:
        from app.cli.root import main as run  # here, as its imports take a second in which Ctrl-C may come

        run()
    except KeyboardInterrupt:
        sys.exit(Exit.INTERRUPTED)


if __name__ == "__main__":
    main()

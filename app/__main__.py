"""``leadglow`` and ``python -m app``."""

import signal
import sys
from typing import Any

from streams.exits import Exit


def main() -> None:
    """Run the command line; Ctrl-C and SIGTERM end it quietly from the start on."""
    signal.signal(signal.SIGTERM, _terminate)
    try:
        from app.cli.root import main as run  # here, as its imports take a second in which Ctrl-C may come

        run()
    except KeyboardInterrupt:
        sys.exit(Exit.INTERRUPTED)


def _terminate(*_: Any) -> None:
    """The first process of a container ignores a signal that it has no handler for."""
    sys.exit(Exit.TERMINATED)


if __name__ == "__main__":
    main()

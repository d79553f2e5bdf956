"""The command ``leadglow`` of a release that reads formats up to the one before that of this code."""

from typing import Any

import streams.store.format

known: Any = streams.store.format
known.FORMAT -= 1
known.OLDEST -= 1

from app.cli.root import main  # noqa: E402 - after the change

main()

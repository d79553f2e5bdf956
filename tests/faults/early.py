"""The command ``leadglow`` on a machine whose clock is an hour ahead."""
# ruff: noqa: TID251

import time

from app.cli.root import main

AHEAD_S = 3600
seconds, nanoseconds = time.time, time.time_ns
time.time = lambda: seconds() + AHEAD_S
time.time_ns = lambda: nanoseconds() + AHEAD_S * 1_000_000_000
main()

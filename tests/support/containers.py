"""Runs processes as in a container: without a home, as a user without a name or write permission."""

import os
import shutil

USER = 12345


def as_unknown_user() -> list[str]:
    """The arguments that run a command as such a user, who can read everything; none without permission."""
    if os.geteuid() != 0 or not shutil.which("setpriv"):
        return []
    read = [f"--{kind}-caps=+dac_read_search" for kind in ("inh", "ambient")]
    return ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", *read]


def bare_environment(**variables: str) -> dict[str, str]:
    """An environment with the search path, the choice of the implementation and these variables."""
    kept = {name: value for name in ("PATH", "LEADGLOW_ACCELERATOR") if (value := os.environ.get(name))}  # noqa: TID251
    return {**kept, "PYTHONDONTWRITEBYTECODE": "1", **variables}

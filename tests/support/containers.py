"""Running processes as a container does: no home, and a user that has no name and can write nothing."""

import os
import shutil

USER = 12345


def as_unknown_user() -> list[str]:
    """Arguments before a command that is run by such a user, who can read everything; none if we may not."""
    if os.geteuid() != 0 or not shutil.which("setpriv"):
        return []
    read = [f"--{kind}-caps=+dac_read_search" for kind in ("inh", "ambient")]
    return ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", *read]


def bare_environment(**variables: str) -> dict[str, str]:
    """The search path and the choice of the implementation, and these variables."""
    kept = {name: value for name in ("PATH", "LEADGLOW_ACCELERATOR") if (value := os.environ.get(name))}  # noqa: TID251
    return {**kept, "PYTHONDONTWRITEBYTECODE": "1", **variables}

"""The code of the last release, from the history of this repository."""

from __future__ import annotations

import io
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import Final

LAST_RELEASE: Final = "108232d8d50d67f7a4d4344a73ac8a2ff2286298"
"""The commit of the last release; its workers must be able to run beside those of this code."""
ROOT: Final = Path(__file__).parents[2]


def unpack_release(folder: Path, commit: str = LAST_RELEASE) -> Path | None:
    """Unpack the code of a commit; None if this clone does not have it, or there is no git."""
    if shutil.which("git") is None:
        return None
    command = ["git", "archive", "--format=tar", commit, "app", "streams"]
    packed = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
    if packed.returncode:
        return None
    with tarfile.open(fileobj=io.BytesIO(packed.stdout)) as archive:
        archive.extractall(folder, filter="data")
    return folder

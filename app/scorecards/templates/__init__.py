"""Scorecard files to begin with, each after a published practice, with cases that test it."""

from pathlib import Path
from typing import Final

NAMES: Final = ("general", "saas-trial", "account-engagement", "gitlab-like", "services-es")
"""Each is a scorecard file in this folder, with its cases beside it."""
_FOLDER: Final = Path(__file__).parent


def read_template(name: str) -> tuple[str, str]:
    """The text of a template and of its cases."""
    texts = ((_FOLDER / f"{name}{ending}").read_text("utf-8") for ending in (".yaml", ".tests.yaml"))
    return next(texts), next(texts)

"""Reads the settings from the environment and the settings file; nothing else reads the environment.

A setting ``name`` is the variable ``LEADGLOW_NAME``, or ``name`` in the TOML file that
``LEADGLOW_SETTINGS`` names. The environment wins.
"""

import difflib
import os
import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError
from pydantic_settings import EnvSettingsSource

from app.settings import PREFIX, Settings, variable

FILE = f"{PREFIX}SETTINGS"
_FOR_TESTS = re.compile(f"{PREFIX}(TEST_.*|CRASH_AT)")
_WRONG_KINDS: Final = {
    "int_parsing": "must be a whole number",
    "float_parsing": "must be a number, with a point: 0.01",
    "bool_parsing": "must be true or false",
}
"""Type of an error of pydantic -> the message, where pydantic's own is about parsing."""


class SettingsError(Exception):
    """All mistakes in the settings, one per line."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def load_settings(env: Mapping[str, str] | None = None) -> Settings:
    """Read the settings from the environment and from the file that it names.

    Raises:
        SettingsError: there are mistakes; the error lists all of them.
    """
    env = os.environ if env is None else env
    problems = _unknown_variables(env)
    from_file, file_problems = _read_file(env.get(FILE))
    source = EnvSettingsSource(Settings)
    source.env_vars = {name.lower(): value for name, value in env.items() if value or _has_default(name)}
    from_env = source()
    settings = None
    try:
        settings = Settings(**(from_file | from_env))
    except ValidationError as error:
        problems += [line for detail in error.errors() for line in _explain(detail, from_env)]
    if settings is None or problems or file_problems:
        raise SettingsError(problems + file_problems)
    return settings


def read_variable(name: str) -> str | None:
    """A variable that the routes file names for a secret; None if it is not set."""
    return os.environ.get(name)


def _has_default(name: str) -> bool:
    """Whether the setting of a variable has a default that is not empty."""
    field = Settings.model_fields.get(name.removeprefix(PREFIX).lower())
    return field is not None and field.default not in (None, "")


def _unknown_variables(env: Mapping[str, str]) -> list[str]:
    known = {variable(field) for field in Settings.model_fields} | {FILE}
    return [
        f"{name}: unknown{_nearest(name, known)}"
        for name in sorted(env)
        if name.startswith(PREFIX) and name not in known and not _FOR_TESTS.fullmatch(name)
    ]


def _nearest(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {near[0]}?" if near else ""


def _read_file(path: str | None) -> tuple[dict[str, Any], list[str]]:
    if not path:
        return {}, []
    try:
        return tomllib.loads(Path(path).read_text()), []
    except OSError as error:
        return {}, [f"{FILE}: cannot read {path}: {error.strerror}"]
    except ValueError as error:  # of TOML, or of UTF-8
        return {}, [f"{path}: {error}"]


def _explain(detail: Mapping[str, Any], from_env: Mapping[str, Any]) -> list[str]:
    """The lines for one error of pydantic, without the value, which may be a secret."""
    message = _WRONG_KINDS.get(detail["type"]) or str(detail["msg"]).removeprefix("Value error, ")
    if not detail["loc"]:
        return message.split("\n")
    field = str(detail["loc"][0])
    if detail["type"] == "extra_forbidden":
        return [f"{field} (in the settings file): unknown{_nearest(field, Settings.model_fields)}"]
    place = variable(field) if field in from_env else f"{field} (in the settings file)"
    return [f"{place}: {message[0].lower()}{message[1:]}"]

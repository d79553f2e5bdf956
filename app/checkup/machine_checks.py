"""Checks of this machine: versions, the accelerator, folders that must be writable, and files with secrets."""

from __future__ import annotations

import os
import platform
import sys
import tempfile
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Final

from app.audit import STREAM, AuditLogUnwritable, require_writable
from app.checkup.findings import Finding, Findings
from app.private_files import check_private
from app.settings import Settings, variable
from streams.implementation import AcceleratorMissing, choose
from streams.yamlfile.load import YamlFileError

REFUSED: Final = ("collector_keys", "board_access")
"""Settings of files that processes refuse if others can read them."""
SECRET: Final = (*REFUSED, "notify_routes", "kafka_client_key", "kafka_oauth_client_secret_file")
"""All settings of files that hold secrets, or the names of secrets."""
PYTHON: Final = ((3, 11), (3, 14))


def check_machine(settings: Settings) -> list[Finding]:
    """Versions and folders."""
    findings = Findings("machine")
    findings.ok(f"leadglow {version('leadglow')}, Python {platform.python_version()} on {platform.platform()}")
    if not PYTHON[0] <= sys.version_info[:2] < PYTHON[1]:
        findings.fault("this version of Python is not supported: use 3.11, 3.12 or 3.13.")
    _check_accelerator(findings, settings)
    index = settings.board_index or Path(tempfile.gettempdir())
    if not is_writable(index):
        findings.fault(
            f"{index} is not writable, and the board keeps its search index there: set {variable('board_index')}."
        )
    return findings.found


def _check_accelerator(findings: Findings, settings: Settings) -> None:
    try:
        chosen = choose(settings.accelerator)
    except AcceleratorMissing as missing:
        findings.fault(f"{missing}.")
        return
    if chosen.name == "reference":
        why = f" ({chosen.reason})" if chosen.reason else ""
        findings.warn(f"the reference scores{why}, at a tenth of the speed: install 'leadglow[fast]' for more.")
        return
    findings.ok(f"the {chosen.name} scores")
    if chosen.cache is not None and not is_writable(chosen.cache) and not chosen.keeps_code:
        findings.warn(
            f"{chosen.cache} is not writable, so each start compiles for a minute: set NUMBA_CACHE_DIR to a folder "
            "that is."
        )


def is_writable(folder: Path) -> bool:
    """Whether files can be made in a folder, or in the nearest one above it that exists."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)


def check_files(settings: Settings, load: dict[str, Callable[[Path], object]]) -> list[Finding]:
    """Read each file that a setting names, as its process does."""
    findings = Findings("files")
    for name, read in load.items():
        path: Path | None = getattr(settings, name)
        if path is None:
            continue
        try:
            _check_file(findings, name, path, read)
        except OSError as error:  # of a file or folder that is another user's
            findings.fault(
                f"{variable(name)}: {path} cannot be read ({error.strerror}): allow it to the user that runs this."
            )
    _check_audit_log(findings, settings.audit_log)
    return findings.found


def _check_file(findings: Findings, name: str, path: Path, read: Callable[[Path], object]) -> None:
    if not path.exists():
        _report_missing(findings, name, path)
        return
    try:
        read(path)
    except YamlFileError as error:
        findings.fault(f"{variable(name)}: {error}")
    else:
        findings.ok(f"{variable(name)}: {path} can be used")
    if name in SECRET:
        _check_private(findings, name, path)


def _check_audit_log(findings: Findings, target: str) -> None:
    if target in ("", STREAM):
        return
    try:
        require_writable(target)
    except AuditLogUnwritable as error:
        findings.fault(str(error))
    else:
        findings.ok(f"{variable('audit_log')}: {target} can be written")


def _check_private(findings: Findings, name: str, path: Path) -> None:
    try:
        check_private(path)
    except YamlFileError as error:
        (findings.fault if name in REFUSED else findings.warn)(f"{variable(name)}: {error}")


def _report_missing(findings: Findings, name: str, path: Path) -> None:
    if name == "scorecards":
        findings.warn(f"there is no scorecard file {path}: workers use the published scorecards.")
    else:
        findings.fault(f"there is no file {path}: correct {variable(name)}.")

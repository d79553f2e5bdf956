"""Lists what the image contains (CycloneDX), and looks for known advisories about all pinned packages: `make audit`.

Exit status: 0 without advisories, 1 with some, 69 if the service of advisories could not be asked about each package.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
SBOM = ROOT / "build" / "sbom.cdx.json"
IMAGE = ROOT / "deploy" / "docker" / "requirements.txt"
PINS = ROOT / "constraints.txt"
BIN = Path(sys.executable).parent
TIMEOUT_S = 10
FOUND, UNAVAILABLE = 1, 69
NO_ADVISORIES = (
    "Not audited: the service knows none of the packages, as a mirror without advisories does not. Run `make audit` on "
    "a machine that reaches the Python Package Index itself, or have your own scanner read build/sbom.cdx.json."
)


@dataclass
class Audit:
    """What the service said."""

    audited: int = 0
    advisories: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    """Packages that the service could not be asked about."""


def write_sbom(target: Path = SBOM) -> None:
    """Write the list of the packages in the image, with their hashes."""
    target.parent.mkdir(exist_ok=True)
    command: list[str | Path] = [BIN / "cyclonedx-py", "requirements", IMAGE, "--pyproject", ROOT / "pyproject.toml"]
    arguments: list[str | Path] = [sys.executable, "-W", "ignore", *command, "--output-reproducible", "-o", target]
    subprocess.run(arguments, check=True)


def ask(pins: Path = PINS) -> tuple[str, str]:
    """The answer of pip-audit as JSON, which is empty if it failed, and its last line of text."""
    options = ["--disable-pip", "--require-hashes", "--format", "json", "--progress-spinner", "off"]
    command: list[str | Path] = [BIN / "pip-audit", "-r", pins, *options, "--timeout", str(TIMEOUT_S), *sys.argv[1:]]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    return done.stdout, lines[-1] if lines else ""


def read_answer(text: str) -> Audit | None:
    """The answer of pip-audit; None if there is none."""
    try:
        rows: list[dict[str, Any]] = json.loads(text)["dependencies"]
    except (ValueError, KeyError, TypeError):
        return None
    audit = Audit()
    for row in rows:
        if "skip_reason" in row:
            audit.unknown.append(row["name"])
            continue
        audit.audited += 1
        for each in row["vulns"]:
            fixed = " or ".join(each["fix_versions"]) or "no version"
            audit.advisories.append(f"{row['name']} {row['version']}: {each['id']}, fixed in {fixed}")
    return audit


def report(audit: Audit | None, said: str) -> tuple[int, str]:
    """The exit status, and what to print."""
    if audit is None:
        return UNAVAILABLE, f"Not audited: the service cannot be reached, is there a network? ({said[:200]})"
    if audit.unknown and not audit.audited:
        return UNAVAILABLE, NO_ADVISORIES
    lines = audit.advisories or [f"No known advisories about {audit.audited} packages."]
    if audit.unknown:
        lines = [*lines, f"Not audited: {', '.join(audit.unknown)}."]
    status = FOUND if audit.advisories else UNAVAILABLE if audit.unknown else 0
    return status, "\n".join(lines)


def main() -> int:
    """Run both."""
    write_sbom()
    print(f"{SBOM.relative_to(ROOT)}: the packages in the image, as CycloneDX")
    text, said = ask()
    status, shown = report(read_answer(text), said)
    print(shown)
    return status


if __name__ == "__main__":
    sys.exit(main())

"""`make audit`: what the image contains, and advisories about what is pinned."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from deploy.audit import IMAGE, PINS, read_answer, report, write_sbom

CLEAN = {"name": "a", "version": "1", "vulns": []}
FOUND = {
    "name": "b",
    "version": "2",
    "vulns": [{"id": "GHSA-1", "fix_versions": ["3", "4"]}, {"id": "X", "fix_versions": []}],
}
UNKNOWN = {"name": "c", "skip_reason": "not found"}


@pytest.mark.parametrize(
    ("rows", "status", "said"),
    [
        ([CLEAN], 0, "No known advisories about 1 packages."),
        ([CLEAN, FOUND], 1, "b 2: GHSA-1, fixed in 3 or 4\nb 2: X, fixed in no version"),
        ([CLEAN, UNKNOWN], 69, "No known advisories about 1 packages.\nNot audited: c."),
        ([UNKNOWN], 69, "have your own scanner read build/sbom.cdx.json"),
        (None, 69, "cannot be reached, is there a network? (refused)"),
    ],
)
def test_nothing_passes_for_audited_that_was_not(rows: list[object] | None, status: int, said: str) -> None:
    text = "" if rows is None else json.dumps({"dependencies": rows, "fixes": []})

    found, shown = report(read_answer(text), "refused")

    assert (found, said in shown) == (status, True)


def test_the_list_of_packages_has_all_of_the_image_with_their_hashes(tmp_path: Path) -> None:
    write_sbom(tmp_path / "sbom.json")
    sbom = json.loads((tmp_path / "sbom.json").read_text())
    listed = {f"{each['name']}=={each['version']}": each for each in sbom["components"]}

    assert sbom["bomFormat"] == "CycloneDX"
    assert sbom["metadata"]["component"]["name"] == "leadglow"
    assert {*listed} == {*re.findall(r"^([\w.-]+==[\w.]+)", IMAGE.read_text(), re.M)}
    assert all(reference["hashes"] for each in listed.values() for reference in each["externalReferences"])


def test_what_is_in_the_image_is_audited_with_everything_else() -> None:
    image, pins = ({*re.findall(r"^([\w.-]+==[\w.]+)", file.read_text(), re.M)} for file in (IMAGE, PINS))

    assert image
    assert image <= pins

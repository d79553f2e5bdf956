"""User agents of people and of bots, for tests, and how they are collected from a clone of device-detector.

python -m tests.support.agents DEVICE_DETECTOR_CLONE
"""

import lzma
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

from ruamel.yaml import YAML

FOLDER = Path(__file__).parents[1] / "data/agents"
COMMIT: Final = "3856a28692d45317d3f15f6f81ca31a06067182a"
"""Of https://github.com/matomo-org/device-detector, where the agents are from."""
_FIXTURES: Final = re.compile(r"Tests/(?:fixtures|Parser/(?:Client|Device)/fixtures)/[\w-]+\.yml")
_BOTS: Final = "Tests/fixtures/bots.yml"
_LINK_PREVIEW: Final = re.compile(r"(?:WhatsApp|Viber)(?:/[\d.]+(?: [A-Za-z])?)?")
"""Without a device the app fetches the preview of a link."""


def read_agents(name: str) -> list[str]:
    """The agents of ``people`` or ``bots``."""
    return lzma.decompress((FOLDER / f"{name}.txt.xz").read_bytes()).decode().splitlines()


def collect(clone: Path) -> dict[str, set[str]]:
    """All agents of the fixtures, by kind."""
    found: dict[str, set[str]] = {"people": set(), "bots": set(), "programs": set()}
    for path in _git(clone, "ls-tree", "-r", "--name-only", COMMIT, "Tests").split():
        if _FIXTURES.fullmatch(path):
            for entry in YAML(typ="safe").load(_git(clone, "show", f"{COMMIT}:{path}")):
                agent = " ".join(str(entry["user_agent"]).split())
                found["bots" if path == _BOTS else _kind(agent, entry)].add(agent)
    found["people"] -= found["bots"] | found["programs"] | {""}
    return found


def _kind(agent: str, entry: dict[str, Any]) -> str:
    """Programs: agents that device-detector classifies as library or headless, and link previews."""
    client = entry.get("client")
    client = client if isinstance(client, dict) else {}
    is_program = client.get("type") == "library" or "Headless" in str(client.get("name"))
    return "programs" if is_program or _LINK_PREVIEW.fullmatch(agent) else "people"


def _git(clone: Path, *arguments: str) -> str:
    return subprocess.run(["git", "-C", str(clone), *arguments], capture_output=True, text=True, check=True).stdout


def main() -> None:
    found = collect(Path(sys.argv[1]))
    for name in ("people", "bots"):
        text = "".join(f"{agent}\n" for agent in sorted(found[name]))
        (FOLDER / f"{name}.txt.xz").write_bytes(lzma.compress(text.encode(), preset=9 | lzma.PRESET_EXTREME))
    print({name: len(agents) for name, agents in found.items()})


if __name__ == "__main__":
    main()

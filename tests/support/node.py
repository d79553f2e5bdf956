"""Runs the Node programs of the tests: the tracker SDKs from their packages, and Chromium, driven by lines of JSON."""

import hashlib
import itertools
import json
import os
import shutil
import subprocess
from pathlib import Path
from select import select
from typing import Any, NoReturn

import pytest

from app.embedded.child import run_child, start_child
from tests.support.locks import turn_at

SOURCES = Path(__file__).parents[1] / "e2e" / "sdks"
EXAMPLES = Path(__file__).parents[2] / "docs" / "examples" / "typescript"
CACHE = Path(__file__).parents[2] / "build"
NODE_NEEDED = 20
INSTALL_S = 300
RUN_S = 60


def install_sdks() -> Path:
    """The folder where the SDKs are installed, beside our programs that use them."""
    return _install(SOURCES)


def build_examples() -> Path:
    """The folder with the compiled examples of docs/examples/typescript; they must pass the checks of TypeScript."""
    return _install(EXAMPLES, "build")


def _install(sources: Path, script: str = "") -> Path:
    """A folder with copies of our files, the packages of their lock file, and what a script of package.json makes.

    The packages are fetched once for each content of the lock file, whose hashes they must have.
    """
    if _node_version() < NODE_NEEDED or not shutil.which("npm"):
        missing(f"Node {NODE_NEEDED} or later, and npm")
    lock = (sources / "package-lock.json").read_bytes()
    folder = CACHE / f"{sources.name}-{hashlib.sha256(lock).hexdigest()[:16]}"
    with turn_at(folder):
        folder.mkdir(parents=True, exist_ok=True)
        made = folder / "made"
        for source in filter(Path.is_file, sources.iterdir()):
            copy = folder / source.name
            if not copy.exists() or copy.read_bytes() != source.read_bytes():  # else another process may be reading it
                shutil.copy(source, copy)
                made.unlink(missing_ok=True)
        installed = folder / "installed"
        if not installed.exists():
            argv = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
            run_child(argv, INSTALL_S, cwd=folder)
            installed.touch()
        if script and not made.exists():
            run_child(["npm", "run", "--silent", script], RUN_S, cwd=folder)
            made.touch()
    return folder


def bundle(folder: Path, name: str) -> str:
    """Bundle a program of the folder as one script for browsers."""
    options = ["--bundle", "--format=iife", "--log-level=error", '--define:process.env.NODE_ENV="production"']
    return run_child(["node_modules/.bin/esbuild", name, *options], RUN_S, cwd=folder)


def missing(what: str) -> NoReturn:
    """Fail under CI=true, where everything must be tested; else skip the test."""
    in_ci = os.environ.get("CI") == "true"  # noqa: TID251 - it is no setting of Leadglow's
    (pytest.fail if in_ci else pytest.skip)(f"this test needs {what}")


def _node_version() -> int:
    """The major version of Node on PATH; 0 if there is none."""
    if not shutil.which("node"):
        return 0
    says = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout
    return int(says.removeprefix("v").partition(".")[0])


class Chromium:
    """A browser in its own process."""

    def __init__(self, folder: Path) -> None:
        executable = shutil.which("chromium") or shutil.which("chromium-browser")
        if executable is None:
            missing("Chromium")
        pipe = subprocess.PIPE
        argv = ["node", "chromium.mjs", executable]
        self._process = start_child(argv, cwd=folder, stdin=pipe, stdout=pipe, text=True)
        self._names = itertools.count()

    def visitor(self, before: str = "", **options: Any) -> "Visitor":
        """Open a new browser context; the script runs at the start of each page. Options are those of playwright."""
        name = f"visitor-{next(self._names)}"
        self.tell("visitor", visitor=name, before=before, options=options)
        return Visitor(self, name)

    def new_page(self, visitor: str, url: str) -> "Page":
        name = f"page-{next(self._names)}"
        self.tell("open", visitor=visitor, page=name, url=url)
        return Page(self, name)

    def tell(self, command: str, **rest: Any) -> Any:
        """Send a command and return its result."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"command": command, **rest}) + "\n")
        self._process.stdin.flush()
        assert select([self._process.stdout], [], [], RUN_S)[0], f"no answer to {command} within {RUN_S} s"
        line = self._process.stdout.readline()
        assert line, "Chromium has ended"
        answer = json.loads(line)
        assert "error" not in answer, answer["error"]
        return answer["value"]

    def stop(self) -> None:
        self._process.communicate(timeout=RUN_S)


class Visitor:
    """A browser context with its own cookies and storage."""

    def __init__(self, chromium: Chromium, name: str) -> None:
        self._chromium = chromium
        self._name = name

    def open(self, url: str) -> "Page":
        return self._chromium.new_page(self._name, url)

    def cookies(self) -> dict[str, str]:
        return {each["name"]: each["value"] for each in self._chromium.tell("cookies", visitor=self._name)}

    def close(self) -> None:
        """Close the pages and delete their data."""
        self._chromium.tell("leave", visitor=self._name)


class Page:
    """One tab."""

    def __init__(self, chromium: Chromium, name: str) -> None:
        self._chromium = chromium
        self._name = name

    def go(self, url: str) -> None:
        self._chromium.tell("go", page=self._name, url=url)

    def run(self, code: str) -> Any:
        """Evaluate an expression in the page; a promise is awaited."""
        return self._chromium.tell("run", page=self._name, code=code)

    def point(self, x: float, y: float) -> None:
        """Rest the pointer at a point of the window."""
        self._chromium.tell("point", page=self._name, x=x, y=y)

    def press(self, *keys: str) -> None:
        """Press keys, one after another."""
        self._chromium.tell("press", page=self._name, keys=keys)

    def type(self, text: str) -> None:
        self._chromium.tell("type", page=self._name, text=text)

    def resize(self, width: int, height: int) -> None:
        self._chromium.tell("resize", page=self._name, width=width, height=height)

    def screenshot(self, path: Path, full: bool) -> None:
        """Take a screenshot of the whole page, or of the part visible without scrolling."""
        self._chromium.tell("screenshot", page=self._name, path=str(path), full=full)

    def violations(self) -> list[str]:
        """The accessibility problems found by axe-core."""
        found: list[str] = self._chromium.tell("axe", page=self._name)
        return found

    def complaints(self) -> list[str]:
        """Errors, warnings and dialogs since the page was opened."""
        found: list[str] = self._chromium.tell("noted", page=self._name)["complaints"]
        return found

    def requests(self) -> list[str]:
        """The URLs that the page has requested."""
        found: list[str] = self._chromium.tell("noted", page=self._name)["requests"]
        return found

"""Access files, costs files and `leadglow tokens`: what they may say, and every mistake at once, without a secret."""

from __future__ import annotations

import re
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from app.board import costs
from app.board.access_file import ACCESS_FORMAT
from app.board.costs import COSTS_FORMAT
from app.board.identity import find_by_token, identify_viewer
from app.cli.root import build
from streams.units import DAY_MS
from streams.yamlfile.load import YamlFileError

START = "leadglow_access: 1\n"
DIGEST = sha256(b"t").hexdigest()


def run(*args: str) -> Result:
    return CliRunner().invoke(build(), ["tokens", *args])


def mistakes(text: str) -> list[str]:
    with pytest.raises(YamlFileError) as error:
        ACCESS_FORMAT.load_text(START + text)
    return [f"{m.line}: {m.message}" for m in error.value.mistakes]


def test_a_token_lets_in_with_its_role() -> None:
    file = ACCESS_FORMAT.load_text(f"{START}tokens: [{{name: ana, sha256: {DIGEST}, role: viewer+pii}}]\n")
    assert find_by_token(file, "t") == identify_viewer(file, {"Authorization": "bearer  t "}, None, None)
    found = identify_viewer(file, {}, "t", None)
    assert found is not None
    assert (found.name, found.role, found.can_sign_out) == ("ana", "viewer+pii", True)
    assert identify_viewer(file, {}, "x", None) is None
    assert identify_viewer(file, {"Authorization": f"Bearer {DIGEST}"}, None, None) is None
    assert identify_viewer(file, {"Authorization": "Bearer \udcff"}, None, None) is None


def test_a_token_without_a_role_sees_the_least() -> None:
    file = ACCESS_FORMAT.load_text(f"{START}tokens: [{{name: ana, sha256: {DIGEST}}}]\n")
    found = find_by_token(file, "t")
    assert found is not None
    assert found.role == "viewer"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("tokens: [{name: ana, sha256: my-secret}]\n", "2: this is not the SHA-256 of a token"),
        (f"tokens: [{{name: ana, sha256: {DIGEST}, role: admin}}]\n", "2: `admin` is not a role"),
        (
            f"tokens:\n  - {{name: a, sha256: {DIGEST}}}\n  - {{name: a, sha256: {DIGEST}}}\n",
            "4: the name is a duplicate of line 3",
        ),
        ("secret: short-secret\n", "2: this is not a secret of"),
        ("proxy: {user_header: X-User, trusted: [nowhere], roles: {everybody: viewer}}\n", "2: `nowhere` is not a net"),
        ("proxy: {user_header: 'X User', trusted: [10.0.0.0/8], roles: {a: viewer}}\n", "2: this is not the name of a"),
        ("proxy: {user_header: X-User, trusted: [10.0.0.0/8]}\n", "2: a proxy needs `roles`"),
        ("token: []\n", "2: unknown key `token`"),
    ],
)
def test_a_mistake_is_reported_with_its_line_and_without_secrets(text: str, said: str) -> None:
    (told,) = mistakes(text)
    assert told.startswith(said)
    assert "secret:" not in told
    assert "my-secret" not in told
    assert "short-secret" not in told


@pytest.mark.parametrize("remote", ["10.1.2.3", "::ffff:10.1.2.3"])
def test_a_proxy_is_believed_where_it_is_trusted(remote: str) -> None:
    file = ACCESS_FORMAT.load_text(
        START + "proxy: {user_header: X-User, trusted: [10.0.0.0/8], roles: {sales: viewer}}\n"
    )
    assert identify_viewer(file, {"X-User": "ana"}, None, remote) is None  # in no group that has a role
    headers = {"X-User": "ana", "X-Groups": "sales"}
    assert identify_viewer(file, headers, None, remote) is None  # the file names no header for groups
    told = ACCESS_FORMAT.load_text(
        START + "proxy: {user_header: X-User, groups_header: X-Groups, trusted: [10.0.0.0/8], roles: {sales: viewer}}\n"
    )
    found = identify_viewer(told, headers, None, remote)
    assert found is not None
    assert (found.name, found.role) == ("ana", "viewer")
    assert identify_viewer(told, headers, None, "192.168.0.1") is None


def test_new_makes_a_file_that_only_its_owner_reads_and_adds_to_it(tmp_path: Path) -> None:
    path = tmp_path / "access.yaml"
    first = run("new", "ana", "--role", "viewer+pii", "--file", str(path))
    assert first.exit_code == 0
    assert path.stat().st_mode & 0o077 == 0
    path.write_text(path.read_text() + "# a comment of ours\n")
    second = run("new", "ben", "--file", str(path))
    assert second.exit_code == 0
    tokens = [result.stdout.strip() for result in (first, second)]
    file = ACCESS_FORMAT.load_file(path)
    assert [(token.name, token.role) for token in file.tokens] == [("ana", "viewer+pii"), ("ben", "viewer")]
    assert [who.name for token in tokens if (who := find_by_token(file, token)) is not None] == ["ana", "ben"]
    assert "# a comment of ours" in path.read_text()
    assert not any(token in path.read_text() for token in tokens)
    assert len(file.secret) == 64


def test_new_without_a_file_prints_the_entry_to_paste() -> None:
    result = run("new", "ana")
    entry = re.findall(r"^  (- \{.+\})$", result.stderr, re.M)[0]
    assert ACCESS_FORMAT.load_text(f"{START}tokens:\n  {entry}\n").tokens[0].name == "ana"


@pytest.mark.parametrize("args", [("new", "A b"), ("new", "ana", "--role", "admin")])
def test_new_refuses_a_token_that_the_file_would_refuse(args: tuple[str, ...]) -> None:
    assert run(*args).exit_code == 2


def test_new_leaves_a_file_that_it_cannot_add_to_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "access.yaml"
    for text, said in (
        (f"{START}tokens: [{{name: ana, sha256: {DIGEST}}}]\n", "cannot be added to"),
        (f"{START}tokens:\n  - {{name: ben, sha256: {DIGEST}}}\n", "has the name 'ben' already"),
        ("nonsense", "Correct the access file first"),
    ):
        path.write_text(text)
        result = run("new", "ben", "--file", str(path))
        assert result.exit_code == 78
        assert said in result.output
        assert path.read_text() == text


def test_check_prints_the_tokens_and_every_mistake(tmp_path: Path) -> None:
    path = tmp_path / "access.yaml"
    path.write_text(f"{START}tokens:\n  - {{name: ana, sha256: {DIGEST}}}\n")
    path.chmod(0o640)
    shared = run("check", str(path))
    assert shared.exit_code == 1
    assert "others can read this file (mode 640); run `chmod 600" in shared.output
    path.chmod(0o600)
    good = run("check", str(path))
    assert good.exit_code == 0
    assert "ana: viewer" in good.stdout
    assert "no `secret`" in good.stdout
    path.write_text(f"{START}tokens:\n  - {{name: ana, sha256: x}}\n  - {{name: A, sha256: {DIGEST}}}\n")
    bad = run("check", str(path))
    assert bad.exit_code == 1
    assert "2 mistakes" in bad.output


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ('{source: a, cost: 1, from: "2026-11-02", to: "2026-11-01"}', "before the first day"),
        ('{source: a, cost: 1, from: "yesterday", to: "2026-11-01"}', "is not a day"),
        ('{source: a, cost: -1, from: "2026-11-01", to: "2026-11-01"}', "is not a number"),
        ('{cost: 1, from: "2026-11-01", to: "2026-11-01"}', "needs `source`"),
    ],
)
def test_a_mistake_in_a_costs_file_is_reported(entry: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "costs.yaml"
    path.write_text(f"leadglow_costs: 1\ncosts:\n  - {entry}\n")
    with pytest.raises(YamlFileError, match=said):
        COSTS_FORMAT.load_file(path)


def test_a_day_of_costs_is_the_whole_day(tmp_path: Path) -> None:
    path = tmp_path / "costs.yaml"
    path.write_text('leadglow_costs: 1\ncosts: [{source: a, cost: 24, from: "1970-01-02", to: "1970-01-02"}]\n')
    (cost,) = COSTS_FORMAT.load_file(path)
    hour: Any = 3_600_000
    assert costs.spent(cost, 0, 10 * DAY_MS) == 24
    assert costs.spent(cost, DAY_MS, DAY_MS + hour) == pytest.approx(1)
    assert costs.spent(cost, 3 * DAY_MS, 4 * DAY_MS) == 0

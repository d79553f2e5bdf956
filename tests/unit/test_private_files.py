"""Files with secrets are for their owner alone."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from app.collector.collector import watch_keys
from app.collector.metrics import Metrics
from app.private_files import check_private, write_private
from streams.yamlfile.load import YamlFileError

KEYS = "leadglow_keys: 1\nkeys: [{name: app, write_key: wk_app, origins: any}]\n"


def test_a_new_file_is_for_its_owner_alone_whatever_was_there(tmp_path: Path) -> None:
    path = tmp_path / "keys.yaml"
    path.write_text("old")
    path.chmod(0o644)

    write_private(path, "é")

    assert (path.stat().st_mode & 0o777, path.read_text("utf-8")) == (0o600, "é")
    check_private(path)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o777])
def test_a_file_of_ours_that_others_can_read_is_refused(mode: int, tmp_path: Path) -> None:
    path = tmp_path / "keys.yaml"
    path.touch()
    path.chmod(mode)

    with pytest.raises(YamlFileError, match=rf"\(mode {mode:o}\); run `chmod 600 "):
        check_private(path)


@pytest.mark.parametrize(("mode", "lines"), [(0o440, 0), (0o644, 1)])
@pytest.mark.parametrize("is_mounted", [True, False])
def test_a_file_that_is_not_ours_to_change_is_used(
    mode: int, lines: int, is_mounted: bool, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    path = tmp_path / "keys.yaml"
    path.touch()
    path.chmod(mode)
    if is_mounted:
        monkeypatch.setattr(os, "statvfs", lambda path: SimpleNamespace(f_flag=os.ST_RDONLY))
    else:
        monkeypatch.setattr(os, "geteuid", lambda: path.stat().st_uid + 1)

    check_private(path)

    assert len(caplog.records) == lines


async def test_the_collector_refuses_keys_that_others_can_read_at_the_start_and_later(tmp_path: Path) -> None:
    path = tmp_path / "keys.yaml"
    write_private(path, KEYS)
    watched = watch_keys(path, Metrics())
    path.write_text(KEYS.replace("wk_app", "wk_new"))
    path.chmod(0o644)

    await watched.reload_if_changed()

    assert watched.is_refused
    assert watched.value.keys[0].name == "app"
    with pytest.raises(YamlFileError, match="mode 644"):
        watch_keys(path, Metrics())

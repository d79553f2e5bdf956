"""The compose file and the image name settings, commands and files that exist."""

import re
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from app.cli.root import COMMANDS
from app.collector.keyring import load_keys
from app.collector.webhooks import SERVICES
from app.settings import Settings, variable

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = YAML(typ="safe").load(ROOT / "docker-compose.yml")
OWN = {name: service for name, service in COMPOSE["services"].items() if service["image"] == "leadglow"}
IMAGE = (ROOT / "deploy/docker/Dockerfile").read_text()


def test_every_setting_in_them_exists() -> None:
    known = {variable(name) for name in Settings.model_fields}
    named = {name for service in OWN.values() for name in service["environment"]}

    assert named - known == set()
    assert set(re.findall(r"\bLEADGLOW_[A-Z_]+", IMAGE)) - known == set()


def test_every_command_in_them_exists() -> None:
    assert {service["command"][0] for service in OWN.values()} - set(COMMANDS) == set()


def test_every_dependency_is_a_service() -> None:
    needed = {name for service in COMPOSE["services"].values() for name in service.get("depends_on", ())}

    assert needed - set(COMPOSE["services"]) == set()


@pytest.mark.parametrize("name", OWN)
def test_every_file_that_a_service_reads_is_there(name: str) -> None:
    mounts = [re.fullmatch(r"\./\$\{\w+:-(.+)\}:(/etc/leadglow/.+):ro", v) for v in OWN[name]["volumes"]]

    assert all(mount and (ROOT / mount[1]).is_file() for mount in mounts)
    assert {mount[2] for mount in mounts if mount} <= set(OWN[name]["environment"].values())


def test_every_port_that_is_published_is_one_of_the_image_and_only_on_this_machine() -> None:
    exposed = set(re.findall(r"\d+", re.findall(r"^EXPOSE (.+)$", IMAGE, re.M)[0]))
    published = [port.split(":") for service in OWN.values() for port in service.get("ports", ())]

    assert {inside for _, _, inside in published} == exposed
    assert {host for host, _, _ in published} == {"127.0.0.1"}


def test_the_keys_of_the_demo_have_no_mistakes() -> None:
    ring = load_keys(ROOT / "app/demo/keys.yaml", SERVICES)

    assert [key.public for key in ring.keys] == [True, False]
    assert list(ring.webhooks) == ["mails"]
    assert ring.link_secret

"""The compose file and the image name settings, commands and files that exist, and give away no rights."""

import re
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from app.board.access_file import ACCESS_FORMAT
from app.cli.root import COMMANDS
from app.collector.keyring import load_keys
from app.collector.webhooks import SERVICES
from app.notify.routes_file import load_routes
from app.settings import Settings, variable
from app.settings_source import load_settings
from streams.scorefile import load_file

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = YAML(typ="safe").load(ROOT / "docker-compose.yml")
SERVICES_BY_NAME: dict[str, Any] = COMPOSE["services"]
OWN = {
    name: service
    for name, service in SERVICES_BY_NAME.items()
    if service["image"] == "leadglow" and "entrypoint" not in service
}
PROCESSES = {name: service for name, service in OWN.items() if name != "topics"}
IMAGE = (ROOT / "deploy/docker/Dockerfile").read_text()
CONFIG = ROOT / "deploy/compose/config"


def test_every_setting_in_them_is_valid() -> None:
    known = {variable(name) for name in Settings.model_fields}
    for service in OWN.values():
        load_settings(service["environment"])

    assert set(re.findall(r"\bLEADGLOW_[A-Z_]+", IMAGE)) - known == set()


def test_every_command_in_them_exists() -> None:
    assert {service["command"][0] for service in OWN.values()} - set(COMMANDS) == set()


def test_every_dependency_is_a_service() -> None:
    needed = {name for service in SERVICES_BY_NAME.values() for name in service.get("depends_on", ())}

    assert needed - set(SERVICES_BY_NAME) == set()


def test_folders_are_mounted_and_have_every_file_that_a_setting_names() -> None:
    for name, service in SERVICES_BY_NAME.items():
        for mount in service.get("volumes", ()):
            folder = re.sub(r"^\$\{\w+:-(.+?)\}", r"\1", mount).split(":")[0]
            missing = not (ROOT / folder).is_dir() and folder not in COMPOSE["volumes"]
            assert not missing or folder.startswith(("./deploy/prometheus", "./deploy/grafana")), (name, folder)
    for service in OWN.values():
        files = [value for value in service["environment"].values() if value.startswith("/etc/leadglow/")]
        assert all((CONFIG / Path(file).name).is_file() for file in files)


def test_grafana_keeps_the_folders_of_its_image_and_downloads_nothing() -> None:
    grafana = SERVICES_BY_NAME["grafana"]
    places = {mount.split(":")[1] for mount in grafana["volumes"]}

    # It logs an error for each folder that it does not find: access-control, alerting and plugins are in the image.
    provisioned = {
        f"/etc/grafana/provisioning/{path.name}" for path in (ROOT / "deploy/grafana/provisioning").iterdir()
    }
    assert {place for place in places if place.startswith("/etc/grafana/")} == provisioned
    assert grafana["environment"]["GF_PLUGINS_PREINSTALL_DISABLED"] == "true"


def test_every_port_that_is_published_is_one_of_the_image_and_only_on_this_machine() -> None:
    exposed = set(re.findall(r"\d+", re.findall(r"^EXPOSE (.+)$", IMAGE, re.M)[0]))
    published = [port.split(":") for service in OWN.values() for port in service.get("ports", ())]

    assert {inside for _, _, inside in published} == exposed
    assert {port.split(":")[0] for service in SERVICES_BY_NAME.values() for port in service.get("ports", ())} == {
        "127.0.0.1"
    }


@pytest.mark.parametrize("name", SERVICES_BY_NAME)
def test_every_service_has_few_rights_and_limits(name: str) -> None:
    service = SERVICES_BY_NAME[name]

    assert (service["cap_drop"], service["security_opt"]) == (["ALL"], ["no-new-privileges:true"])
    assert {"mem_limit", "pids_limit"} <= service.keys()
    assert service.get("read_only") is True or name == "kafka"  # its start script writes its configuration
    assert service["image"] == "leadglow" or re.search(r":v?[0-9]+\.[0-9]+[^:]*$|@sha256:", service["image"])


def test_a_start_is_repeated_a_stop_is_obeyed_and_kafka_has_room_beside_its_heap() -> None:
    kafka = SERVICES_BY_NAME["kafka"]
    heap = re.search(r"-Xmx(\d+)m", kafka["environment"]["KAFKA_HEAP_OPTS"])

    assert SERVICES_BY_NAME["topics"]["restart"].startswith("on-failure")
    assert all(service.get("init") for service in SERVICES_BY_NAME.values() if "entrypoint" in service)
    assert (heap and heap[1], kafka["mem_limit"], kafka["healthcheck"]["test"][1]) == ("512", "1g", "bash")


def test_what_builds_the_image_is_not_in_it() -> None:
    inside = (ROOT / "deploy/docker/requirements.txt").read_text()
    building = re.findall(r"^([\w-]+)==", (ROOT / "deploy/docker/build.txt").read_text(), re.M)
    final = IMAGE.split("\nFROM ")[-1]

    assert building == ["setuptools"]
    assert not re.search(r"^(setuptools|pip|wheel)==", inside, re.M)
    assert "--without-pip" in IMAGE
    assert ("compileall" in final, "warm_up" in final, "pip" in final.replace("python", "")) == (True, True, False)


def test_health_is_whether_the_process_answers_at_its_own_port() -> None:
    ports = {"worker": "9095", "collector": "9096", "board": "9097", "notify": "9098"}
    checks = {name: service.get("healthcheck", {}).get("test") for name, service in PROCESSES.items()}
    default = re.findall(r"urlopen\('http://127.0.0.1:(\d+)(/\w+)'", IMAGE)
    told = {name: re.findall(r":(\d+)(/\w+)'", check[-1]) if check else default for name, check in checks.items()}

    assert told == {name: [(port, "/live")] for name, port in ports.items()}


def test_the_files_of_the_demo_have_no_mistakes() -> None:
    ring = load_keys(CONFIG / "keys.yaml", SERVICES)

    assert [key.public for key in ring.keys] == [True, False]
    assert list(ring.webhooks) == ["mails"]
    assert ring.link_secret
    assert ACCESS_FORMAT.load_file(CONFIG / "access.yaml").tokens
    assert load_file(CONFIG / "scorecards.yaml").scorecards
    routes = load_routes(CONFIG / "routes.yaml", SERVICES_BY_NAME["notify"]["environment"].get)
    assert [route.name for route in routes.routes] == ["everything"]

"""The manifests for Kubernetes: valid by its schemas, hardened, and about settings and ports that exist."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from ruamel.yaml import YAML

from app.cli.root import COMMANDS
from app.settings import Settings, variable
from app.settings_source import load_settings
from tests.support.kustomize import Manifest, render

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy/kubernetes"
DATA = ROOT / "tests/data/kubernetes"
OVERLAYS = ("overlays/small", "overlays/production")
KINDS = {
    "Deployment": "io.k8s.api.apps.v1.", "Service": "io.k8s.api.core.v1.", "ConfigMap": "io.k8s.api.core.v1.",
    "ServiceAccount": "io.k8s.api.core.v1.", "Namespace": "io.k8s.api.core.v1.", "Job": "io.k8s.api.batch.v1.",
    "PodDisruptionBudget": "io.k8s.api.policy.v1.", "NetworkPolicy": "io.k8s.api.networking.v1.",
}  # fmt: skip
KUSTOMIZE = next((each for each in (("kubectl", "kustomize"), ("kustomize", "build")) if shutil.which(each[0])), ())


@cache
def schemas(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((DATA / name).read_text())
    return found


def mistakes(manifest: Manifest) -> list[str]:
    kind = manifest["kind"]
    file, name = ("v1.34.json", KINDS[kind] + kind) if kind in KINDS else ("keda.json", kind)
    validator = Draft202012Validator(schemas(file) | {"$ref": f"#/$defs/{name}"})
    return [f"{kind} {error.json_path}: {error.message}" for error in validator.iter_errors(manifest)]


@pytest.fixture(params=OVERLAYS, scope="module")
def manifests(request: pytest.FixtureRequest) -> list[Manifest]:
    return render(FOLDER / request.param)


def of_kind(manifests: list[Manifest], *kinds: str) -> dict[str, Manifest]:
    return {each["metadata"]["name"]: each for each in manifests if each["kind"] in kinds}


def test_every_manifest_is_valid_by_its_schema(manifests: list[Manifest]) -> None:
    assert [mistake for manifest in manifests for mistake in mistakes(manifest)] == []
    assert all(each["metadata"]["namespace"] == "leadglow" for each in manifests if each["kind"] != "Namespace")


@pytest.mark.parametrize(
    ("kind", "path", "value"),
    [
        ("Deployment", ("spec", "replica"), 2),
        ("Deployment", ("spec", "replicas"), "two"),
        ("PodDisruptionBudget", ("spec", "maxUnavailabe"), 1),
        ("NetworkPolicy", ("spec", "ingres"), []),
        ("ScaledObject", ("spec", "maxReplicas"), 3),
    ],
)
def test_a_misspelt_key_or_a_wrong_type_is_found(kind: str, path: tuple[str, str], value: object) -> None:
    manifest = next(each for each in render(FOLDER / OVERLAYS[1]) if each["kind"] == kind)
    manifest[path[0]][path[1]] = value
    assert mistakes(manifest)


def test_every_process_is_hardened_limited_and_asked_for_its_health(manifests: list[Manifest]) -> None:
    ports = {"worker": 9095, "collector": 9096, "board": 9097, "notify": 9098}
    for name, deployment in of_kind(manifests, "Deployment").items():
        pod = deployment["spec"]["template"]["spec"]
        (container,) = pod["containers"]
        assert pod["securityContext"]["runAsNonRoot"], name
        assert (pod["enableServiceLinks"], pod["automountServiceAccountToken"]) == (False, False)
        security = container["securityContext"]
        assert (security["readOnlyRootFilesystem"], security["allowPrivilegeEscalation"]) == (True, False)
        assert security["capabilities"] == {"drop": ["ALL"]}
        assert container["resources"].keys() == {"requests", "limits"}
        assert container["resources"]["limits"].keys() == {"cpu", "memory"}
        assert container["args"][0] in COMMANDS
        assert [container["livenessProbe"]["httpGet"]["path"], container["readinessProbe"]["httpGet"]["path"]] == [
            "/live",
            "/ready",
        ]
        assert {"name": "metrics", "containerPort": ports[container["args"][0]]} in container["ports"]
        assert len(pod["topologySpreadConstraints"]) == 2
    assert set(of_kind(manifests, "PodDisruptionBudget")) == set(of_kind(manifests, "Deployment"))


def test_selectors_find_the_pods(manifests: list[Manifest]) -> None:
    labels = [each["spec"]["template"]["metadata"]["labels"] for each in of_kind(manifests, "Deployment").values()]
    selectors = [each["spec"]["selector"] for each in of_kind(manifests, "Service").values()]
    selectors += [
        each["spec"]["selector"]["matchLabels"] for each in of_kind(manifests, "PodDisruptionBudget").values()
    ]
    selectors += [each["spec"]["podSelector"]["matchLabels"] for each in of_kind(manifests, "NetworkPolicy").values()]
    for selector in selectors:
        assert any(selector.items() <= each.items() for each in labels), selector


def test_the_settings_are_valid_and_every_file_in_them_is_mounted(manifests: list[Manifest]) -> None:
    values = of_kind(manifests, "ConfigMap")["leadglow-settings"]["data"]
    secret = {"LEADGLOW_REDIS": "rediss://u:p@r:6379"}
    if "LEADGLOW_KAFKA_SASL_MECHANISM" in values:
        secret |= {"LEADGLOW_KAFKA_SASL_USERNAME": "u", "LEADGLOW_KAFKA_SASL_PASSWORD": "p"}
    settings = load_settings(values | secret)

    mounted = {
        mount["mountPath"]
        for each in of_kind(manifests, "Deployment").values()
        for mount in each["spec"]["template"]["spec"]["containers"][0]["volumeMounts"]
    }
    for name in ("scorecards", "collector_keys", "board_access", "notify_routes"):
        assert str(getattr(settings, name).parent) in mounted
    scaled = of_kind(manifests, "ScaledObject")
    for each in scaled.values():
        topics = [trigger["metadata"]["topic"] for trigger in each["spec"]["triggers"]]
        assert topics == [settings.lead_events, *settings.sources]
        assert {trigger["metadata"]["bootstrapServers"] for trigger in each["spec"]["triggers"]} == {settings.kafka}
        assert each["spec"]["maxReplicaCount"] == settings.partitions
        assert "replicas" not in of_kind(manifests, "Deployment")["leadglow-worker"]["spec"]


def test_no_secret_is_in_the_manifests_and_every_variable_exists(manifests: list[Manifest]) -> None:
    assert of_kind(manifests, "Secret") == {}
    known = {variable(name) for name in Settings.model_fields}
    assert set(re.findall(r"LEADGLOW_[A-Z_]+", json.dumps(manifests))) - known == set()


@pytest.mark.skipif(not KUSTOMIZE, reason="needs kubectl or kustomize")
@pytest.mark.parametrize("overlay", OVERLAYS)
def test_kustomize_renders_the_same(overlay: str) -> None:
    text = subprocess.run([*KUSTOMIZE, str(FOLDER / overlay)], capture_output=True, text=True, check=True)
    plain = re.sub(r"(leadglow-(?:settings|scorecards))-[a-z0-9]{10}\b", r"\1", text.stdout)
    real = [each for each in YAML(typ="safe").load_all(plain) if each]

    def place(each: Manifest) -> tuple[str, str]:
        return each["kind"], each["metadata"]["name"]

    assert sorted(real, key=place) == sorted(render(FOLDER / overlay), key=place)

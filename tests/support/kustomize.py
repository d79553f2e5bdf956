"""Renders the part of Kustomize that deploy/kubernetes uses, without its program, which takes minutes to build.

Names of config maps get no hash. It refuses what it does not know. ``test_kubernetes`` compares it with the real one,
where that is installed.
"""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

Manifest = dict[str, Any]
KNOWN = {
    "apiVersion", "kind", "resources", "components", "namespace", "labels", "images", "replicas", "configMapGenerator",
    "patches",
}  # fmt: skip
PODS = ("Deployment", "Job")
CLUSTER_WIDE = ("Namespace",)


def load(path: Path) -> list[Manifest]:
    """The documents of a file."""
    return [each for each in YAML(typ="safe").load_all(path) if each is not None]


def render(folder: Path) -> list[Manifest]:
    """The manifests of a folder with a kustomization."""
    return _apply(folder, [])


def _apply(folder: Path, found: list[Manifest]) -> list[Manifest]:
    (spec,) = load(folder / "kustomization.yaml")
    assert spec.keys() <= KNOWN, spec.keys() - KNOWN
    for name in spec.get("resources", ()):
        place = folder / name
        found += render(place) if place.is_dir() else load(place)
    for each in spec.get("configMapGenerator", ()):
        _generate(folder, each, found)
    for name in spec.get("components", ()):
        found = _apply(folder / name, found)
    for key, change in CHANGES.items():
        for each in spec.get(key, ()):
            change(found, each)
    for each in found if "namespace" in spec else ():
        if each["kind"] not in CLUSTER_WIDE:
            each["metadata"]["namespace"] = spec["namespace"]
    return found


def _find(found: Iterable[Manifest], kind: str, name: str) -> Manifest:
    (one,) = [each for each in found if (each["kind"], each["metadata"]["name"]) == (kind, name)]
    return one


def _generate(folder: Path, spec: Manifest, found: list[Manifest]) -> None:
    data: dict[str, str] = {}
    for name in spec.get("envs", ()):
        data |= dict(line.split("=", 1) for line in (folder / name).read_text().splitlines() if line)
    data |= {name: (folder / name).read_text() for name in spec.get("files", ())}
    data |= dict(text.split("=", 1) for text in spec.get("literals", ()))
    if spec.get("behavior") == "merge":
        _find(found, "ConfigMap", spec["name"])["data"] |= data
        return
    found.append({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": spec["name"]}, "data": data})


def _patch(found: list[Manifest], spec: Manifest) -> None:
    """Apply operations of JSON Patch (RFC 6902) to one manifest."""
    target: Any = _find(found, spec["target"]["kind"], spec["target"]["name"])
    for operation in YAML(typ="safe").load(spec["patch"]):
        *path, last = operation["path"].strip("/").split("/")
        place = target
        for key in path:
            place = place[int(key)] if isinstance(place, list) else place[key]
        if operation["op"] == "remove":
            del place[last]
        else:
            assert operation["op"] == "add" or last in place, operation
            place[last] = deepcopy(operation["value"])


def _set_replicas(found: list[Manifest], spec: Manifest) -> None:
    _find(found, "Deployment", spec["name"])["spec"]["replicas"] = spec["count"]


def _pods(found: Iterable[Manifest]) -> Iterable[Manifest]:
    return [each["spec"]["template"] for each in found if each["kind"] in PODS]


def _set_image(found: list[Manifest], spec: Manifest) -> None:
    suffix = f"@{spec['digest']}" if "digest" in spec else f":{spec['newTag']}"
    for pod in _pods(found):
        for container in pod["spec"]["containers"]:
            if container["image"] == spec["name"]:
                container["image"] = f"{spec.get('newName', spec['name'])}{suffix}"


def _label(found: list[Manifest], spec: Manifest) -> None:
    places = [each["metadata"] for each in found]
    places += [pod["metadata"] for pod in _pods(found)] if spec.get("includeTemplates") else []
    for place in places:
        place.setdefault("labels", {}).update(spec["pairs"])


CHANGES = {"patches": _patch, "replicas": _set_replicas, "images": _set_image, "labels": _label}
"""Key of a kustomization -> what applies each of its entries, in this order."""

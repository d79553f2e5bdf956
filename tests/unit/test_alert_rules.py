"""Alert rules: each fires and clears, has a section in the runbook, and uses metrics that exist."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from app.cli.metrics_reference import stored_names
from app.settings import Settings

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy/prometheus"
RUNBOOK = (ROOT / "docs/runbook.md").read_text()
SUFFIX = re.compile(r"_(bucket|sum|count)$")


def load(path: Path) -> Any:
    return YAML(typ="safe").load(path.read_text())


RULES = [
    rule for path in sorted(FOLDER.glob("rules/*.yml")) for group in load(path)["groups"] for rule in group["rules"]
]
ALERTS = {rule["alert"]: rule for rule in RULES if "alert" in rule}
TESTS = {path.name: load(path)["tests"] for path in sorted(FOLDER.glob("tests/*.yml"))}

needs_promtool = pytest.mark.skipif(not shutil.which("promtool"), reason="needs promtool: Debian's package prometheus")


def promtool(*arguments: str) -> str:
    done = subprocess.run(["promtool", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@needs_promtool
def test_the_rules_and_the_configurations_are_valid(tmp_path: Path) -> None:
    assert promtool("check", "rules", *map(str, FOLDER.glob("rules/*.yml"))).count("SUCCESS") == 2
    assert "SUCCESS" in promtool("check", "config", "--syntax-only", str(FOLDER / "prometheus.yml"))
    kubernetes = (FOLDER / "kubernetes.yml").read_text()  # Debian's Prometheus is built without Kubernetes
    plain = kubernetes.replace("kubernetes_sd_configs: [{role: pod}]", "static_configs: [{targets: [pod]}]")
    assert plain != kubernetes
    (tmp_path / "plain.yml").write_text(plain)
    assert "SUCCESS" in promtool("check", "config", "--syntax-only", str(tmp_path / "plain.yml"))


@needs_promtool
@pytest.mark.parametrize("name", TESTS)
def test_the_alerts_fire_and_clear(name: str) -> None:
    assert "SUCCESS" in promtool("test", "rules", str(FOLDER / "tests" / name))


@pytest.mark.parametrize("name", ALERTS)
def test_each_alert_is_tested_before_it_fires_while_it_fires_and_when_it_has_cleared(name: str) -> None:
    tests = [each for found in TESTS.values() for each in found if each["name"].split()[0] == name]

    assert tests
    for test in tests:
        checks = test["promql_expr_test"]
        assert all(f"alertname='{name}'" in check["expr"] for check in checks)
        assert [bool(check["exp_samples"]) for check in checks] == [False, True, False]


@pytest.mark.parametrize("name", ALERTS)
def test_each_alert_has_a_section_in_the_runbook(name: str) -> None:
    rule = ALERTS[name]
    found = re.search(rf"^## {name}\n(.*?)(?=^## |\Z)", RUNBOOK, re.M | re.S)

    assert found
    assert re.findall(r"^\*\*(\w+)\.\*\*", found[1], re.M) == ["Meaning", "See", "Do"]
    assert rule["annotations"]["runbook"] == f"docs/runbook.md#{name.lower()}"
    assert rule["labels"]["severity"] in {"page", "ticket"}


def test_the_runbook_has_no_section_of_an_alert_that_does_not_exist() -> None:
    assert set(re.findall(r"^## (Leadglow\w+)", RUNBOOK, re.M)) == set(ALERTS)


def test_the_configuration_has_the_jobs_that_the_rules_name_at_the_default_ports() -> None:
    jobs = load(FOLDER / "prometheus.yml")["scrape_configs"]
    ports = {job["job_name"]: job["dns_sd_configs"][0]["port"] for job in jobs}
    named = {name for rule in RULES for name in re.findall(r'job="([\w-]+)"', rule["expr"])}

    assert named < set(ports)
    assert ports == {
        "leadglow-worker": default("metrics_port"),
        "leadglow-collector": default("collector_metrics_port"),
        "leadglow-board": default("board_metrics_port"),
        "leadglow-notifier": default("notify_metrics_port"),
    }


def default(setting: str) -> Any:
    return Settings.model_fields[setting].default


def test_rules_use_only_metrics_that_exist() -> None:
    known = {name for name, _, _ in stored_names()}
    used = {SUFFIX.sub("", name) for rule in RULES for name in re.findall(r"\bleadglow_\w+", rule["expr"])}
    recorded = {rule["record"] for rule in RULES if "record" in rule}

    assert len(used) > 20
    assert used - known == set()
    assert {name for rule in RULES for name in re.findall(r"\bleadglow:[\w:]+", rule["expr"])} - recorded == set()

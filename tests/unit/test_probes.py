"""What the probes of a process answer."""

import re
from pathlib import Path

import aiohttp
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from streams.metrics import MAX_CURRENCIES, Metrics
from streams.probes import serve
from streams.scoring.scorecard import Scorecard, Target

PAGE = (Path(__file__).parents[2] / "docs/metrics.md").read_text()
OF_A_KIND = re.compile(r"_(bucket|sum|count)$")


async def test_every_metric_is_documented() -> None:
    metrics = Metrics()
    metrics.records.labels("intake").inc()
    metrics.step_seconds.observe(0.1)
    metrics.show_scorecards("1", [])
    runner = await serve("127.0.0.1", 0, metrics.registry, lambda: True)
    try:
        port = runner.addresses[0][1]
        async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}/metrics") as answer:
            families = list(text_string_to_metric_families(await answer.text()))
    finally:
        await runner.cleanup()
    names = {sample.name for family in families for sample in family.samples}
    told = set(re.findall(r"^\| `(\w+)`", PAGE, re.M))

    assert {OF_A_KIND.sub("", name) if family_is_histogram(name) else name for name in names} - told == set()
    assert "leadglow_records_total" in names


def family_is_histogram(name: str) -> bool:
    return "_seconds_" in name and not name.endswith("_created")


def test_few_currencies_are_labels_and_targets_are_those_of_the_scorecards_in_use() -> None:
    metrics = Metrics()
    codes = [f"C{i:02}" for i in range(MAX_CURRENCIES + 1)]
    assert [metrics.bounded_currency(code) for code in [*codes, "C00"]] == [*codes[:-1], "other", "C00"]
    for target in (Target(40, "week"), Target(365, "month")):
        metrics.show_scorecards("v", [Scorecard(target.period, {}, target=target)])
    (targets,) = [family for family in metrics.registry.collect() if family.name == "leadglow_sales_target_leads"]
    assert [(sample.labels["scorecard"], round(sample.value, 1)) for sample in targets.samples] == [("month", 12.0)]


async def test_a_process_that_is_not_ready_gives_the_reason() -> None:
    up = False
    runner = await serve("127.0.0.1", 0, CollectorRegistry(), lambda: up, reason=lambda: "warming up")
    address = f"http://127.0.0.1:{runner.addresses[0][1]}/ready"
    try:
        async with aiohttp.ClientSession() as session:
            async with session.get(address) as answer:
                assert (answer.status, await answer.json()) == (503, {"ready": False, "reason": "warming up"})
            up = True
            async with session.get(address) as answer:
                assert (answer.status, await answer.json()) == (200, {"ready": True})
    finally:
        await runner.cleanup()

"""The metrics that every process has: its version, its resources, the files that it watches, and certificates."""

from __future__ import annotations

import platform
from collections.abc import Iterable
from importlib.metadata import version
from typing import Protocol

from prometheus_client import CollectorRegistry, Gauge, Info, ProcessCollector
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector


class WatchedFile(Protocol):
    """A file that is read again when it changes."""

    label: str
    """The label `file` of its metrics."""
    sha256: str
    """Of the contents in use."""
    loaded_s: float
    """When the contents in use were read, in seconds since the epoch."""
    is_refused: bool
    """Whether the contents on disk have mistakes, so that earlier ones are in use."""
    errors: int
    """How often changed contents had mistakes."""


class ProcessMetrics:
    """The metrics of one process, whatever it does."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Register them."""
        build = Info("leadglow_build", "Versions of Leadglow and of Python", registry=registry)
        build.info({"version": version("leadglow"), "python": platform.python_version()})
        self.certificates = Gauge(
            "leadglow_certificate_expiry_timestamp_seconds",
            "When the certificate of a server (its address), or the first one of a file, ends",
            ["certificate"],
            registry=registry,
        )
        self._files = _Files()
        registry.register(self._files)
        ProcessCollector(registry=registry)

    def watch_file(self, file: WatchedFile) -> None:
        """Export the state of a file from now on."""
        self._files.watched.append(file)


class _Files(Collector):
    """Reads the state of the watched files when it is asked for."""

    def __init__(self) -> None:
        self.watched: list[WatchedFile] = []

    def describe(self) -> Iterable[Metric]:
        """The metrics without values."""
        return _export([])

    def collect(self) -> Iterable[Metric]:
        """The metrics with the values of now."""
        return _export(self.watched)


def _export(files: list[WatchedFile]) -> list[Metric]:
    info = InfoMetricFamily("leadglow_file", "Digest of the contents in use of a watched file")
    loaded = GaugeMetricFamily(
        "leadglow_file_loaded_timestamp_seconds", "When the contents in use of a file were read", labels=["file"]
    )
    refused = GaugeMetricFamily(
        "leadglow_file_refused",
        "1 while a file on disk has mistakes, or is gone, so that its earlier contents are in use",
        labels=["file"],
    )
    errors = CounterMetricFamily(
        "leadglow_file_reload_errors", "Changed contents of files that were refused", labels=["file"]
    )
    for file in files:
        info.add_metric([], {"file": file.label, "sha256": file.sha256[:12]})
        loaded.add_metric([file.label], file.loaded_s)
        refused.add_metric([file.label], file.is_refused)
        errors.add_metric([file.label], file.errors)
    return [info, loaded, refused, errors]


def names() -> list[tuple[str, str, str]]:
    """(name, kind, meaning) of every metric, for the documentation; without those of the operating system."""
    registry = CollectorRegistry()
    ProcessMetrics(registry)
    return without_process(registry.collect(), known=())


def without_process(metrics: Iterable[Metric], known: Iterable[str] | None = None) -> list[tuple[str, str, str]]:
    """(name, kind, meaning) of these metrics, without those that every process has, or without ``known``."""
    left_out = {name for name, _, _ in names()} if known is None else set(known)
    return [
        (metric.name, metric.type, metric.documentation)
        for metric in metrics
        if metric.name not in left_out and not metric.name.startswith("process_")
    ]

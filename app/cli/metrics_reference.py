"""The page about every metric, for docs/metrics.md."""

from streams.metrics import names

_HEAD = """\
# Metrics

Made by `python -m app.cli.metrics_reference > docs/metrics.md`; a test keeps the two alike.

A worker serves them on `http://LEADGLOW_METRICS_HOST:LEADGLOW_METRICS_PORT/metrics`, beside `/live` (the process
answers) and `/ready` (200 while Kafka and Redis can be reached, else 503). All are defined in
`streams/metrics.py`, and nothing else is published. Names are as Prometheus stores them; a histogram has `_bucket`,
`_sum` and `_count` after its name. Times are seconds.

| Metric | Kind | Meaning |
| --- | --- | --- |
"""
_SUFFIXES = {"counter": "_total", "info": "_info"}


def stored_names() -> list[tuple[str, str, str]]:
    """(name as Prometheus stores it, kind, meaning) of every metric."""
    return [(name + _SUFFIXES.get(kind, ""), kind, meaning) for name, kind, meaning in names()]


def metrics_page() -> str:
    """Every metric with its kind and meaning, as Markdown."""
    return _HEAD + "".join(f"| `{name}` | {kind} | {meaning} |\n" for name, kind, meaning in stored_names())


if __name__ == "__main__":
    print(metrics_page(), end="")

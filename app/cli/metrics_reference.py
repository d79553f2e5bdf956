"""The page about every metric, for docs/metrics.md."""

from app.board import metrics as board
from app.collector import metrics as collector
from streams import metrics as worker

_HEAD = """\
# Metrics

Made by `make docs`; a test keeps the two alike.

Names are as Prometheus stores them; a histogram has `_bucket`, `_sum` and `_count` after its name. Times are seconds.
Nothing else is published.
"""
_WORKER = """
## Worker

On `http://LEADGLOW_METRICS_HOST:LEADGLOW_METRICS_PORT/metrics`, beside `/live` (the process answers) and `/ready` (200
while Kafka and Redis can be reached, else 503). Defined in `streams/metrics.py`.
"""
_COLLECTOR = """
## Collector

On `http://LEADGLOW_METRICS_HOST:LEADGLOW_COLLECTOR_METRICS_PORT/metrics`, beside `/live` (the process answers) and
`/ready` (200 while Kafka can be reached, else 503). Defined in `app/collector/metrics.py`.
"""
_BOARD = """
## Board

On `http://LEADGLOW_METRICS_HOST:LEADGLOW_BOARD_METRICS_PORT/metrics`, beside `/live` (the process answers) and `/ready`
(200 while Redis can be reached, else 503). Defined in `app/board/metrics.py`.
"""
_TABLE = """
| Metric | Kind | Meaning |
| --- | --- | --- |
"""
_SUFFIXES = {"counter": "_total", "info": "_info"}


def stored_names() -> list[tuple[str, str, str]]:
    """(name as Prometheus stores it, kind, meaning) of every metric."""
    return _stored(worker.names()) + _stored(collector.names()) + _stored(board.names())


def metrics_page() -> str:
    """Every metric with its kind and meaning, as Markdown."""
    parts = ((_WORKER, worker), (_COLLECTOR, collector), (_BOARD, board))
    return _HEAD + "".join(head + _table(module.names()) for head, module in parts)


def _stored(names: list[tuple[str, str, str]]) -> list[tuple[str, str, str]]:
    return [(name + _SUFFIXES.get(kind, ""), kind, meaning) for name, kind, meaning in names]


def _table(names: list[tuple[str, str, str]]) -> str:
    return _TABLE + "".join(f"| `{name}` | {kind} | {meaning} |\n" for name, kind, meaning in _stored(names))

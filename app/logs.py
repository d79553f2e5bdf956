"""One format for all log lines, ours and those of libraries: JSON or text, on stderr."""

import logging
import re
import sys
import time
from math import inf
from typing import Any, Literal

import structlog
from structlog.typing import EventDict, Processor

from app.request_ids import REQUEST_ID

OURS = ("app", "streams")
"""These log from INFO on; all other packages from WARNING on."""

REPEAT_S = 60.0
"""A line of a library is not repeated sooner: clients of Kafka log each attempt of each task during an outage."""
MAX_LINES = 1000
"""How many different lines are remembered."""
OUTAGE = re.compile(
    "unable (to )?(connect|update|request)|failed fetch|heartbeat|coordinator|error sending|request failed|"
    "got error produce|(closed|close) .*connection|topic .* is not available|connection .* (closed|refused)",
    re.IGNORECASE,
)
"""Lines of the client of Kafka while a broker is away: together, they count as one line."""
Level = Literal["debug", "info", "warning", "error"]


def set_up_logs(form: Literal["json", "text"], level: Level = "info") -> None:
    """Send all loggers of the process to stderr in one format; ours from a level on, others from WARNING on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=_common(form),
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_last(form)],
        )
    )
    handler.addFilter(_is_relevant)
    handler.addFilter(_shorten)
    handler.addFilter(Repeats())
    root = logging.getLogger()
    root.handlers = [handler]
    number = logging.getLevelNamesMapping()[level.upper()]
    root.setLevel(max(number, logging.WARNING))
    for name in OURS:
        logging.getLogger(name).setLevel(number)


def _is_relevant(record: logging.LogRecord) -> bool:
    """Whether to keep a line: starts and stops of Faust's services are dropped."""
    return record.levelno >= logging.WARNING or not str(record.msg).startswith("[^")


def _shorten(record: logging.LogRecord) -> bool:
    """Drop tracebacks that help nobody: of a missing permission in Kafka, and of the end of a thread that follows."""
    error = record.exc_info[1] if record.exc_info else None
    if type(error).__name__.endswith("AuthorizationFailedError") or str(error) == "Event loop is closed":
        record.exc_info, record.exc_text = None, None
        record.msg, record.args = "%s (%r)", (record.getMessage(), error)
    return True


class Repeats(logging.Filter):
    """Drops lines of libraries that repeat a recent one, and counts them in the next one."""

    def __init__(self) -> None:
        super().__init__()
        self._written: dict[tuple[str, int, str], tuple[float, int]] = {}
        """Logger, level and text without values -> when it was last written, and how many were dropped since."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether to write a line."""
        if record.name.partition(".")[0] in OURS or record.levelno < logging.WARNING:
            return True
        line, now_s = _kind_of(record), time.monotonic()
        written_s, dropped = self._written.get(line, (-inf, 0))
        if now_s - written_s < REPEAT_S:
            self._written[line] = written_s, dropped + 1
            return False
        if len(self._written) >= MAX_LINES:
            self._written.clear()
        self._written[line] = now_s, 0
        if dropped:
            record.msg = f"{record.msg} ({dropped} more like this since the last line)"
        return True


def _kind_of(record: logging.LogRecord) -> tuple[str, int, str]:
    """Logger, level and text without values; one kind for all lines about a broker that is away."""
    package = record.name.partition(".")[0]
    if package == "aiokafka" and OUTAGE.search(str(record.msg)):
        return package, logging.ERROR, OUTAGE.pattern
    return record.name, record.levelno, str(record.msg)


def _add_request_id(logger: Any, method: str, event: EventDict) -> EventDict:
    """Add the id of the request that is being answered."""
    if found := REQUEST_ID.get():
        event["request_id"] = found
    return event


def _common(form: str) -> list[Processor]:
    stamp = structlog.processors.TimeStamper(fmt="iso" if form == "json" else "%H:%M:%S", utc=form == "json")
    return [structlog.stdlib.add_log_level, structlog.stdlib.add_logger_name, stamp, _add_request_id]


def _last(form: str) -> list[Processor]:
    if form == "json":
        return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(sort_keys=True)]
    plain = structlog.dev.plain_traceback  # the default prints local variables, which hold events
    return [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), pad_event_to=0, exception_formatter=plain)]

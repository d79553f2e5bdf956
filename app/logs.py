"""One format for all log lines, ours and those of libraries: JSON or text, on stderr."""

import logging
import sys
from typing import Literal

import structlog
from structlog.typing import Processor

OURS = ("app", "streams")
"""These log from INFO on; all other packages from WARNING on."""


def set_up_logs(form: Literal["json", "text"]) -> None:
    """Send all loggers of the process to stderr in one format."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=_common(form),
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_last(form)],
        )
    )
    handler.addFilter(_is_relevant)
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    for name in OURS:
        logging.getLogger(name).setLevel(logging.INFO)


def _is_relevant(record: logging.LogRecord) -> bool:
    """Whether to keep a line: starts and stops of Faust's services are dropped."""
    return record.levelno >= logging.WARNING or not str(record.msg).startswith("[^")


def _common(form: str) -> list[Processor]:
    stamp = structlog.processors.TimeStamper(fmt="iso" if form == "json" else "%H:%M:%S", utc=form == "json")
    return [structlog.stdlib.add_log_level, structlog.stdlib.add_logger_name, stamp]


def _last(form: str) -> list[Processor]:
    if form == "json":
        return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(sort_keys=True)]
    plain = structlog.dev.plain_traceback  # the default prints local variables, which hold events
    return [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), pad_event_to=0, exception_formatter=plain)]

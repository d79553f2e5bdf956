"""One form for every log line, ours and the libraries': JSON for machines or text for people, on stderr."""

import logging
import sys
from typing import Literal

import structlog
from structlog.typing import Processor

OURS = ("app", "streams")
"""What these say, they say from INFO on; everybody else is heard from WARNING on."""


def set_up_logs(form: Literal["json", "text"]) -> None:
    """Send every logger of the process to stderr in one form."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=_common(form),
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_last(form)],
        )
    )
    handler.addFilter(_is_news)
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    for name in OURS:
        logging.getLogger(name).setLevel(logging.INFO)


def _is_news(record: logging.LogRecord) -> bool:
    """Whether a line is worth reading: not each start and stop of Faust's services."""
    return record.levelno >= logging.WARNING or not str(record.msg).startswith("[^")


def _common(form: str) -> list[Processor]:
    stamp = structlog.processors.TimeStamper(fmt="iso" if form == "json" else "%H:%M:%S", utc=form == "json")
    return [structlog.stdlib.add_log_level, structlog.stdlib.add_logger_name, stamp]


def _last(form: str) -> list[Processor]:
    if form == "json":
        return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(sort_keys=True)]
    return [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), pad_event_to=0)]

"""Builds the tracer of a process, if events are traced."""

from __future__ import annotations

from app.settings import Settings, variable
from streams.tracing import Tracer


class TracingMissing(Exception):
    """Events are to be traced, and the extra for it is not installed."""

    def __init__(self) -> None:
        super().__init__(
            f"{variable('trace_ratio')} needs OpenTelemetry: pip install 'leadglow[tracing]', or remove the setting to "
            "trace nothing"
        )


def make_tracer(settings: Settings, service: str) -> Tracer | None:
    """The tracer of a process, whose default name is ``service``; None if no event is traced.

    Raises:
        TracingMissing: the extra is not installed.
    """
    if not settings.trace_ratio:
        return None
    try:
        from app.otlp import start_export
    except ModuleNotFoundError as error:
        if not str(error.name).startswith("opentelemetry"):
            raise
        raise TracingMissing from None
    return Tracer(settings.trace_ratio, start_export(service).export)

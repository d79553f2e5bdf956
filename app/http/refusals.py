"""Refusals: why a request is not accepted, in one form for the collector and the board."""

from __future__ import annotations

from collections.abc import Iterable


class Refusal(Exception):
    """A request that is not accepted: an HTTP status, a code for programs, and a sentence for people."""

    def __init__(
        self, status: int, code: str, message: str, retry_after_s: int | None = None, allow: str | None = None
    ) -> None:
        """``retry_after_s`` is sent as ``Retry-After``, ``allow`` as ``Allow``."""
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.code = code
        self.message = message
        self.retry_after_s = retry_after_s
        self.allow = allow

    def to_json(self) -> dict[str, str]:
        """The body of the response, before it is encoded."""
        return {"code": self.code, "message": self.message}

    def headers(self) -> dict[str, str]:
        """The headers that go with the status."""
        found = {}
        if self.retry_after_s is not None:
            found["Retry-After"] = str(self.retry_after_s)
        if self.allow is not None:
            found["Allow"] = self.allow
        return found


def method_not_allowed(methods: Iterable[str]) -> Refusal:
    """The refusal of a method that a path does not accept; ``methods`` are those that it does."""
    allow = ", ".join(sorted(methods))
    return Refusal(405, "method_not_allowed", f"This address accepts {allow}.", allow=allow)

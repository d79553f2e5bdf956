"""Ids of requests: in each response, in the log lines and audit records that a request causes."""

from __future__ import annotations

import re
import secrets
from contextvars import ContextVar
from typing import Final

HEADER: Final = "X-Request-Id"
REQUEST_ID: ContextVar[str] = ContextVar("request_id", default="")
"""The id of the request that is being answered; empty outside of one."""
_SOUND: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}")


def begin_request(given: str | None) -> str:
    """Note the id of a request: the one that a proxy gave it, if it has the form of one, else a new one."""
    request_id = given if given and _SOUND.fullmatch(given) else secrets.token_hex(8)
    REQUEST_ID.set(request_id)
    return request_id

"""Why an attempt to send failed, in words for people and without anything secret: libraries quote URLs in theirs."""

from __future__ import annotations

import socket
import ssl
from typing import Final

import aiohttp
import aiosmtplib

from app.notify.addresses import ForbiddenAddress
from app.notify.kinds.base import first_words

_NO_TLS: Final = frozenset({"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST"})
_WORDS: Final[tuple[tuple[type[BaseException], str], ...]] = (
    (socket.gaierror, "the name of the host cannot be found"),
    (ConnectionRefusedError, "nothing listens at this address and port"),
    (TimeoutError, "no answer in time"),
    (aiohttp.ClientResponseError, "the answer is not HTTP"),
    (aiohttp.ServerDisconnectedError, "the connection ended without an answer"),
    (aiosmtplib.SMTPServerDisconnected, "the connection ended without an answer"),
)


def explain(error: BaseException) -> str:
    """Why an attempt failed."""
    cause: BaseException | None = error
    while cause is not None:
        if words := _words_of(cause):
            return words
        cause = cause.__cause__ or getattr(cause, "os_error", None) or cause.__context__
    if isinstance(error, aiosmtplib.SMTPException):
        return first_words(error.message)
    strerror = getattr(error, "strerror", "")
    return f"{type(error).__name__}: {strerror}" if strerror else type(error).__name__


def _words_of(cause: BaseException) -> str:
    """What one error of a chain says; empty if it says nothing that is known."""
    if isinstance(cause, ForbiddenAddress):
        return str(cause)
    if isinstance(cause, ssl.SSLError):
        if cause.reason in _NO_TLS:
            return "TLS: the server does not speak TLS on this port"
        return f"TLS: {getattr(cause, 'verify_message', '') or cause.reason or 'failed'}"
    return next((words for kind, words in _WORDS if isinstance(cause, kind)), "")

"""Why Kafka or Redis is of no use now, and what to look at; never a password."""

import logging
import ssl
from collections.abc import Iterator
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from aiokafka.errors import KafkaConnectionError, SaslAuthenticationFailed, UnsupportedSaslMechanismError
from redis.exceptions import AuthenticationError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from app.settings import Settings

_UNREACHABLE = (
    KafkaConnectionError, RedisConnectionError, RedisTimeoutError, OSError,  # asyncio's TimeoutError is an OSError
)  # fmt: skip
_NOT_LET_IN = (SaslAuthenticationFailed, UnsupportedSaslMechanismError, AuthenticationError)
_KAFKA_HINTS = {
    "certificate": "name the authority that signed it in LEADGLOW_KAFKA_CA_FILE",
    "login": "see LEADGLOW_KAFKA_SASL_MECHANISM, _USERNAME and _PASSWORD",
    "tls": "does it want TLS (LEADGLOW_KAFKA_TLS) or a log-in (LEADGLOW_KAFKA_SASL_MECHANISM)?",
}
_REDIS_HINTS = {
    "certificate": "name the authority that signed it in LEADGLOW_REDIS: rediss://…?ssl_ca_certs=FILE",
    "login": "see user and password in LEADGLOW_REDIS: redis://user:password@…",
    "tls": "does it want TLS (rediss:// in LEADGLOW_REDIS), or none (redis://)?",
}


class KafkaErrorCapture(logging.Handler):
    """Hears why aiokafka could not connect: it logs the reason, and raises an error without it."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.reason: BaseException | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the error that a line was written for."""
        if isinstance(record.args, tuple) and record.args and isinstance(record.args[-1], BaseException):
            self.reason = record.args[-1]

    def __enter__(self) -> Self:
        """Listen."""
        logging.getLogger("aiokafka").addHandler(self)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Listen no more."""
        logging.getLogger("aiokafka").removeHandler(self)


def explain_kafka_failure(settings: Settings, error: BaseException) -> str:
    """That Kafka does not answer, or not as it should, and what to look at."""
    return _away(f"Kafka at {settings.kafka}", error, _KAFKA_HINTS, "LEADGLOW_KAFKA")


def explain_redis_failure(settings: Settings, error: BaseException) -> str:
    """The same of Redis."""
    parts = urlsplit(settings.redis)
    place = parts.path if parts.scheme == "unix" else f"{parts.hostname}:{parts.port or 6379}"
    return _away(f"Redis at {place}", error, _REDIS_HINTS, "LEADGLOW_REDIS")


def _away(what: str, error: BaseException, hints: dict[str, str], setting: str) -> str:
    causes = list(_causes(error))
    if found := [cause for cause in causes if isinstance(cause, ssl.SSLCertVerificationError)]:
        return f"{what} shows a certificate that is not trusted ({found[0].verify_message}): {hints['certificate']}."
    if any(isinstance(cause, _NOT_LET_IN) for cause in causes):
        return f"{what} does not let us in ({error}): {hints['login']}."
    if any(isinstance(cause, ssl.SSLError | ConnectionResetError) or "closed" in str(cause) for cause in causes):
        return f"{what} ends the connection at once: {hints['tls']}"
    if isinstance(error, _UNREACHABLE):
        return f"{what} cannot be reached: see that it runs, and what {setting} says."
    return f"{what} refuses ({error}): see its log, and what {setting} says."


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__

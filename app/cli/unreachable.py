"""Explains why Kafka or Redis cannot be used, with a remedy; never shows a password."""

import logging
import ssl
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from aiokafka.errors import (
    BrokerResponseError,
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    KafkaConnectionError,
    SaslAuthenticationFailed,
    TopicAuthorizationFailedError,
    UnsupportedSaslMechanismError,
)
from redis.exceptions import AuthenticationError, NoPermissionError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from app.cli.errors import CommandError
from app.settings import Settings
from streams.exits import Exit
from streams.store.checks import NoCluster
from streams.store.server_checks import says_no_cluster
from streams.transport.tokens import NoToken, TokenRefused

_UNREACHABLE = (
    KafkaConnectionError, RedisConnectionError, RedisTimeoutError, OSError,  # asyncio's TimeoutError is an OSError
)  # fmt: skip
_FORBIDDEN = (
    TopicAuthorizationFailedError, GroupAuthorizationFailedError, ClusterAuthorizationFailedError, NoPermissionError,
)  # fmt: skip
_LOGIN_ERRORS = (SaslAuthenticationFailed, UnsupportedSaslMechanismError, AuthenticationError)
_KAFKA_HINTS = {
    "certificate": "set LEADGLOW_KAFKA_CA_FILE to the authority that signed it",
    "login": "check LEADGLOW_KAFKA_SASL_MECHANISM, _USERNAME and _PASSWORD",
    "permission": "add the permission (ACL) for the user; `leadglow doctor` lists all that are missing",
}
_TOKEN_HINT = "check LEADGLOW_KAFKA_OAUTH_TOKEN_URL, _CLIENT_ID and _CLIENT_SECRET_FILE, or the credentials of AWS"
_REDIS_HINTS = {
    "certificate": "add the authority that signed it to LEADGLOW_REDIS: rediss://…?ssl_ca_certs=FILE",
    "login": "check the user and password in LEADGLOW_REDIS: redis://user:password@…",
    "permission": "add the permission (ACL SETUSER) for the user; `leadglow doctor` lists all that are missing",
    "tls": "it may require TLS (rediss:// in LEADGLOW_REDIS) or not support it (redis://).",
}


class KafkaErrorCapture(logging.Handler):
    """Captures why aiokafka could not connect: it logs the reason, and raises an error without it."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.reason: BaseException | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the error of a log line."""
        if isinstance(record.args, tuple) and record.args and isinstance(record.args[-1], BaseException):
            self.reason = record.args[-1]

    def cause_of(self, error: BaseException) -> BaseException:
        """``error`` if it is Kafka's last word; else the captured reason, if there is one."""
        is_final = isinstance(error, BrokerResponseError) and not error.retriable
        return error if is_final else self.reason or error

    def __enter__(self) -> Self:
        """Start capturing."""
        logging.getLogger("aiokafka").addHandler(self)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Stop capturing."""
        logging.getLogger("aiokafka").removeHandler(self)


def kafka_fault(settings: Settings, error: BaseException) -> CommandError:
    """The end of a command by a failure of Kafka: 78 if a permission is missing, else 70."""
    return CommandError(_status(error), explain_kafka_failure(settings, error))


def redis_fault(settings: Settings, error: BaseException) -> CommandError:
    """The end of a command by a failure of Redis: 78 if a permission is missing, else 70."""
    return CommandError(_status(error), explain_redis_failure(settings, error))


def explain_missing(settings: Settings, missing: Iterable[str]) -> str:
    """A sentence about permissions in Kafka that a user lacks."""
    user = settings.kafka_sasl_username
    whom = f"user {user}" if user else "user of this process"
    return f"Kafka at {settings.kafka} does not allow the {whom}: {'; '.join(missing)}. Add these permissions (ACLs)."


def _status(error: BaseException) -> Exit:
    return Exit.REFUSED if _is_forbidden(error) or says_no_cluster(error) else Exit.TROUBLE


def _is_forbidden(error: BaseException) -> bool:
    return any(isinstance(cause, _FORBIDDEN) for cause in _causes(error))


def explain_kafka_failure(settings: Settings, error: BaseException) -> str:
    """A sentence about a failure of Kafka, with a remedy."""
    if tokens := [cause for cause in _causes(error) if isinstance(cause, NoToken | TokenRefused)]:
        return f"Kafka at {settings.kafka} needs a token, and {tokens[0].args[0]}: {_TOKEN_HINT}."
    hints = _KAFKA_HINTS | {"tls": _explain_closed(settings)}
    return _explain_failure(f"Kafka at {settings.kafka}", error, hints, "LEADGLOW_KAFKA")


def _explain_closed(settings: Settings) -> str:
    """Why a broker may close a connection, by what is set and what is not."""
    wanted = {
        "TLS (LEADGLOW_KAFKA_TLS)": settings.kafka_tls,
        "SASL (LEADGLOW_KAFKA_SASL_MECHANISM)": settings.kafka_sasl_mechanism,
        "a certificate (LEADGLOW_KAFKA_CLIENT_CERTIFICATE)": settings.kafka_client_certificate,
    }
    unset = [name for name, value in wanted.items() if not value]
    reasons = ["this port may not speak TLS, and LEADGLOW_KAFKA_TLS is set"] if settings.kafka_tls else []
    if unset:
        reasons.append(f"it may require {', '.join(unset[:-1])}{' or ' * (len(unset) > 1)}{unset[-1]}")
    return f"{'; or '.join(reasons)}."


def explain_redis_failure(settings: Settings, error: BaseException) -> str:
    """A sentence about a failure of Redis, with a remedy."""
    if says_no_cluster(error):
        return str(NoCluster())
    return _explain_failure(f"Redis at {redis_place(settings)}", error, _REDIS_HINTS, "LEADGLOW_REDIS")


def redis_place(settings: Settings) -> str:
    """The address of Redis, without user and password."""
    parts = urlsplit(settings.redis)
    return parts.path if parts.scheme == "unix" else f"{parts.hostname}:{parts.port or 6379}"


def _explain_failure(server: str, error: BaseException, hints: dict[str, str], setting: str) -> str:
    causes = list(_causes(error))
    if found := [cause for cause in causes if isinstance(cause, ssl.SSLCertVerificationError)]:
        return f"{server} has a certificate that is not trusted ({found[0].verify_message}): {hints['certificate']}."
    if _is_forbidden(error):
        return f"{server} does not permit this ({error}): {hints['permission']}."
    if any(isinstance(cause, _LOGIN_ERRORS) for cause in causes):
        return f"{server} refuses the log-in ({error}): {hints['login']}."
    if any(isinstance(cause, ssl.SSLError | ConnectionResetError) or "closed" in str(cause) for cause in causes):
        return f"{server} closes the connection at once: {hints['tls']}"
    if isinstance(error, _UNREACHABLE):
        return f"{server} cannot be reached: check that it is running, and {setting}."
    return f"{server} responds with an error ({error}): check its log, and {setting}."


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__

"""Log-ins to Kafka: client certificates, tokens of an endpoint, and tokens for Amazon MSK."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import ssl
from base64 import urlsafe_b64decode
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from app.checkup.findings import Level
from app.cli import doctor
from app.kafka_login import faust_credentials, kafka_options, make_tokens
from app.loop import run_long
from app.private_files import write_private
from app.settings import Settings
from app.settings_source import SettingsError
from streams.transport import tokens
from streams.transport.login import tls_context
from streams.transport.tokens import Endpoint, EndpointTokens, MskTokens, NoToken, TokenRefused
from tests.support.certificates import Certificates, make_certificates
from tests.support.http_server import Answer, Web, serve
from tests.support.token_endpoint import token_endpoint

SECRET = "a secret: of+the/client"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "secret"
    write_private(path, f"{SECRET}\n")
    return path


# Client certificates ----------------------------------------------------------------------------------------------


def test_a_client_certificate_is_in_the_context_of_both_clients(certificates: Certificates) -> None:
    settings = Settings(
        kafka_tls=True, kafka_ca_file=certificates.authority, kafka_client_certificate=certificates.client
    )
    options, credentials = kafka_options(settings), faust_credentials(settings)

    assert options["security_protocol"] == credentials.protocol.value == "SSL"
    for context in (options["ssl_context"], credentials.context):
        assert context.verify_mode == ssl.CERT_REQUIRED


def test_a_key_that_does_not_belong_to_the_certificate_is_reported(certificates: Certificates) -> None:
    settings = Settings(
        kafka_tls=True, kafka_client_certificate=certificates.client, kafka_client_key=certificates.server
    )
    with pytest.raises(SettingsError, match="LEADGLOW_KAFKA_CLIENT_CERTIFICATE or LEADGLOW_KAFKA_CLIENT_KEY cannot"):
        kafka_options(settings)


@contextmanager
def silent_server(certificates: Certificates) -> Iterator[tuple[int, Future[str]]]:
    """A server that never closes first; gives its port, and how the client's connection ended."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificates.server)

    def serve() -> str:
        with listening.accept()[0] as accepted:
            accepted.settimeout(3)
            with context.wrap_socket(accepted, server_side=True, suppress_ragged_eofs=False) as connection:
                connection.send(b"hello")
                said = b"".join(iter(lambda: connection.recv(100), b""))  # SSLEOFError if the end of TLS is missing
                assert socket.socket.recv(connection, 1) == b""  # the end of TCP
                return said.decode()

    with socket.create_server(("127.0.0.1", 0)) as listening, ThreadPoolExecutor(1) as pool:
        listening.settimeout(3)
        yield listening.getsockname()[1], pool.submit(serve)


@pytest.mark.parametrize("run", [asyncio.run, run_long], ids=["asyncio", "as a server"])
def test_a_connection_closes_although_the_server_does_not(
    certificates: Certificates, run: Callable[[Any], Any]
) -> None:
    async def connect_and_close(port: int) -> int:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls_context(certificates.authority))
        assert await reader.readexactly(5) == b"hello"
        writer.write(b"all is sent")
        writer.close()
        async with asyncio.timeout(2):
            await writer.wait_closed()
        return 0

    with silent_server(certificates) as (port, ended):
        run(connect_and_close(port))
        assert ended.result(5) == "all is sent"


async def test_doctor_names_a_certificate_that_cannot_be_used_among_its_findings(certificates: Certificates) -> None:
    settings = Settings(
        kafka_tls=True, kafka_client_certificate=certificates.client, kafka_client_key=certificates.server
    )
    (finding,) = await doctor._check_kafka(settings, [])
    assert (finding.level, finding.area) == (Level.FAULT, "kafka")
    assert "LEADGLOW_KAFKA_CLIENT_KEY cannot be used" in finding.text


def test_a_file_in_a_folder_of_another_user_is_a_mistake_in_the_settings(
    secret: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def closed(path: Path) -> bool:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "is_file", closed)
    with pytest.raises(ValidationError, match=f"{secret} cannot be read .Permission denied."):
        Settings(kafka_client_key=secret)


# Tokens of an endpoint ----------------------------------------------------------------------------------------------


def oauth(secret: Path, **more: Any) -> Settings:
    return Settings(
        kafka_tls=True, kafka_sasl_mechanism="OAUTHBEARER", kafka_oauth_client_id="worker",
        kafka_oauth_client_secret_file=secret, kafka_oauth_token_url="https://login.example/token", **more,
    )  # fmt: skip


def test_all_clients_of_a_process_share_what_makes_tokens(secret: Path) -> None:
    settings = oauth(secret, kafka_oauth_extensions="logicalCluster=lkc-1,identityPoolId=pool=1")
    options, credentials = kafka_options(settings), faust_credentials(settings)

    assert options["sasl_mechanism"] == credentials.mechanism.value == "OAUTHBEARER"
    assert options["security_protocol"] == credentials.protocol.value == "SASL_SSL"
    provider = options["sasl_oauth_token_provider"]
    assert provider is credentials.oauth_cb is make_tokens(settings)
    assert provider.extensions() == {"logicalCluster": "lkc-1", "identityPoolId": "pool=1"}


def tokens_of(web: Web, secret: Path, scope: str = "") -> EndpointTokens:
    return EndpointTokens(Endpoint(f"{web.address}/token", "worker", secret, scope))


async def test_a_token_is_used_until_it_is_nearly_old_and_the_secret_is_read_again(
    secret: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1_000.0]
    monkeypatch.setattr(tokens, "monotonic_s", lambda: now[0])
    with token_endpoint("worker", SECRET) as web:
        provider = tokens_of(web, secret)
        first = await provider.token()
        now[0] += 479
        assert await provider.token() == first
        assert len(web.requests) == 1
        now[0] += 2
        write_private(secret, "another")
        with pytest.raises(TokenRefused, match="answers 401 invalid_client"):
            await provider.token()


async def test_a_scope_is_asked_for(secret: Path) -> None:
    with serve(lambda request: Answer(200, b'{"access_token": "t", "expires_in": "soon"}')) as web:
        assert await tokens_of(web, secret, "kafka:all").token() == "t"

    assert web.requests[0].body == b"grant_type=client_credentials&scope=kafka%3Aall"


async def test_a_token_that_comes_in_two_parts_is_whole(secret: Path) -> None:
    body = json.dumps({"access_token": "t" * 4000}).encode()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"credentials")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body[:2000])
        await writer.drain()
        with contextlib.suppress(TimeoutError):  # the client waits for the rest, and does not hang up
            await asyncio.wait_for(reader.read(1), 0.1)
        writer.write(body[2000:])
        await reader.read()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1") as server:
        host, port = server.sockets[0].getsockname()
        assert await EndpointTokens(Endpoint(f"http://{host}:{port}", "worker", secret)).token() == "t" * 4000


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Answer(500), NoToken),
        (Answer(429, b"busy"), NoToken),
        (Answer(400, b'{"error": "invalid_scope"}'), TokenRefused),
        (Answer(200, b'{"token": "t"}'), TokenRefused),
        (Answer(200, b"[]"), TokenRefused),
        (Answer(302, headers={"Location": "https://elsewhere.example"}), TokenRefused),
    ],
)
async def test_an_answer_without_a_token_is_an_error_without_secrets(
    answer: Answer, error: type[Exception], secret: Path
) -> None:
    with serve(lambda request: answer) as web, pytest.raises(error, match=f"answers {answer.status}") as caught:
        await tokens_of(web, secret).token()

    assert len(web.requests) == 1
    assert SECRET not in str(caught.value)


async def test_an_endpoint_that_is_away_is_tried_again_by_kafkas_client(secret: Path) -> None:
    with serve(lambda request: Answer()) as web:
        pass
    with pytest.raises(NoToken, match="cannot be reached") as caught:
        await tokens_of(web, secret).token()
    assert isinstance(caught.value, OSError)


async def test_a_missing_secret_is_named(tmp_path: Path) -> None:
    provider = EndpointTokens(Endpoint("https://login.example", "worker", tmp_path / "none"))
    with pytest.raises(TokenRefused, match=r"the client secret in .*/none cannot be read"):
        await provider.token()


# Amazon MSK -----------------------------------------------------------------------------------------------------


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """No credentials, and no network to look for them."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    return monkeypatch


async def test_a_token_for_msk_is_signed_by_the_credentials_of_the_environment(aws: pytest.MonkeyPatch) -> None:
    aws.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    aws.setenv("AWS_SECRET_ACCESS_KEY", "of-aws")
    settings = Settings(kafka_tls=True, kafka_sasl_mechanism="AWS_MSK_IAM", kafka_msk_region="eu-west-1")
    options = kafka_options(settings)
    provider = options["sasl_oauth_token_provider"]
    token = await provider.token()
    url = urlsafe_b64decode(token + "==").decode()

    assert options["sasl_mechanism"] == "OAUTHBEARER"
    assert url.startswith("https://kafka.eu-west-1.amazonaws.com/?Action=kafka-cluster%3AConnect&")
    assert "AKIDEXAMPLE" in url
    assert await provider.token() == token
    assert faust_credentials(settings).oauth_cb is provider


async def test_missing_credentials_of_aws_are_named(aws: pytest.MonkeyPatch) -> None:
    with pytest.raises(TokenRefused, match="AWS gives no credentials"):
        await MskTokens("eu-west-1").token()

"""The settings about the connection to Kafka."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings

from app.server_urls import kafka_servers

Mechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER", "AWS_MSK_IAM"]


class KafkaSettings(BaseSettings):
    """A part of all settings."""

    kafka: str = Field("localhost:9092", description="Kafka's bootstrap servers, `host:port,host:port`.")
    kafka_tls: bool = Field(False, description="Use TLS for Kafka.")
    kafka_ca_file: Path | None = Field(
        None, description="PEM file of the authorities that sign Kafka's certificates; by default those of the system."
    )
    kafka_client_certificate: Path | None = Field(
        None, description="PEM file of the certificate that clients show to Kafka (mTLS), and of those that signed it."
    )
    kafka_client_key: Path | None = Field(
        None, description="PEM file of its private key; by default in the file of the certificate."
    )
    kafka_client_key_password: SecretStr | None = Field(None, description="Password of the private key.")
    kafka_sasl_mechanism: Mechanism | None = Field(
        None,
        description="SASL mechanism for Kafka: `PLAIN`, `SCRAM-SHA-256`, `SCRAM-SHA-512`, `OAUTHBEARER` (tokens by "
        "client credentials), or `AWS_MSK_IAM` (tokens for Amazon MSK, `pip install 'leadglow[msk]'`).",
    )
    kafka_sasl_username: str | None = Field(None, description="User name for Kafka.")
    kafka_sasl_password: SecretStr | None = Field(None, description="Password for Kafka.")
    kafka_insecure_sasl: bool = Field(
        False,
        description="Allow SASL without TLS, and a token endpoint without https; this exposes passwords and tokens.",
    )
    kafka_oauth_token_url: str | None = Field(
        None, pattern=r"^https?://[^\s@]+$", description="Token endpoint for `OAUTHBEARER`."
    )
    kafka_oauth_client_id: str | None = Field(None, description="Client id for the token endpoint.")
    kafka_oauth_client_secret_file: Path | None = Field(
        None, description="File of the client secret, read again for each token."
    )
    kafka_oauth_scope: str | None = Field(None, description="Scope to ask the token endpoint for.")
    kafka_oauth_extensions: str | None = Field(
        None,
        pattern=r"^[A-Za-z]+=[!-+\--~]+(,[A-Za-z]+=[!-+\--~]+)*$",
        description="Sent to Kafka with the token, `logicalCluster=lkc-1,identityPoolId=pool-1` for Confluent Cloud.",
    )
    kafka_msk_region: str | None = Field(
        None, pattern=r"^[a-z0-9-]{1,40}$", description="Region of the cluster, for `AWS_MSK_IAM`."
    )
    kafka_idempotence: bool = Field(
        True, description="Use idempotent producers; false only for a broker without support (the embedded one)."
    )

    @field_validator("kafka")
    @classmethod
    def _kafka_servers(cls, value: str) -> str:
        return kafka_servers(value)

    @field_validator("kafka_ca_file", "kafka_client_certificate", "kafka_client_key", "kafka_oauth_client_secret_file")
    @classmethod
    def _require_file(cls, value: Path | None) -> Path | None:
        try:
            missing = value is not None and not value.is_file()
        except OSError as error:  # its folder is another user's
            msg = f"{value} cannot be read ({error.strerror})"
            raise ValueError(msg) from None
        if missing:
            msg = f"there is no file {value}"
            raise ValueError(msg)
        return value

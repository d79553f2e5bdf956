"""The page about every setting, for docs/settings.md."""

from collections.abc import Iterator

from app.permissions import COMMANDS, PERMISSIONS, REDIS_READS, REDIS_WRITES
from app.settings import Settings, variable
from app.settings_source import FILE

_HEAD = f"""\
# Settings

Generated from `app/settings.py` by `make docs`; a test checks that this page is up to date.

A setting is an environment variable, or a key of the TOML file that `{FILE}` names: the same name
in lower case, without the prefix. The environment takes precedence. An unknown name is an error with a suggestion.
An empty variable is an error if its setting has a default; otherwise it is ignored.
"""
_LOGINS = """
## Log-ins to Kafka

All processes and commands log in the same way, over TLS (`LEADGLOW_KAFKA_TLS=true`, for an own authority `…_CA_FILE`):

| Log-in | Settings, `LEADGLOW_KAFKA_…` |
| --- | --- |
| password | `SASL_MECHANISM=SCRAM-SHA-512` (or `SCRAM-SHA-256`, `PLAIN`), `SASL_USERNAME`, `SASL_PASSWORD` |
| client certificate (mTLS) | `CLIENT_CERTIFICATE`, and `CLIENT_KEY` if the key is in another file |
| OAuth tokens | `SASL_MECHANISM=OAUTHBEARER`, `OAUTH_TOKEN_URL`, `…_CLIENT_ID`, `…_CLIENT_SECRET_FILE`, `…_SCOPE` |
| the same in Confluent Cloud | and `OAUTH_EXTENSIONS=logicalCluster=lkc-1,identityPoolId=pool-1` |
| Amazon MSK with IAM | `SASL_MECHANISM=AWS_MSK_IAM`, `MSK_REGION`; `pip install 'leadglow[msk]'` |

For MSK, credentials are found where AWS's own tools look. A token is used for four fifths of its life, by all
connections of a process. A new certificate needs a restart; a new client secret does not. The metric
`leadglow_certificate_expiry_timestamp_seconds` also has the end of the client's certificate.
"""
_KAFKA = f"""
## Permissions in Kafka

Where Kafka has ACLs, the user of a process needs these. To write implies what an idempotent producer needs (Kafka 3.0).
A group `{variable("namespace")}-notify-` stands for all that begin so. A board has editors where people give verdicts
(which go to the source `crm-events`, if there is one) or publish scorecards. `leadglow doctor` lists what is missing.

| Process | Topics, by setting | Group |
| --- | --- | --- |"""
_REDIS = f"""
## Permissions in Redis

A worker and the commands that use Redis need a user with these permissions (`ACL SETUSER`), where `leadglow` is the
value of `{variable("namespace")}`; on a cluster they also need `+cluster`:

```text
~leadglow:* {REDIS_WRITES}
```

A board needs only `~leadglow:* {REDIS_READS}`. A collector and a notifier do not use Redis.
"""
_COMMANDS = """
## Permissions of commands

| Command | In Kafka and Redis |
| --- | --- |"""


def settings_page() -> str:
    """Every setting, as Markdown."""
    rows = [
        f"| `{variable(name)}` | {_shown_default(field.default)} | {field.description} |"
        for name, field in Settings.model_fields.items()
    ]
    table = ["| Variable | Default | Meaning |", "| --- | --- | --- |", *rows]
    return "\n".join([_HEAD, *table, _LOGINS, _KAFKA, *_permission_rows(), _REDIS, *_command_rows()]) + "\n"


def _permission_rows() -> Iterator[str]:
    for process, each in PERMISSIONS.items():
        topics = "; ".join(
            f"`{variable(name)}`: {', '.join(operation.name.lower() for operation in sorted(operations))}"
            for name, operations in each.topics.items()
        )
        groups = "; ".join(f"`{variable('namespace')}{name}`: {op.name.lower()}" for name, op in each.groups.items())
        yield f"| {process} | {topics} | {groups or 'none'} |"


def _command_rows() -> Iterator[str]:
    yield _COMMANDS.strip()
    yield from (f"| `leadglow {name}` | {needs} |" for name, needs in COMMANDS.items())


def _shown_default(value: object) -> str:
    if value is None or value == "":
        return "none"
    if isinstance(value, tuple):
        return f"`{','.join(value)}`"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"

"""The page about every setting, for docs/settings.md."""

from app.settings import Settings, variable
from app.settings_source import FILE

_HEAD = f"""\
# Settings

Generated from `app/settings.py` by `make docs`; a test checks that this page is up to date.

A setting is an environment variable, or a key of the TOML file that `{FILE}` names: the same name
in lower case, without the prefix. The environment takes precedence. An unknown name is an error with a suggestion.
An empty variable is an error if its setting has a default; otherwise it is ignored.
"""
_END = """
## Permissions in Redis

A worker and all commands need a Redis user with these permissions (`ACL SETUSER`), where `leadglow` is the value of
`LEADGLOW_NAMESPACE`; on a cluster they also need `+cluster`:

```text
~leadglow:* +@read +@write +@scripting +@transaction +@connection -@dangerous +info
```
"""


def settings_page() -> str:
    """Every setting, as Markdown."""
    rows = [
        f"| `{variable(name)}` | {_shown_default(field.default)} | {field.description} |"
        for name, field in Settings.model_fields.items()
    ]
    return "\n".join([_HEAD, "| Variable | Default | Meaning |", "| --- | --- | --- |", *rows, _END])


def _shown_default(value: object) -> str:
    if value is None or value == "":
        return "none"
    if isinstance(value, tuple):
        return f"`{','.join(value)}`"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"

"""The page about every setting, for docs/settings.md."""

from app.settings import Settings, variable
from app.settings_source import FILE

_HEAD = f"""\
# Settings

Made by `make settings` from `app/settings.py`; a test keeps the two alike.

A setting is an environment variable, or, without the prefix and in small letters, a key of the TOML file
that `{FILE}` names. The environment wins. An unknown name is an error that names the nearest known one.
"""
_END = """
## Rights

A worker, and every command, may log in to Redis as a user with these rights (`ACL SETUSER`), where `leadglow` is
`LEADGLOW_NAMESPACE`; on a cluster it also needs `+cluster`:

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


if __name__ == "__main__":
    print(settings_page(), end="")

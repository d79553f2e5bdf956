"""The command with which a newcomer sends events to a demo, and the lead that it creates. Pure."""

from __future__ import annotations

GUEST = "you"
"""The lead that the command makes."""


def command(address: str) -> str:
    """A command to paste, for a collector at an address; a line of it fits into 80 columns."""
    return f"""\
curl {address}/v1/batch -d '{{"writeKey":"demo","batch":[
{{"type":"identify","userId":"{GUEST}","traits":{{"title":"CTO","employees":450}}}},
{{"type":"page","userId":"{GUEST}","properties":{{"path":"/pricing"}}}},
{{"type":"track","userId":"{GUEST}","event":"Demo Requested"}}]}}'"""

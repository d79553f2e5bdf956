"""The command with which a user sends their own events to a demo, and the id of the lead that it creates. Pure."""

from __future__ import annotations

GUEST = "you"
"""The id of the lead that the command creates."""


def command(address: str) -> str:
    """The command to paste, for a collector at this address. Its lines fit into 80 columns."""
    return f"""\
curl {address}/v1/batch -d '{{"writeKey":"demo","batch":[
{{"type":"identify","userId":"{GUEST}","traits":{{"title":"CTO","employees":450}}}},
{{"type":"page","userId":"{GUEST}","properties":{{"path":"/pricing"}}}},
{{"type":"track","userId":"{GUEST}","event":"Demo Requested"}}]}}'"""

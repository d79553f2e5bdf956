"""Sends a story with an SDK for servers, and ends when it is delivered.

python servers.py segment|rudder|snowplow-post|snowplow-get HOST WRITE_KEY < story.json
"""

import json
import sys
from collections.abc import Callable
from functools import partial
from threading import Semaphore
from typing import Any, Literal

DEADLINE_S = 20
Story = list[dict[str, Any]]
NAMES = {"userId": "user_id", "anonymousId": "anonymous_id"}


def segment(host: str, key: str, story: Story) -> None:
    from segment.analytics import Client  # type: ignore[import-untyped]

    _send(Client(key, host=host, on_error=_fail), story)


def rudder(host: str, key: str, story: Story) -> None:
    from rudderstack.analytics.client import Client  # type: ignore[import-untyped]

    _send(Client(key, host=host, on_error=_fail), story)


def _send(client: Any, story: Story) -> None:
    for call in story:
        arguments = {NAMES.get(name, name): value for name, value in call.items() if name != "type"}
        getattr(client, call["type"])(**arguments)
    client.shutdown()


def _fail(error: object, items: object) -> None:
    print(error, file=sys.stderr)


def snowplow(method: Literal["get", "post"], host: str, key: str, story: Story) -> None:
    from snowplow_tracker.emitters import Emitter
    from snowplow_tracker.events.page_view import PageView
    from snowplow_tracker.events.structured_event import StructuredEvent
    from snowplow_tracker.subject import Subject
    from snowplow_tracker.tracker import Tracker

    delivered = Semaphore(0)
    server = host.removeprefix("http://")
    emitter = Emitter(server, protocol="http", method=method, on_success=lambda events: delivered.release(len(events)))
    tracker = Tracker("leadglow", emitter, app_id=key)
    events = [call for call in story if call["type"] != "identify"]
    for call in events:
        subject = Subject()
        subject.set_domain_user_id(call["anonymousId"])
        if "userId" in call:
            subject.set_user_id(call["userId"])
        if call["type"] == "page":
            tracker.track(PageView(page_url=call["properties"]["url"], event_subject=subject))
        else:
            tracker.track(StructuredEvent(category="site", action=call["event"], event_subject=subject))
    tracker.flush()
    for _ in events:  # failed events are sent again by a thread that does not keep the process alive
        assert delivered.acquire(timeout=DEADLINE_S), "not everything was delivered"


SENDERS: dict[str, Callable[[str, str, Story], None]] = {
    "segment": segment,
    "rudder": rudder,
    "snowplow-post": partial(snowplow, "post"),
    "snowplow-get": partial(snowplow, "get"),
}

if __name__ == "__main__":
    SENDERS[sys.argv[1]](sys.argv[2], sys.argv[3], json.load(sys.stdin))

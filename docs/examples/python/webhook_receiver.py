"""Receives webhooks of Leadglow and stores their alerts in SQLite, each once, and those of a lead in their order.

HOOK_SECRET=whsec_… python webhook_receiver.py 8080 alerts.db
"""

import json
import os
import sys
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from alert_store import open_store, store
from cloudevents.core.base import BaseCloudEvent
from cloudevents.core.formats.json import JSONFormat
from standardwebhooks import Webhook, WebhookVerificationError

MAX_BYTES = 8 * 1024 * 1024
BATCH = "application/cloudevents-batch+json"


class Receiver(BaseHTTPRequestHandler):
    """Answers 204 when the alerts are stored. Only then Leadglow sends the next alert of the same lead."""

    timeout = 10  # seconds for a request to arrive

    def do_POST(self) -> None:
        """Verify the bytes before anything else is done with them."""
        length = int(self.headers.get("content-length", 0))
        if not 0 <= length <= MAX_BYTES:
            return self.answer(413)
        body = self.rfile.read(length)
        try:
            Webhook(os.environ["HOOK_SECRET"]).verify(body, dict(self.headers), json_parse=False)
        except (WebhookVerificationError, ValueError):
            return self.answer(401)
        with closing(open_store(sys.argv[2])) as db:
            store(db, read_alerts(self.headers["content-type"], body))
        return self.answer(204)

    def answer(self, status: int) -> None:
        """Answer without a body."""
        self.send_response(status)
        self.end_headers()


def read_alerts(content_type: str, body: bytes) -> list[BaseCloudEvent]:
    """The alert of a message, or all alerts of a digest."""
    parts = [json.dumps(each) for each in json.loads(body)] if content_type == BATCH else [body]
    return [JSONFormat().read(None, part) for part in parts]


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Receiver).serve_forever()

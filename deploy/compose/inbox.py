"""Prints what it receives: the destination of the notifier in docker-compose.yml (docker compose logs -f inbox)."""

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PORT = 8099
MOST_BYTES = 1_000_000


class Inbox(BaseHTTPRequestHandler):
    """Accepts every webhook."""

    def do_POST(self) -> None:
        """Print the body."""
        size = min(int(self.headers.get("Content-Length", 0)), MOST_BYTES)
        print(self.rfile.read(size).decode("utf-8", "replace"), flush=True)
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Print no line for the request itself."""


if __name__ == "__main__":
    ThreadingHTTPServer(("", PORT), Inbox).serve_forever()

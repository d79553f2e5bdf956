"""Small HTTP servers for tests: they record each request, and a function answers it."""

import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

LONGEST_S = 30


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    headers: dict[str, str]
    """Headers by lower-case name."""
    body: bytes


@dataclass(frozen=True)
class Answer:
    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


Answers = Callable[[Request], Answer]


class Web:
    """A running server."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.requests: list[Request] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def serve(answers: Answers) -> Iterator[Web]:
    """Serve until the end of the block."""

    class Handler(BaseHTTPRequestHandler):
        def handle_one(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            request = Request(self.command, self.path, headers, body)
            web.requests.append(request)
            answer = answers(request)
            self.send_response_only(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)

        do_GET = do_POST = do_OPTIONS = handle_one  # noqa: N815

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    web = Web(server.server_port)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield web
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Stumbling:
    """Forwards requests, but answers the first delivery with 503, so that its sender repeats it."""

    def __init__(self, target: str) -> None:
        self._target = target
        self._stumbled = threading.Lock()

    def __call__(self, request: Request) -> Answer:
        answer = passed_on(request, self._target)
        delivers = request.method == "POST" or request.path.startswith("/i?")
        if delivers and self._stumbled.acquire(blocking=False):
            assert answer.status == 200, answer.body
            return Answer(503, b'{"code":"unavailable","message":"try again"}', answer.headers)
        return answer


_HOP = {"connection", "content-length", "transfer-encoding", "date", "accept-encoding"}


def passed_on(request: Request, target: str) -> Answer:
    """The answer of another server to the unchanged request, including its Host header."""
    headers = {name: value for name, value in request.headers.items() if name not in _HOP}
    body = request.body if request.method == "POST" else None
    sent = urllib.request.Request(target + request.path, body, headers, method=request.method)
    try:
        with urllib.request.urlopen(sent, timeout=LONGEST_S) as response:
            status, answered, found = response.status, response.read(), response.headers
    except urllib.error.HTTPError as error:
        with error:
            status, answered, found = error.code, error.read(), error.headers
    return Answer(status, answered, {name: value for name, value in found.items() if name.lower() not in _HOP})

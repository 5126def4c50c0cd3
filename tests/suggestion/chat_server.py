"""A real HTTP server in a thread, which answers as a test tells it to."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Respond = Callable[["Request"], None]


@dataclass
class Request:
    """One request as it came, and the means to answer it."""

    path: str
    headers: dict[str, str]
    data: dict[str, Any]
    handler: BaseHTTPRequestHandler
    closing: threading.Event

    @property
    def question(self) -> str:
        """What the user's message says."""
        text: str = self.data["messages"][-1]["content"]
        return text

    def send(
        self,
        body: bytes,
        *,
        status: int = 200,
        content_type: str | None = "application/json",
        length: int | None = None,
        **headers: str,
    ) -> None:
        """Send a whole answer; ``length`` lies about how long it is."""
        self.handler.send_response(status)
        if content_type is not None:
            self.handler.send_header("Content-Type", content_type)
        self.handler.send_header("Content-Length", str(len(body) if length is None else length))
        for name, value in headers.items():
            self.handler.send_header(name.replace("_", "-"), value)
        self.handler.end_headers()
        self.handler.wfile.write(body)

    def say(self, content: object, **message: object) -> None:
        """Send a chat's answer whose message has this content."""
        end = message.pop("finish_reason", "stop")
        choice = {
            "index": 0,
            "finish_reason": end,
            "message": {"role": "assistant", "content": content, **message},
        }
        data = {"object": "chat.completion", "model": self.data["model"], "choices": [choice]}
        self.send(json.dumps(data).encode(), content_type="application/json; charset=utf-8")

    def give(self, *texts: str) -> None:
        """Send texts in the shape that was asked for."""
        self.say(json.dumps({"texts": texts}))

    def fail(self, status: int, message: str) -> None:
        """Send an error as OpenAI's servers do."""
        body = json.dumps({"error": {"message": message, "type": "test"}}).encode()
        self.send(body, status=status)


@dataclass
class ChatServer:
    """The server's address and what it was asked."""

    url: str
    requests: list[Request] = field(default_factory=list)


@contextmanager
def chat_server(respond: Respond) -> Iterator[ChatServer]:
    """Run a server on a free port of this computer until the block ends."""
    closing = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            data = json.loads(self.rfile.read(length))
            request = Request(self.path, dict(self.headers), data, self, closing)
            server.requests.append(request)
            with suppress(ConnectionError, TimeoutError):  # the other side went away
                respond(request)

        def log_message(self, *_: object) -> None:
            """Keep the test's output clean."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listener:
        listener.daemon_threads = True
        server = ChatServer(f"http://127.0.0.1:{listener.server_port}/v1")
        thread = threading.Thread(target=listener.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            closing.set()
            listener.shutdown()
            thread.join()

"""Notification channels for tests: a web server on loopback that records posted messages."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any

TOKEN = "t0ken-canary-8c1d"


@dataclass
class Channels:
    """Channels; `url(name)` is one that is `good`, `refusing`, `moved` or `silent`."""

    port: int
    posted: list[tuple[str, Any]] = field(default_factory=list)
    over: Event = field(default_factory=Event)

    def url(self, name: str) -> str:
        return f"json://user:{TOKEN}@127.0.0.1:{self.port}/{name}"

    @property
    def reached(self) -> list[str]:
        return sorted(name for name, _ in self.posted)


@contextmanager
def channels() -> Iterator[Channels]:
    """Serve channels until the end of the test."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            name = self.path.strip("/")
            there.posted.append((name, json.loads(body)))
            if name == "silent":
                there.over.wait(30)
            status = {"refusing": 403, "moved": 307}.get(name, 200)
            self.send_response(status)
            if name == "moved":
                self.send_header("Location", "/good")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_arguments: object) -> None:
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    there = Channels(server.server_port)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield there
    finally:
        there.over.set()
        server.shutdown()
        thread.join()
        server.server_close()

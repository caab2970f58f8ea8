"""The first page is requested while the ledger is opened; a run that writes waits for its lock."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.cli.project import Here
from tests.end_to_end.harness import Done

LONGEST_WAIT = 5.0
"""Seconds; a command waits longer than this for a ledger before it goes on without it."""
KEY = "pk-both"
EMPTY = {"object": "list", "total": 0, "data": []}
REFUSAL = {"success": False, "data": {"message": "no", "errorCode": "AB03"}}


@dataclass
class Both:
    """API and database (not a ledger); each answers only after the event it waits for."""

    listed: threading.Event = field(default_factory=threading.Event)
    opened: threading.Event = field(default_factory=threading.Event)
    api_waits_for: threading.Event | None = None
    ledger_waits_for: threading.Event | None = None
    status: int = 200
    kept_waiting: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def wait(self, name: str, event: threading.Event | None) -> None:
        """Wait for an event of the other side; record a timeout."""
        if event is not None and not event.wait(LONGEST_WAIT):
            self.kept_waiting.append(name)

    def serve_api(self, handler: BaseHTTPRequestHandler) -> None:
        """Answer a request for a page of the list."""
        self.requests.append(f"{handler.command} {handler.path}")
        self.listed.set()
        self.wait("API", self.api_waits_for)
        body = json.dumps(EMPTY if self.status == 200 else REFUSAL).encode()
        with suppress(OSError):  # the command may have ended
            handler.send_response(self.status)
            handler.send_header("content-type", "application/json")
            handler.send_header("content-length", str(len(body)))
            handler.end_headers()
            handler.wfile.write(body)

    def serve_ledger(self, listener: socket.socket) -> None:
        """Accept connections and close them, unlike a database."""
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return  # the test is over
            self.opened.set()
            self.wait("ledger", self.ledger_waits_for)
            connection.close()


@contextmanager
def served(both: Both, folder: Path) -> Iterator[Here]:
    """Return a project whose target and ledger are the two servers."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            both.serve_api(self)

        def log_message(self, *_args: object) -> None:
            """Print nothing."""

    api = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    listener = socket.create_server(("127.0.0.1", 0))
    threads = [
        threading.Thread(target=api.serve_forever, args=(0.01,)),
        threading.Thread(target=both.serve_ledger, args=(listener,)),
    ]
    for thread in threads:
        thread.start()
    ledger = f"postgresql://me:canary@127.0.0.1:{listener.getsockname()[1]}/ledger"
    project = Here(folder, PORTKEY_API_KEY=KEY, RECONCILE_LEDGER_URL=ledger)
    url = f"http://127.0.0.1:{api.server_address[1]}/v1"
    project.config(url, api_key="${env:PORTKEY_API_KEY}", prune="none")
    project.integration("alpha")
    try:
        yield project
    finally:
        api.shutdown()
        listener.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join()
        api.server_close()
        listener.close()


def outcome(both: Both, folder: Path, *arguments: str) -> Done:
    with served(both, folder) as project:
        return project.run(*arguments, "--format", "json")


def codes(done: Done) -> list[str]:
    return [item["code"] for item in done.json["diagnostics"]]


@pytest.mark.parametrize("order", ["the ledger first", "the list first", "each after the other"])
def test_neither_read_waits_for_the_other(tmp_path: Path, order: str) -> None:
    both = Both()
    if order != "the list first":
        both.api_waits_for = both.opened
    if order != "the ledger first":
        both.ledger_waits_for = both.listed
    done = outcome(both, tmp_path, "plan")
    assert both.kept_waiting == []
    assert (done.code, done.json["summary"]["create"]) == (0, 1)
    assert "ledger-unreachable" in codes(done)
    # The plan uses the page that was requested early.
    assert both.requests == ["GET /v1/integrations?current_page=0&page_size=100"]


def test_an_error_of_the_api_is_reported_after_the_ledger_was_read(tmp_path: Path) -> None:
    both = Both(status=401)
    both.ledger_waits_for = both.listed
    done = outcome(both, tmp_path, "plan")
    assert (done.code, codes(done)) == (1, ["AB03"])
    # The early response is dropped; the error is that of the plan's own call.
    assert (len(both.requests), both.opened.is_set(), both.kept_waiting) == (2, True, [])


def test_an_invalid_file_is_reported_before_anything_is_read(tmp_path: Path) -> None:
    both = Both()
    with served(both, tmp_path) as project:
        project.integration("alpha", nmae="a typo")
        done = project.run("plan", "--format", "json")
    assert (done.code, both.requests, both.opened.is_set()) == (3, [], False)


def test_a_check_that_needs_the_ledger_leaves_the_answer_of_the_api_unread(tmp_path: Path) -> None:
    both = Both()
    # It answers only after the command has ended, so the command cannot have waited for it.
    both.api_waits_for = ended = threading.Event()
    both.ledger_waits_for = both.listed
    with served(both, tmp_path) as project:
        done = project.run("drift", "--format", "json")
        ended.set()
    assert (done.code, codes(done)[0], both.kept_waiting) == (1, "ledger-unreadable", [])


def test_a_run_that_writes_sends_no_read_before_it_holds_the_lock(tmp_path: Path) -> None:
    both = Both()
    done = outcome(both, tmp_path, "apply", "--yes")
    assert done.code != 0
    assert (both.requests, both.opened.is_set()) == ([], True)

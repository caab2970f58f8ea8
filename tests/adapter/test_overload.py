"""The command under many connections and malformed input: it still answers and logs only JSON."""

import json
import random
import resource
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.adapter.adapter_process import Adapter, running
from tests.adapter.ports import bearer
from tests.end_to_end.harness import Project
from tests.end_to_end.upstream import serving as upstream_serving

FILES = 160
PING = {"jsonrpc": "2.0", "id": 1, "method": "ping"}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project.with_examples(tmp_path)


@contextmanager
def crowd(adapter: Adapter, *, each: int, says: bytes = b"") -> Iterator[list[socket.socket]]:
    """Open connections to both ports that never send a complete request."""
    ports = (adapter.announced["rest_port"], adapter.announced["mcp_port"])
    with ExitStack() as stack:
        opened = []
        for _ in range(each):
            for port in ports:
                caller = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
                opened.append(caller)
                if says:
                    caller.sendall(says)
        yield opened


def answers(adapter: Adapter) -> list[Any]:
    """Request health, a list over REST and a ping over MCP, each on a separate connection."""
    listed = httpx.get(f"{adapter.root}/v1/integrations", headers=bearer())
    pinged = httpx.post(adapter.mcp, headers=bearer(accept="application/json"), json=PING)
    health = httpx.get(f"{adapter.root}/healthz")
    return [health.json(), listed.status_code, pinged.json()["result"]]


def open_files(adapter: Adapter) -> int:
    return len(list(Path(f"/proc/{adapter.process.pid}/fd").iterdir()))


WELL = [{"status": "ok"}, 200, {}]


@pytest.mark.slow
def test_idle_connections_beyond_the_file_limit_do_not_lock_out_clients(project: Project) -> None:
    with upstream_serving() as upstream:
        project.config(upstream.url, api_key="${env:PORTKEY_API_KEY}")
        with running(project, open_files=(FILES // 2, FILES), PORTKEY_API_KEY="pk") as adapter:
            limits = resource.prlimit(adapter.process.pid, resource.RLIMIT_NOFILE)
            assert limits == (FILES, FILES)
            for says in (b"", b"GET /healthz HTTP/1.1\r\nHost: "):
                with crowd(adapter, each=FILES, says=says) as callers:
                    assert answers(adapter) == WELL
                    assert open_files(adapter) < FILES
                    # The oldest connections were closed in favour of the newest.
                    assert callers[0].recv(1) == b""
            assert answers(adapter) == WELL
            assert adapter.end() == 143
    assert [json.loads(line)["status"] for line in adapter.lines] == [200] * 9


def garbage(chance: random.Random, port: int) -> bytes:
    """Generate bytes that usually begin like HTTP and contain an error."""
    pieces = [
        b"GET /healthz HTTP/1.1\r\n",
        b"POST /mcp HTTP/1.1\r\n",
        b"OPTIONS * HTTP/1.1\r\n",
        b"GET http://[::1]:x/ HTTP/1.1\r\n",
        b"Host: 127.0.0.1:%d\r\n" % port,
        b"Content-Length: 5\r\n",
        b"Content-Length: -1\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"Connection: upgrade\r\nUpgrade: websocket\r\n",
        b"Connection: close\r\n",
        b"Expect: 100-continue\r\n",
        b"HTTP/1.0",
        b"\r\n",
        b"5\r\nhello\r\n0\r\n\r\n",
        b"zz\r\n",
        b"\x16\x03\x01\x00",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        chance.randbytes(20),
    ]
    text = b"".join(chance.choice(pieces) for _ in range(chance.randrange(1, 9)))
    return pieces[0] + text if chance.random() < 0.5 else text


@pytest.mark.slow
def test_garbage_leaves_no_traceback_in_the_log(project: Project) -> None:
    chance = random.Random(20261123)
    with running(project) as adapter:
        ports = (adapter.announced["rest_port"], adapter.announced["mcp_port"])
        for _ in range(300):
            port = chance.choice(ports)
            with socket.create_connection(("127.0.0.1", port)) as caller:
                caller.sendall(garbage(chance, port))
                if chance.random() < 0.5:
                    caller.shutdown(socket.SHUT_WR)
        assert answers(adapter) == WELL
        with crowd(adapter, each=5, says=b"GET /healthz HTTP/1.1\r\nHost: "):
            assert adapter.end() == 143
    shown = [json.loads(line) for line in adapter.lines]
    assert not [line for line in shown if "failure" in line]
    assert [line["status"] for line in shown if line["principal"]] == [200, 200]

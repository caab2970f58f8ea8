"""Connections of callers: counted over all ports; at the limit, the longest idle one is closed."""

import asyncio
import contextlib
import errno
import socket
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.adapter.connections import ConnectionTable, Listener, connection_budget
from reconciler.adapter.request_context import RequestContext
from reconciler.adapter.server import ServerLimits, open_listener, serve
from tests.adapter.ports import Ports, Wire, says
from tests.adapter.test_server import LIST, Served, over_sockets
from tests.contract.api import NO_TLS

# Most tests wait for the server to stop.
pytestmark = pytest.mark.slow

HEALTH = b"GET /healthz HTTP/1.1"
CLOSE = b"Connection: close"
LARGE = {"text": "x" * 8_000_000}


def asked(served: Served, line: bytes = HEALTH) -> Awaitable[bytes]:
    return served.say(line, CLOSE)


def test_the_longest_idle_connection_is_closed_first() -> None:
    async def work(served: Served) -> tuple[bytes, bytes, bytes]:
        oldest, _ = await served.connect()
        reader, writer = await served.connect()
        answer = await asked(served)
        assert await oldest.read() == b""
        writer.write(served.head(HEALTH, CLOSE))
        return answer, await reader.read(), await asked(served)

    for answer in over_sockets(work, limits=ServerLimits(connections=2)):
        assert answer.startswith(b"HTTP/1.1 200 ")


POST = b"POST " + LIST + b" HTTP/1.1"
JSON = b"Content-Type: application/json"


@pytest.mark.parametrize(
    ("lines", "cut"),
    [
        ((HEALTH,), 3),
        ((HEALTH,), -2),
        ((POST, JSON, b"Content-Length: 9"), None),
        ((POST, JSON, b"Transfer-Encoding: chunked"), None),
    ],
)
def test_a_connection_without_a_complete_request_is_idle(
    lines: tuple[bytes, ...], cut: int | None
) -> None:
    async def work(served: Served) -> tuple[bytes, bytes]:
        reader, writer = await served.connect()
        writer.write(served.head(*lines)[:cut])
        await writer.drain()
        return await asked(served), await reader.read()

    ports = Ports()
    answer, rest = over_sockets(work, ports, limits=ServerLimits(connections=1))
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert rest == b""
    assert ports.wire.requests == []


def test_a_connection_that_is_kept_alive_is_idle_between_requests() -> None:
    async def work(served: Served) -> tuple[bytes, bytes]:
        reader, writer = await served.connect()
        writer.write(served.head(HEALTH))
        await reader.readuntil(b'{"status": "ok"}')
        return await asked(served), await reader.read()

    answer, rest = over_sockets(work, limits=ServerLimits(connections=1))
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert rest == b""


class Gate(Wire):
    """Upstream that answers once the gate is open."""

    def __init__(self) -> None:
        super().__init__(says(200, {"done": True}))
        self.opened = asyncio.Event()
        self.arrived = asyncio.Semaphore(0)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.arrived.release()
        await self.opened.wait()
        return await super().handle_async_request(request)


def test_requests_in_progress_continue_and_new_connections_get_503() -> None:
    gate = Gate()

    async def work(served: Served) -> tuple[list[bytes], bytes, bytes, bytes]:
        line = b"GET " + LIST + b" HTTP/1.1"
        busy = [asyncio.create_task(asked(served, line)) for _ in range(3)]
        for _ in busy:
            await gate.arrived.acquire()
        for _ in range(5):
            await served.connect()
        refused, health = await asked(served, line), await asked(served)
        gate.opened.set()
        finished = [await task for task in busy]
        return finished, refused, health, await asked(served, line)

    ports = Ports(wire=gate)
    finished, refused, health, later = over_sockets(work, ports, limits=ServerLimits(connections=3))
    for answer in (*finished, later):
        assert answer.endswith(b'{"done": true}')
    assert refused.startswith(b"HTTP/1.1 503 ")
    assert b"connection: close" in refused.lower()
    assert health.startswith(b"HTTP/1.1 200 ")
    assert len(ports.wire.requests) == 4


class Log(list[RequestContext]):
    """Access log that signals its first line."""

    def __init__(self) -> None:
        super().__init__()
        self.begun = asyncio.Event()

    def append(self, context: RequestContext) -> None:
        super().append(context)
        self.begun.set()


def logged() -> tuple[Ports, asyncio.Event]:
    log = Log()
    return Ports(wire=Wire(says(200, LARGE)), contexts=log), log.begun


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_a_caller_that_does_not_read_its_answer_is_disconnected() -> None:
    async def work(served: Served) -> int:
        before = open_files()
        with socket.create_connection(("127.0.0.1", served.port)) as caller:
            caller.sendall(served.head(b"GET " + LIST + b" HTTP/1.1"))
            async with asyncio.timeout(30):
                await answered.wait()
                while open_files() > before + 1:  # noqa: ASYNC110  no event tells of a file
                    await asyncio.sleep(0)
            caller.settimeout(0)
            return len(caller.recv(10_000_000))

    ports, answered = logged()
    assert over_sockets(work, ports, limits=ServerLimits(write_seconds=0.05)) < 8_000_000
    assert {shown.status for shown in ports.contexts} == {200}


def test_a_caller_that_reads_slowly_gets_its_whole_answer() -> None:
    async def work(served: Served) -> int:
        with socket.create_connection(("127.0.0.1", served.port)) as caller:
            caller.sendall(served.head(b"GET " + LIST + b" HTTP/1.1", CLOSE))
            return await asyncio.to_thread(drip, caller)

    def drip(caller: socket.socket) -> int:
        size = 0
        while some := caller.recv(20_000):
            size += len(some)
        return size

    ports, _ = logged()
    assert over_sockets(work, ports, limits=ServerLimits(write_seconds=0.01)) > 8_000_000


def test_a_connection_with_an_unread_answer_is_closed_for_another() -> None:
    async def work(served: Served) -> bytes:
        with socket.create_connection(("127.0.0.1", served.port)) as caller:
            caller.sendall(served.head(b"GET " + LIST + b" HTTP/1.1"))
            await answered.wait()
            return await asked(served)

    ports, answered = logged()
    assert over_sockets(work, ports, limits=ServerLimits(connections=1)).startswith(
        b"HTTP/1.1 200 "
    )


@contextlib.asynccontextmanager
async def two_ports(limits: ServerLimits) -> AsyncIterator[tuple[int, int]]:
    ports = Ports()
    listeners = [open_listener("127.0.0.1", 0) for _ in range(2)]
    numbers = [listener.getsockname()[1] for listener in listeners]
    ports.hosts = tuple(f"127.0.0.1:{number}" for number in numbers)
    stop, ready = asyncio.Event(), asyncio.Event()
    applications = list(zip([ports.rest, ports.mcp], listeners, strict=True))
    task = asyncio.create_task(serve(applications, stop=stop, ready=ready.set, limits=limits))
    await ready.wait()
    try:
        yield numbers[0], numbers[1]
    finally:
        stop.set()
        await task


def test_connections_are_counted_over_both_ports() -> None:
    async def work() -> None:
        async with (
            two_ports(ServerLimits(connections=2)) as (rest, mcp),
            httpx.AsyncClient(verify=NO_TLS) as client,
        ):
            silent = [await asyncio.open_connection("127.0.0.1", rest) for _ in range(2)]
            for port in (mcp, rest):
                answer = await client.get(f"http://127.0.0.1:{port}/healthz")
                assert answer.json() == {"status": "ok"}
            for reader, writer in silent:
                assert await reader.read() == b""
                writer.close()

    asyncio.run(work())


class Exhausted(socket.socket):
    """Listening socket whose first accept fails for lack of file descriptors."""

    failures = 2

    def accept(self) -> Any:
        if self.failures:
            self.failures -= 1
            raise OSError(errno.EMFILE, "Too many open files")
        return super().accept()


class Silent:
    """Idle connection that records when it is closed."""

    ended = False

    def abort(self) -> None:
        self.ended = True


def test_at_the_file_limit_an_idle_connection_is_closed_and_the_new_one_accepted() -> None:
    async def work() -> None:
        failures: list[Any] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, shown: failures.append(shown))
        table, old, young = ConnectionTable(10), Silent(), Silent()
        table.add(old)
        table.add(young)
        opened = asyncio.Event()

        class Greeting(asyncio.Protocol):
            def connection_made(self, transport: Any) -> None:
                transport.close()
                opened.set()

        with (
            open_listener("127.0.0.1", 0) as usual,
            Exhausted(fileno=usual.dup().detach()) as listening,
        ):
            listener = Listener(listening, Greeting, table)
            with socket.create_connection(listening.getsockname()):
                await opened.wait()
            listener.close()
            await listener.wait_closed()
        assert (old.ended, young.ended, len(table)) == (True, True, 0)
        assert failures == []

    asyncio.run(work())


@given(st.integers(min_value=16, max_value=2**20))
def test_connections_of_callers_and_upstream_stay_below_the_limit_on_open_files(limit: int) -> None:
    budget = connection_budget(limit)
    assert budget.callers >= 1
    assert budget.upstream >= 1
    assert budget.callers + 3 * budget.upstream <= limit - min(16, limit // 5)


def test_the_usual_limit_on_open_files_allows_many_connections() -> None:
    assert connection_budget(1024).callers > 600
    assert connection_budget(1024).upstream == 100
    assert connection_budget(2**20) == connection_budget(-1)

"""The ports over sockets: framing, slow clients and graceful shutdown."""

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import pytest

from reconciler.adapter.request_context import Application
from reconciler.adapter.server import ServerLimits, open_listener, serve
from tests.adapter.ports import WRITER, Ports, Stuck, Wire, says
from tests.contract.api import NO_TLS

# Each test waits for the server to stop.
pytestmark = pytest.mark.slow

LIST = b"/v1/integrations"
USUAL = ServerLimits()


class Served:
    """Listening REST port."""

    def __init__(self, ports: Ports, port: int, stop: asyncio.Event) -> None:
        self.ports = ports
        self.port = port
        self.stop = stop
        self._writers: list[asyncio.StreamWriter] = []

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        self._writers.append(writer)
        return reader, writer

    def hang_up(self) -> None:
        for writer in self._writers:
            writer.close()

    async def say(self, *lines: bytes, body: bytes = b"", token: str = WRITER) -> bytes:
        """Send one request with its head line by line, and read until the connection is closed."""
        reader, writer = await self.connect()
        writer.write(self.head(*lines, token=token) + body)
        return await reader.read()

    def head(self, *lines: bytes, token: str = WRITER) -> bytes:
        host = b"Host: 127.0.0.1:%d" % self.port
        credential = b"Authorization: Bearer " + token.encode()
        return b"\r\n".join([lines[0], host, credential, *lines[1:], b"", b""])


@contextlib.asynccontextmanager
async def serving(
    ports: Ports, *, host: str = "127.0.0.1", limits: ServerLimits = USUAL
) -> AsyncIterator[Served]:
    """Serve the REST port until the block ends."""
    listener = open_listener(host, 0)
    number = listener.getsockname()[1]
    stop, ready = asyncio.Event(), asyncio.Event()
    ports.hosts = (f"127.0.0.1:{number}",)
    app: Application = ports.rest
    task = asyncio.create_task(serve([(app, listener)], stop=stop, ready=ready.set, limits=limits))
    await ready.wait()
    served = Served(ports, number, stop)
    try:
        yield served
    finally:
        served.hang_up()
        stop.set()
        await task


def over_sockets(
    work: Callable[[Served], Awaitable[Any]], ports: Ports | None = None, **options: Any
) -> Any:
    """Run a coroutine against a served REST port."""

    async def run() -> Any:
        async with serving(ports or Ports(), **options) as served:
            return await work(served)

    return asyncio.run(run())


def is_framed_problem(answer: bytes, status: int) -> bool:
    """Return whether a response is one problem document (RFC 9457)."""
    head, _, body = answer.partition(b"\r\n\r\n")
    lines = head.lower().split(b"\r\n")
    return (
        b"content-type: application/problem+json" in lines
        and b"connection: close" in lines
        and b"content-length: %d" % len(body) in lines
        and json.loads(body)["status"] == status
    )


def test_two_framing_headers_are_refused_and_the_connection_is_closed() -> None:
    smuggled = b"0\r\n\r\nDELETE /v1/integrations/a HTTP/1.1\r\n\r\n"
    ports = Ports()
    answer = over_sockets(
        lambda served: served.say(
            b"POST " + LIST + b" HTTP/1.1",
            b"Content-Type: application/json",
            b"Content-Length: 4",
            b"Transfer-Encoding: chunked",
            body=smuggled,
        ),
        ports,
    )
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.count(b"HTTP/1.1") == 1
    assert b"bad-framing" in answer
    assert ports.wire.requests == []


def test_malformed_requests_are_400_and_close() -> None:
    heads = [
        (b"GET " + LIST + b" HTTP/1.1", b"Host: second.test"),
        (b"POST " + LIST + b" HTTP/1.1", b"Content-Length: 1", b"Content-Length: 2"),
        (b"POST " + LIST + b" HTTP/1.1", b"Content-Length: -1"),
        (b"POST " + LIST + b" HTTP/1.1", b"Content-Length: 0x10"),
        (b"GET " + LIST + b" HTTP/1.1", b"A header without a colon"),
        (b"GET " + LIST + b" HTTP/1.1", b"X-Folded: a\r\n\tb : c", b"Host : x"),
        (b"not http",),
    ]

    async def work(served: Served) -> list[bytes]:
        return [await served.say(*head) for head in heads]

    ports = Ports()
    answers = over_sockets(work, ports)
    assert [answer.split(b" ")[1] for answer in answers] == [b"400"] * len(heads)
    assert ports.wire.requests == []
    assert [shown.status for shown in ports.contexts] == [400] * len(heads)
    for answer in answers:
        assert answer.count(b"HTTP/1.1 ") == 1
        assert is_framed_problem(answer, 400)


@pytest.mark.parametrize(
    ("host", "status"),
    [
        (b"http://127.0.0.1:%d", b"200"),
        (b"HTTP://127.0.0.1:%d", b"200"),
        (b"https://127.0.0.1:%d", b"200"),
        (b"http://127.0.0.1.evil.test:%d", b"421"),
        (b"http://127.0.0.1:1%d", b"421"),
        (b"http://127.0.0.1", b"421"),
        (b"http://user@127.0.0.1:%d", b"421"),
        (b"http://127.0.0.1:%d%%00", b"421"),
        (b"http://", b"421"),
        (b"ftp://127.0.0.1:%d", b"404"),
        (b"http:/127.0.0.1:%d", b"404"),
    ],
)
def test_a_target_in_absolute_form_is_served_for_an_allowed_host(
    host: bytes, status: bytes
) -> None:
    ports = Ports()

    async def work(served: Served) -> bytes:
        named = host % served.port if b"%d" in host else host
        line = b"GET " + named + LIST + b"?page_size=2 HTTP/1.1"
        return await served.say(line, b"Connection: close")

    answer = over_sockets(work, ports)
    assert answer.split(b" ")[1] == status
    targets = [sent.url.raw_path for sent in ports.wire.requests]
    assert targets == ([b"/v1/integrations?page_size=2"] if status == b"200" else [])


def test_an_absolute_target_does_not_replace_the_host_header() -> None:
    async def work(served: Served) -> bytes:
        reader, writer = await served.connect()
        target = b"http://127.0.0.1:%d/healthz" % served.port
        writer.write(b"GET " + target + b" HTTP/1.1\r\nHost: evil.test\r\n")
        writer.write(b"Connection: close\r\n\r\n")
        return await reader.read()

    assert over_sockets(work).startswith(b"HTTP/1.1 421 ")


def test_the_host_is_checked_on_every_bind_address() -> None:
    async def work(served: Served) -> list[int]:
        url = f"http://127.0.0.1:{served.port}/v1/integrations"
        async with httpx.AsyncClient(
            headers={"x-portkey-api-key": WRITER}, verify=NO_TLS
        ) as client:
            hosts = [f"127.0.0.1:{served.port}", "evil.test", f"0.0.0.0:{served.port}"]
            answers = [await client.get(url, headers={"host": host}) for host in hosts]
        return [answer.status_code for answer in answers]

    assert over_sockets(work, host="0.0.0.0") == [200, 421, 421]  # noqa: S104  the case in point


def test_a_slow_head_is_disconnected() -> None:
    async def work(served: Served) -> bytes:
        reader, writer = await served.connect()
        writer.write(b"GET " + LIST + b" HTTP/1.1\r\nHost: ")
        await writer.drain()
        writer.write(b"x")
        return await reader.read()

    limits = ServerLimits(head_seconds=0.05)
    assert over_sockets(work, limits=limits) == b""


def test_an_idle_connection_is_disconnected() -> None:
    async def work(served: Served) -> bytes:
        reader, _ = await served.connect()
        return await reader.read()

    assert over_sockets(work, limits=ServerLimits(head_seconds=0.05)) == b""


def test_the_head_timeout_does_not_end_a_slow_answer() -> None:
    class Slow(Wire):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            await asyncio.sleep(0.1)
            return await super().handle_async_request(request)

    line = b"GET " + LIST + b" HTTP/1.1"
    answer = over_sockets(
        lambda served: served.say(line, b"Connection: close"),
        Ports(wire=Slow(says(200, {"late": True}))),
        limits=ServerLimits(head_seconds=0.02),
    )
    assert answer.endswith(b'{"late": true}')


def test_a_body_with_broken_framing_is_400_and_sends_nothing() -> None:
    ports = Ports()
    answer = over_sockets(
        lambda served: served.say(
            b"POST " + LIST + b" HTTP/1.1",
            b"Content-Type: application/json",
            b"Transfer-Encoding: chunked",
            body=b'2\r\n{"\r\nzz\r\n',
        ),
        ports,
    )
    assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert is_framed_problem(answer, 400)
    assert [shown.status for shown in ports.contexts] == [400]
    assert ports.wire.requests == []


def test_repeated_garbage_is_answered_once() -> None:
    async def work(served: Served) -> bytes:
        reader, writer = await served.connect()
        for _ in range(3):
            writer.write(b"rubbish\r\n\r\n")
        return await reader.read()

    assert over_sockets(work).count(b"HTTP/1.1 400 ") == 1


def test_pipelined_requests_are_answered_in_order() -> None:
    async def work(served: Served) -> bytes:
        reader, writer = await served.connect()
        first = served.head(b"GET " + LIST + b" HTTP/1.1")
        last = served.head(b"GET /nowhere HTTP/1.1", b"Connection: close")
        writer.write(first + last)
        return await reader.read()

    answer = over_sockets(work)
    assert answer.index(b" 200 OK") < answer.index(b" 404 Not Found")


def test_a_stop_finishes_requests_in_flight_and_accepts_no_new_ones() -> None:
    arrived, go_on = asyncio.Event(), asyncio.Event()

    class Gate(Wire):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            arrived.set()
            await go_on.wait()
            return await super().handle_async_request(request)

    async def work(served: Served) -> tuple[bytes, bool]:
        asking = asyncio.create_task(served.say(b"GET " + LIST + b" HTTP/1.1"))
        await arrived.wait()
        served.stop.set()
        refused = False
        while not refused:
            try:
                await served.connect()
            except ConnectionError:
                refused = True
        go_on.set()
        return await asking, refused

    answer, refused = over_sockets(work, Ports(wire=Gate(says(200, {"done": True}))))
    assert answer.endswith(b'{"done": true}')
    assert refused


def test_a_stop_ends_requests_after_the_grace_period() -> None:
    arrived = asyncio.Event()

    class Silent(Stuck):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            arrived.set()
            return await super().handle_async_request(request)

    async def work(served: Served) -> bytes:
        asking = asyncio.create_task(served.say(b"GET " + LIST + b" HTTP/1.1"))
        await arrived.wait()
        served.stop.set()
        return await asking

    ports = Ports(wire=Silent())
    answer = over_sockets(work, ports, limits=ServerLimits(grace_seconds=0))
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert b"\r\ncontent-type: application/problem+json\r\n" in answer
    assert b"The adapter stopped" in answer
    assert [shown.status for shown in ports.contexts] == [503]


def test_answers_are_sent_without_delay() -> None:
    async def work() -> int:
        accepted: asyncio.Queue[int] = asyncio.Queue()

        def accept(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            connection = writer.get_extra_info("socket")
            accepted.put_nowait(connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            writer.close()

        listener = open_listener("127.0.0.1", 0)
        async with await asyncio.start_server(accept, sock=listener):
            _, writer = await asyncio.open_connection(*listener.getsockname())
            writer.close()
            return await accepted.get()

    assert asyncio.run(work()) != 0


def test_libraries_log_nothing_to_stderr(capfd: Any) -> None:
    over_sockets(lambda served: served.say(b"not http canary"))
    out, err = capfd.readouterr()
    assert "canary" not in out + err
    assert json.dumps(out + err) == '""'

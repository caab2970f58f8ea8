"""The server over real loopback sockets, down to the bytes."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from reconciler.simulator.asgi import Message, Receive, Send, SimulatorApp
from reconciler.simulator.auth import ApiService
from reconciler.simulator.faults import Fault, FaultKind, FaultScript, Wire
from reconciler.simulator.http_server import serve
from tests.contract.api import KEY, NO_TLS, make_remote, openai

Application = Callable[[Message, Receive, Send], Awaitable[None]]


def run_served(app: Application, client: Callable[[int], Awaitable[Any]]) -> Any:
    """Serve an application while a client talks to it; return what the client returned."""

    async def run() -> Any:
        stop = asyncio.Event()
        port: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        server = asyncio.create_task(
            serve(app, host="127.0.0.1", port=0, ready=port.set_result, stop=stop)
        )
        try:
            return await asyncio.wait_for(client(await port), 20)
        finally:
            stop.set()
            await asyncio.wait_for(server, 20)

    return asyncio.run(run())


def application(kind: FaultKind | None = None, **fields: Any) -> SimulatorApp:
    faults = FaultScript([Fault(kind=kind, **fields)] if kind else [])
    return SimulatorApp(ApiService(Wire(make_remote(), faults=faults)))


async def exchange(port: int, data: bytes) -> bytes:
    """Send bytes, close the sending side, and read to the end."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(data)
    writer.write_eof()
    answer = await reader.read()
    writer.close()
    return answer


def raw(method: str = "GET", path: str = "/v1/integrations", body: bytes = b"") -> bytes:
    head = f"{method} {path} HTTP/1.1\r\nhost: x\r\nx-portkey-api-key: k\r\n"
    if body:
        head += f"content-length: {len(body)}\r\n"
    return head.encode() + b"\r\n" + body


def test_pipelined_requests_are_answered_in_order() -> None:
    wanted = [f"i-{number}" for number in range(20)]

    async def client(port: int) -> bytes:
        creates = b"".join(raw("POST", body=json.dumps(openai(slug)).encode()) for slug in wanted)
        return await exchange(port, creates + raw())

    answer = run_served(application(), client)
    assert answer.count(b"HTTP/1.1 200") == 21
    listed = json.loads(answer.rpartition(b"\r\n\r\n")[2])
    assert [row["slug"] for row in listed["data"]] == wanted


def test_one_connection_serves_many_requests() -> None:
    async def client(port: int) -> set[int]:
        async with httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{port}", headers=KEY, verify=NO_TLS
        ) as http:
            return {(await http.get("/v1/integrations")).status_code for _ in range(50)}

    assert run_served(application(), client) == {200}


def test_a_body_in_chunks_is_read_whole() -> None:
    async def client(port: int) -> int:
        content = json.dumps(openai(description="x" * 200_000)).encode()

        async def chunks() -> Any:
            for start in range(0, len(content), 1000):
                yield content[start : start + 1000]

        async with httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{port}", headers=KEY, verify=NO_TLS
        ) as http:
            return (await http.post("/v1/integrations", content=chunks())).status_code

    assert run_served(application(), client) == 400  # descriptions end at 100,000 characters


@pytest.mark.parametrize("size", [2**20 + 1, 3 * 2**20])
def test_a_body_that_is_too_large_is_answered_413(size: int) -> None:
    async def client(port: int) -> bytes:
        return await exchange(port, raw("POST", body=b"x" * size))

    assert run_served(application(), client).startswith(b"HTTP/1.1 413")


def test_a_client_that_waits_for_100_continue_gets_it() -> None:
    async def client(port: int) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        body = json.dumps(openai()).encode()
        head, _, _ = raw("POST", body=body).partition(b"\r\n\r\n")
        writer.write(head + b"\r\nexpect: 100-continue\r\n\r\n")
        received = await reader.readuntil(b"\r\n\r\n")
        writer.write(body)
        writer.write_eof()
        answer = received + await reader.read()
        writer.close()
        return answer

    answer = run_served(application(), client)
    assert answer.startswith(b"HTTP/1.1 100")
    assert b"HTTP/1.1 200" in answer


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01 this is no HTTP\r\n\r\n",
        b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: x\r\n" + b"a: b\r\n" * 50_000 + b"\r\n",
    ],
)
def test_a_malformed_request_is_refused_and_the_server_continues(data: bytes) -> None:
    async def client(port: int) -> tuple[bytes, bytes]:
        return await exchange(port, data), await exchange(port, raw())

    refused, served = run_served(application(), client)
    assert refused.startswith(b"HTTP/1.1 4")
    assert served.startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        (FaultKind.RESET_BEFORE, httpx.ReadError),
        (FaultKind.RESET_AFTER, httpx.ReadError),
        (FaultKind.TRUNCATE, httpx.RemoteProtocolError),
        (FaultKind.HANG_BEFORE, httpx.ReadTimeout),
        (FaultKind.HANG_AFTER, httpx.ReadTimeout),
    ],
)
def test_a_broken_connection_is_broken_for_the_client(
    kind: FaultKind, error: type[httpx.TransportError]
) -> None:
    async def client(port: int) -> list[int]:
        async with httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{port}",
            headers=KEY,
            timeout=httpx.Timeout(5, read=0.2),
            verify=NO_TLS,
        ) as http:
            with pytest.raises(error):
                await http.get("/v1/integrations")
            return [(await http.get("/v1/integrations")).status_code]

    assert run_served(application(kind), client) == [200]


def test_half_of_a_truncated_response_arrives() -> None:
    async def client(port: int) -> bytes:
        return await exchange(port, raw())

    answer = run_served(application(FaultKind.TRUNCATE), client)
    head, _, body = answer.partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].split()[0])
    assert len(body) == length // 2


def test_a_request_in_flight_is_finished_when_the_server_stops() -> None:
    gate, entered = asyncio.Event(), asyncio.Event()

    async def slow(_seconds: float) -> None:
        entered.set()
        await gate.wait()

    app = SimulatorApp(ApiService(Wire(make_remote())), latency=lambda: 1.0, sleep=slow)

    async def run() -> tuple[bytes, bytes]:
        stop = asyncio.Event()
        port: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        server = asyncio.create_task(
            serve(app, host="127.0.0.1", port=0, ready=port.set_result, stop=stop)
        )
        idle, idle_writer = await asyncio.open_connection("127.0.0.1", await port)
        busy, busy_writer = await asyncio.open_connection("127.0.0.1", await port)
        busy_writer.write(raw() + raw())
        await entered.wait()
        stop.set()
        nothing = await idle.read()
        gate.set()
        answer = await busy.read()
        await asyncio.wait_for(server, 10)
        idle_writer.close()
        busy_writer.close()
        return nothing, answer

    nothing, answer = asyncio.run(run())
    assert nothing == b""
    assert answer.count(b"HTTP/1.1 200") == 1
    assert b"connection: close" in answer.lower()


def test_a_port_in_use_is_an_os_error() -> None:
    async def client(port: int) -> None:
        with pytest.raises(OSError, match="address already in use"):
            await serve(
                application(),
                host="127.0.0.1",
                port=port,
                ready=lambda _port: None,
                stop=asyncio.Event(),
            )

    run_served(application(), client)


def test_the_application_follows_the_lifespan_of_any_server() -> None:
    sent: list[Message] = []
    phases = iter(["lifespan.startup", "lifespan.shutdown"])

    async def receive() -> Message:
        return {"type": next(phases)}

    async def send(message: Message) -> None:
        sent.append(message)

    asyncio.run(application()({"type": "lifespan"}, receive, send))
    assert [message["type"] for message in sent] == [
        "lifespan.startup.complete",
        "lifespan.shutdown.complete",
    ]

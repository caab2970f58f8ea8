"""Client on real sockets against a server with protocol errors."""

import asyncio
import gzip
import json
import time
import tracemalloc
from typing import Any

import pytest

from reconciler.domain.calls import Call, OperationName, Reply
from reconciler.domain.secrets import Redacted
from reconciler.remote.client import make_client
from reconciler.remote.errors import NoAnswer, NotSent, RemoteError
from reconciler.remote.observe import WantedDetails, observe
from tests.remote.builders import KEY, detail, page, real_timing
from tests.remote.raw_server import Behaviour, RawServer, drips, resets, says, then, writes

GET = Call(OperationName.GET, "a")
PUT = Call(OperationName.UPDATE, "a", body={"name": "A"})
POST = Call(OperationName.CREATE, body={"name": "A"})
DETAIL = json.dumps(detail()).encode()
FINE = says(DETAIL)


def outcome(
    call: Call, *behaviours: Behaviour, **settings: Any
) -> tuple[Reply | RemoteError, RawServer]:
    """Make a call on a real socket, and return its result."""

    async def main() -> tuple[Reply | RemoteError, RawServer]:
        async with RawServer(*behaviours).running() as server:
            base = {"base_url": server.url, "clock": real_timing(time.monotonic)}
            async with make_client(**base | {"api_key": Redacted(KEY)} | settings) as api:
                try:
                    return await api.call(call), server
                except RemoteError as error:
                    return error, server

    return asyncio.run(main())


@pytest.mark.parametrize("call", [GET, PUT])
def test_a_reset_after_an_idempotent_request_is_retried(call: Call) -> None:
    result, server = outcome(call, resets, FINE)
    assert isinstance(result, Reply)
    assert (result.attempts, len(server.requests)) == (2, 2)


def test_a_reset_after_a_post_is_unknown_and_not_repeated() -> None:
    result, server = outcome(POST, resets, FINE)
    assert isinstance(result, NoAnswer)
    assert result.outcome_unknown
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "behaviour",
    [
        writes(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{"),
        writes(b'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{"a":\r\n'),
        writes(b"HTTP/1.1 200"),
        writes(b"\x00\xff\r\n\r\n"),
        writes(b""),
        writes(b"SSH-2.0-OpenSSH_9.2\r\n"),
    ],
)
def test_a_truncated_response_is_an_error(behaviour: Behaviour) -> None:
    result, server = outcome(GET, behaviour)
    assert isinstance(result, NoAnswer)
    assert (result.code, result.attempts, len(server.requests)) == ("connection-lost", 4, 4)


def test_a_truncated_response_without_a_length_is_not_data() -> None:
    cut = writes(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n" + DETAIL[:50])
    result, _ = outcome(GET, cut)
    assert isinstance(result, NoAnswer)
    assert result.code == "invalid-json"


@pytest.mark.slow
def test_a_slow_server_is_limited_by_the_total_timeout() -> None:
    result, _ = outcome(GET, drips, call_timeout=0.2)
    assert isinstance(result, NoAnswer)
    assert (result.code, result.attempts) == ("timeout", 4)


def test_the_end_of_a_run_ends_a_call_in_flight() -> None:
    result, server = outcome(POST, drips, deadline=0.2)
    assert isinstance(result, NoAnswer)
    assert len(server.requests) == 1


@pytest.mark.slow
def test_a_gzip_bomb_is_not_decompressed() -> None:
    bomb = gzip.compress(b" " * (200 * 2**20), compresslevel=9)
    tracemalloc.start()
    result, server = outcome(GET, says(bomb, content_encoding="gzip"))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 40 * 2**20
    assert isinstance(result, NoAnswer)
    assert (result.code, len(server.requests)) == ("too-large", 1)


def test_an_endless_body_is_cut_off() -> None:
    result, _ = outcome(GET, says(b" " * (11 * 2**20), length=10**9))
    assert isinstance(result, NoAnswer)
    assert result.code == "too-large"


def test_a_large_answer_within_the_limit_is_read() -> None:
    body = json.dumps(detail(description="x" * (9 * 2**20))).encode()
    result, _ = outcome(GET, says(gzip.compress(body, compresslevel=1), content_encoding="gzip"))
    assert isinstance(result, Reply)


@pytest.mark.parametrize("encoding", ["br", "gzip, gzip", "deflate"])
def test_an_unrequested_encoding_is_refused(encoding: str) -> None:
    result, _ = outcome(GET, says(DETAIL, content_encoding=encoding))
    assert isinstance(result, NoAnswer)
    assert result.code == "bad-encoding"


WHOLE = gzip.compress(DETAIL)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(WHOLE[:-8], id="without its checksum"),
        pytest.param(WHOLE[:-1], id="without its last byte"),
        pytest.param(WHOLE + gzip.compress(b" "), id="with a second member"),
        pytest.param(WHOLE + b"{}", id="with bytes after its end"),
        pytest.param(gzip.compress(DETAIL)[:-5] + b"\0" * 5, id="with another checksum"),
    ],
)
def test_truncated_gzip_is_not_data(body: bytes) -> None:
    result, server = outcome(GET, says(body, content_encoding="gzip"))
    assert isinstance(result, NoAnswer)
    assert (result.code, len(server.requests)) == ("bad-encoding", 1)


def test_a_compressed_empty_response_is_limited() -> None:
    nothing = (
        b"\x00\x00\x00\xff\xff"  # an empty stored block, which can be repeated any number of times
    )
    endless = gzip.compress(b"")[:10] + nothing * (11 * 2**20 // len(nothing))
    result, _ = outcome(GET, says(endless, length=10**9, content_encoding="gzip"))
    assert isinstance(result, NoAnswer)
    assert result.code == "too-large"


def test_an_empty_answer_with_an_encoding_is_empty() -> None:
    result, _ = outcome(PUT, says(b"", status="204 No Content", content_encoding="gzip"))
    assert isinstance(result, Reply)


def test_damaged_gzip_is_refused() -> None:
    result, _ = outcome(GET, says(DETAIL, content_encoding="gzip"))
    assert isinstance(result, NoAnswer)
    assert result.code == "bad-encoding"


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "307 Temporary", "308 Permanent"])
def test_a_redirect_is_not_followed_and_its_target_receives_nothing(status: str) -> None:
    async def main() -> tuple[str, int, int]:
        async with RawServer(FINE).running() as elsewhere:
            redirect = says(b"", status=status, location=f"{elsewhere.url}/integrations/a")
            async with (
                RawServer(redirect).running() as server,
                make_client(
                    base_url=server.url,
                    api_key=Redacted(KEY),
                    clock=real_timing(time.monotonic),
                ) as api,
            ):
                with pytest.raises(NoAnswer) as caught:
                    await api.call(GET)
                return caught.value.code, len(server.requests), elsewhere.connections

    assert asyncio.run(main()) == ("redirected", 1, 0)


def test_json_nested_a_hundred_thousand_deep_is_refused() -> None:
    result, _ = outcome(GET, says(b'{"a":' * 100_000 + b"1" + b"}" * 100_000))
    assert isinstance(result, NoAnswer)
    assert result.code == "invalid-json"


def test_connections_are_kept_open_and_a_dead_one_is_replaced() -> None:
    async def main() -> tuple[int, int]:
        abort = then(FINE, lambda writer: writer.transport.abort())
        async with (
            RawServer(FINE, FINE, abort, FINE).running() as server,
            make_client(
                base_url=server.url, api_key=Redacted(KEY), clock=real_timing(time.monotonic)
            ) as api,
        ):
            for _ in range(6):
                await api.call(GET)
            return server.connections, len(server.requests)

    connections, requests = asyncio.run(main())
    assert connections == 2
    assert requests in {6, 7}  # a reset may be seen before or after the next request is sent


def test_a_closed_port_is_unreachable_and_nothing_was_sent() -> None:
    async def port() -> int:
        async with RawServer(FINE).running() as server:
            return server.port

    closed = asyncio.run(port())
    result, _ = outcome(POST, FINE, base_url=f"http://127.0.0.1:{closed}/v1")
    assert isinstance(result, NotSent)
    assert (result.code, result.outcome_unknown) == ("unreachable", False)


def test_a_server_that_cannot_speak_tls_is_refused_at_once() -> None:
    async def main() -> tuple[RemoteError, int]:
        async with (
            RawServer(FINE, greeting=b"220 smtp ready\r\n").running() as server,
            make_client(
                base_url=server.url.replace("http:", "https:"),
                api_key=Redacted(KEY),
                clock=real_timing(time.monotonic),
            ) as api,
        ):
            with pytest.raises(NotSent) as caught:
                await api.call(GET)
            return caught.value, server.connections

    error, connections = asyncio.run(main())
    assert (error.code, error.attempts, connections) == ("tls-failed", 1, 1)


def test_a_configured_proxy_is_used() -> None:
    async def main() -> bytes:
        async with (
            RawServer(FINE).running() as proxy,
            make_client(
                base_url="http://api.example/v1",
                api_key=Redacted(KEY),
                clock=real_timing(time.monotonic),
                proxy=f"http://127.0.0.1:{proxy.port}",
            ) as api,
        ):
            await api.call(GET)
            return proxy.requests[0]

    assert asyncio.run(main()).startswith(b"GET http://api.example/v1/integrations/a HTTP/1.1")


def test_a_complete_target_is_read_over_sockets() -> None:
    async def main() -> tuple[list[str], int]:
        listing = says(json.dumps(page(["a"], 1)).encode())
        async with (
            RawServer(listing, FINE).running() as server,
            make_client(
                base_url=server.url, api_key=Redacted(KEY), clock=real_timing(time.monotonic)
            ) as api,
        ):
            state = await observe(api, wants=lambda _: WantedDetails())
            return list(state.integrations), state.calls

    assert asyncio.run(main()) == (["a"], 2)

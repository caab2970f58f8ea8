"""Single connection: requests, reuse, replacement and failures."""

import asyncio
import contextlib
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from reconciler.domain.calls import Call, OperationName
from reconciler.errors import InvalidInput
from reconciler.remote.client import ConnectionPool
from reconciler.remote.connection import Connection, origin_of, proxy_at
from reconciler.remote.errors import (
    BrokenConnection,
    ConnectError,
    ConnectTimeout,
    NotSent,
    ProxyError,
    TransportError,
    UnsendableError,
)
from reconciler.remote.exchange import RawAnswer, Request, Transport
from reconciler.remote.transport import connection_maker, remote_error
from tests.remote.builders import client
from tests.remote.raw_server import Behaviour, RawServer, drips, resets, says, then, writes

FINE = says(b"fine")
PLAIN = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


class Now:
    """Clock that a test sets."""

    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def to(url: str, proxy: str | None = None, **settings: Any) -> Connection:
    via = None if proxy is None else proxy_at(proxy)
    return Connection(origin_of(url), PLAIN, via, **{"monotonic": Now()} | settings)


def get(url: str) -> Request:
    return Request("GET", f"{url}/integrations", [("X-One", "1")])


def exchanges(
    server: RawServer, use: Callable[[Connection], Awaitable[Any]], **settings: Any
) -> Any:
    """Run a server, use a connection to it, and return the result."""

    async def main() -> Any:
        async with server.running():
            connection = to(server.url, **settings)
            try:
                return await use(connection)
            finally:
                await connection.aclose()

    return asyncio.run(main())


def times(server: RawServer, count: int) -> Callable[[Connection], Awaitable[list[bytes]]]:
    async def use(connection: Connection) -> list[bytes]:
        return [(await connection.send(get(server.url))).body for _ in range(count)]

    return use


def test_a_request_and_its_response_are_transferred_unchanged() -> None:
    server = RawServer(says(b"body", status="201 Created", x_told="yes"))

    async def use(connection: Connection) -> RawAnswer:
        url = f"{server.url}/a?b=c%20d"
        return await connection.send(Request("PUT", url, [("X-One", "1")], b"sent"))

    answer = exchanges(server, use)
    assert server.requests == [
        b"PUT /v1/a?b=c%20d HTTP/1.1\r\nHost: 127.0.0.1:"
        + str(server.port).encode()
        + b"\r\nX-One: 1\r\nContent-Length: 4\r\n\r\nsent"
    ]
    assert (answer.status, answer.headers["x-told"], answer.body) == (201, "yes", b"body")


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("http://h/v1/a", "/v1/a"),
        ("http://h", "/"),
        ("http://h?a=b", "/?a=b"),
        ("http://h/a%2Fb/c%20d", "/a%2Fb/c%20d"),
        ("http://h/caf\u00e9", "/caf%C3%A9"),
    ],
)
def test_the_target_of_a_request_is_encoded_once(url: str, target: str) -> None:
    assert Request("GET", url, []).target == target


@pytest.mark.parametrize(
    ("url", "host", "header"),
    [
        ("http://here.example/v1", "here.example", "here.example"),
        ("http://here.example:80/v1", "here.example", "here.example"),
        ("https://here.example:80/v1", "here.example", "here.example:80"),
        ("https://HERE.example", "here.example", "here.example"),
        ("http://[::1]:8080/v1", "::1", "[::1]:8080"),
        ("https://b\u00fccher.example", "xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("https://stra\u00dfe.example", "xn--strae-oqa.example", "xn--strae-oqa.example"),
    ],
)
def test_the_host_is_that_of_the_url(url: str, host: str, header: str) -> None:
    origin = origin_of(url)
    assert (origin.host, origin.host_header) == (host, header)


@pytest.mark.parametrize("url", ["", "h", "ftp://h", "http://", "http://h:x", "http://h:65536"])
def test_a_url_without_an_origin_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        origin_of(url)


def test_an_idle_connection_is_reused() -> None:
    server = RawServer(FINE)
    assert exchanges(server, times(server, 3)) == [b"fine"] * 3
    assert server.connections == 1


@pytest.mark.parametrize(
    "first",
    [
        says(b"fine", connection="close"),
        writes(b"HTTP/1.0 200 OK\r\ncontent-length: 4\r\n\r\nfine", close=False),
        writes(b"HTTP/1.1 200 OK\r\n\r\nfine"),
        then(FINE, lambda writer: writer.close()),
        then(FINE, lambda writer: writer.write(b"HTTP/1.1 200 OK\r\n\r\nnot ours")),
        writes(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nfineHTTP/1.1 500 No\r\n", close=False),
    ],
)
def test_an_unusable_connection_is_replaced_before_the_next_request(
    first: Callable[[asyncio.StreamWriter], Awaitable[None]],
) -> None:
    server = RawServer(first, FINE)

    async def use(connection: Connection) -> list[bytes]:
        one = await connection.send(get(server.url))
        async with asyncio.timeout(5):
            two = await connection.send(get(server.url))
        return [one.body, two.body]

    assert exchanges(server, use) == [b"fine", b"fine"]
    assert server.connections == 2


def test_a_connection_that_was_idle_for_long_is_replaced() -> None:
    server, now = RawServer(FINE), Now()

    async def use(connection: Connection) -> list[int]:
        seen = []
        for now.seconds in (0.0, 30.0, 60.1, 61.0):
            await connection.send(get(server.url))
            seen.append(server.connections)
        return seen

    assert exchanges(server, use, monotonic=now) == [1, 1, 2, 2]


def test_connections_that_are_no_longer_needed_are_closed() -> None:
    server, now = RawServer(FINE), Now()

    async def main() -> None:
        async with server.running():
            pool = ConnectionPool(lambda: to(server.url, monotonic=now), 3)
            async with pool.acquire() as busy, pool.acquire() as idle:
                await busy.send(get(server.url))
                await idle.send(get(server.url))
            now.seconds = 31.0
            async with pool.acquire() as borrowed:
                assert borrowed is busy
                await pool.drop_expired()
                now.seconds = 0.0
                await idle.send(get(server.url))
                await busy.send(get(server.url))
            await pool.aclose()

    asyncio.run(main())
    assert server.connections == 3


def test_a_connection_is_closed_once_and_can_be_reopened() -> None:
    server = RawServer(FINE)

    async def use(connection: Connection) -> None:
        await connection.aclose()
        for _ in range(2):
            await connection.send(get(server.url))
            await connection.aclose()
            await connection.aclose()

    exchanges(server, use)
    assert server.connections == 2


def test_a_cancelled_exchange_leaves_no_response_for_the_next_request() -> None:
    server = RawServer(drips, FINE)

    async def use(connection: Connection) -> bytes:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.05):
                await connection.send(get(server.url))
        return (await connection.send(get(server.url))).body

    assert exchanges(server, use) == b"fine"
    assert server.connections == 2


def test_a_response_before_the_end_of_the_request_is_read() -> None:
    async def main() -> RawAnswer:
        async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 413 Too Large\r\ncontent-length: 2\r\n\r\nno")
            await writer.drain()
            writer.close()

        server = await asyncio.start_server(refuse, "127.0.0.1", 0)
        async with server:
            url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            body = bytes(2**16)
            return await to(url).send(Request("PUT", url, [], body))

    assert asyncio.run(main()).status == 413


def test_interim_responses_are_skipped() -> None:
    interim = b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n"
    answer = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nfine"
    server = RawServer(writes(interim + answer))
    assert exchanges(server, times(server, 1)) == [b"fine"]


@pytest.mark.parametrize(
    "behaviour",
    [
        resets,
        writes(b""),
        writes(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n1"),
        writes(b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n12"),
        writes(b"HTTP/1.1 101 Switching Protocols\r\n\r\n"),
        writes(b"x" * 200_000),
    ],
)
def test_a_broken_answer_breaks_the_connection(
    behaviour: Callable[[asyncio.StreamWriter], Awaitable[None]],
) -> None:
    server = RawServer(behaviour, FINE)

    async def use(connection: Connection) -> bytes:
        with pytest.raises(BrokenConnection):
            await connection.send(get(server.url))
        return (await connection.send(get(server.url))).body

    assert exchanges(server, use) == b"fine"


@pytest.mark.parametrize(
    "headers", [[("x", "a\r\nb: canary")], [("a b", "canary")], [("x", "caf\u00e9 canary")]]
)
def test_an_invalid_request_is_not_sent_and_not_repeated_in_the_error(
    headers: list[tuple[str, str]],
) -> None:
    server = RawServer(FINE)

    async def use(connection: Connection) -> UnsendableError:
        with pytest.raises(UnsendableError) as caught:
            await connection.send(Request("GET", server.url, headers))
        return caught.value

    error = exchanges(server, use)
    assert (str(error), error.__suppress_context__, server.requests) == ("", True, [])


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "http://no-such-host.invalid"])
def test_a_server_that_cannot_be_reached_is_a_connect_error(url: str) -> None:
    with pytest.raises(ConnectError) as caught:
        asyncio.run(to(url).send(get(url)))
    assert isinstance(caught.value.__cause__, OSError)


def test_a_handshake_that_never_ends_is_a_timeout() -> None:
    async def main() -> None:
        async with RawServer(FINE).running() as server:
            url = server.url.replace("http:", "https:")
            with pytest.raises(ConnectTimeout):
                await to(url, connect_timeout=0.05).send(get(url))

    asyncio.run(main())


@pytest.mark.parametrize(
    "behaviour",
    [
        says(b"", status="403 Forbidden"),
        says(b"", status="407 Proxy Authentication Required"),
        writes(b"HTTP/1.1 200 OK\r\n\r\nbytes of a stranger", close=False),
    ],
)
def test_a_proxy_that_refuses_a_tunnel_is_an_error(
    behaviour: Callable[[asyncio.StreamWriter], Awaitable[None]],
) -> None:
    async def main() -> list[bytes]:
        async with RawServer(behaviour).running() as proxy:
            connection = to("https://[::1]/v1", f"http://me@127.0.0.1:{proxy.port}")
            with pytest.raises(ProxyError):
                await connection.send(get("https://[::1]/v1"))
            return proxy.requests

    [request] = asyncio.run(main())
    assert request == (
        b"CONNECT [::1]:443 HTTP/1.1\r\nHost: [::1]:443\r\nProxy-Authorization: Basic bWU6\r\n\r\n"
    )


async def stalls(_writer: asyncio.StreamWriter) -> None:
    """Never answer."""


@pytest.mark.parametrize(
    ("behaviour", "code"),
    [
        pytest.param(resets, "unreachable", id="resets"),
        pytest.param(writes(b""), "unreachable", id="closes"),
        pytest.param(writes(b"HTTP/1.1 200"), "unreachable", id="half an answer"),
        pytest.param(writes(b"\0\xff\r\n\r\n"), "unreachable", id="no HTTP"),
        pytest.param(stalls, "unreachable", id="stalls"),
        pytest.param(says(b"", status="502 Bad Gateway"), "proxy-failed", id="refuses"),
    ],
)
def test_a_proxy_that_fails_before_the_tunnel_is_open_proves_that_nothing_was_sent(
    behaviour: Behaviour, code: str
) -> None:
    async def main() -> None:
        async with RawServer(behaviour).running() as proxy:
            via = f"http://127.0.0.1:{proxy.port}"
            limit = 0.1 if behaviour is stalls else 20
            connection = to("https://127.0.0.1:1/v1", via, connect_timeout=limit)
            with pytest.raises(TransportError) as caught:
                await connection.send(get("https://127.0.0.1:1/v1"))
        found = remote_error(caught.value, what="POST /x", base_url="https://127.0.0.1:1/v1")
        assert isinstance(found, NotSent)
        assert (found.code, found.outcome_unknown) == (code, False)

    asyncio.run(main())


def made(**settings: Any) -> Transport:
    given: dict[str, Any] = {
        "base_url": "https://api.example/v1",
        "ca_file": None,
        "proxy": None,
        "monotonic": Now(),
    }
    return connection_maker(**given | settings)()


def test_a_ca_file_that_cannot_be_used_is_named_with_the_reason(tmp_path: Path) -> None:
    missing, text = tmp_path / "missing.pem", tmp_path / "ca.pem"
    text.write_text("not a certificate")
    for path, why in ((missing, "No such file or directory"), (text, "[X509: NO_CERTIFICATE")):
        with pytest.raises(InvalidInput) as caught:
            made(ca_file=path)
        assert caught.value.summary.startswith(f"the CA file {path} cannot be used: {why}")
        assert caught.value.hint == "set RECONCILE_CA_FILE to a file of certificates in PEM format"
        assert caught.value.code == "ca-file"


def test_certificates_are_read_only_for_tls(tmp_path: Path) -> None:
    missing = tmp_path / "missing.pem"
    assert made(base_url="http://api.example/v1", ca_file=missing)
    with pytest.raises(InvalidInput):
        made(base_url="http://api.example/v1", ca_file=missing, proxy="https://proxy.example")


@pytest.mark.parametrize(
    "url", ["http://h:65536", "http://h:x", "ftp://h", "h:80", "", "socks5://h"]
)
def test_an_unsupported_proxy_is_refused_with_the_supported_form(url: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        made(proxy=url)
    assert (caught.value.code, caught.value.summary) == (
        "bad-proxy",
        "the proxy's URL cannot be used",
    )
    assert caught.value.hint == "set RECONCILE_PROXY to a URL of the form http://host:port"
    assert caught.value.__context__ is None


@pytest.mark.parametrize("url", ["http://h", "https://h:65535", "http://u:p@h:1"])
def test_a_proxy_of_each_kind_can_be_used(url: str) -> None:
    assert made(proxy=url)


def test_a_proxy_receives_its_own_credential() -> None:
    async def main() -> bytes:
        async with RawServer(says(b'{"slug": "a"}')).running() as proxy:
            through = f"http://me:pass@127.0.0.1:{proxy.port}"
            settings = {"transport": None, "base_url": "http://api.example/v1", "proxy": through}
            async with client(**settings) as api:  # type: ignore[arg-type]  # None: the network
                await api.call_once(Call(OperationName.GET, "a"))
            return proxy.requests[0].lower()

    assert b"proxy-authorization: basic bwu6cgfzcw==\r\n" in asyncio.run(main())

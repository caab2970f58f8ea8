"""One connection: when it is reused or replaced, and how failures below it are reported."""

import asyncio
import importlib.util
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpcore
import httpx
import pytest

from reconciler.domain.calls import Call, OperationName
from reconciler.errors import InvalidInput
from reconciler.remote.transport import ApiConnection, ConnectionPool, connection_maker
from tests.remote.builders import client
from tests.remote.raw_server import RawServer, says

HERE = "http://here.example/v1"


class Line(httpcore.AsyncConnectionInterface):
    """Scripted connection that records its requests."""

    def __init__(self, origin: httpcore.Origin, failure: Exception | None, late: bool) -> None:
        self.origin, self.failure, self.late = origin, failure, late
        self.idle, self.expired, self.closed = True, False, 0
        self.requests: list[httpcore.Request] = []

    async def handle_async_request(self, request: httpcore.Request) -> httpcore.Response:
        self.requests.append(request)
        if self.failure is not None and not self.late:
            raise self.failure
        return httpcore.Response(201, headers=[(b"x-told", b"yes")], content=self.parts())

    async def parts(self) -> AsyncIterator[bytes]:
        yield b"one "
        if self.failure is not None:
            raise self.failure
        yield b"two"

    async def aclose(self) -> None:
        self.closed += 1

    def can_handle_request(self, origin: httpcore.Origin) -> bool:
        return origin == self.origin

    def is_idle(self) -> bool:
        return self.idle

    def has_expired(self) -> bool:
        return self.expired


class Lines(httpcore.AsyncConnectionPool):
    """Opens such connections."""

    def __init__(self, failure: Exception | None = None, *, late: bool = False) -> None:
        super().__init__()
        self.failure, self.late = failure, late
        self.opened: list[Line] = []

    def create_connection(self, origin: httpcore.Origin) -> httpcore.AsyncConnectionInterface:
        self.opened.append(Line(origin, self.failure, self.late))
        return self.opened[-1]


async def asked(transport: httpx.AsyncBaseTransport, url: str = HERE) -> bytes:
    """Send a request and give the whole answer."""
    response = await transport.handle_async_request(httpx.Request("GET", url))
    stream = response.stream
    assert isinstance(stream, httpx.AsyncByteStream)
    parts = [part async for part in stream]
    await response.aclose()
    return b"".join(parts)


def test_a_request_and_its_answer_pass_through_unchanged() -> None:
    lines = Lines()

    async def main() -> httpx.Response:
        request = httpx.Request(
            "PUT",
            "https://here.example:444/v1/a?b=c%20d",
            headers=[("X-One", "1")],
            content=b"body",
            extensions={"timeout": {"connect": 5.0}},
        )
        return await ApiConnection(lines).handle_async_request(request)

    response = asyncio.run(main())
    [sent] = lines.opened[0].requests
    assert (sent.method, bytes(sent.url)) == (b"PUT", b"https://here.example:444/v1/a?b=c%20d")
    assert (b"X-One", b"1") in sent.headers
    assert sent.extensions == {"timeout": {"connect": 5.0}}
    assert b"".join(sent.stream) == b"body"  # type: ignore[arg-type]  # bytes can be read both ways
    assert (response.status_code, response.headers["x-told"]) == (201, "yes")


def test_a_connection_that_is_free_is_used_again() -> None:
    lines = Lines()

    async def main() -> list[bytes]:
        transport = ApiConnection(lines)
        return [await asked(transport) for _ in range(3)]

    assert asyncio.run(main()) == [b"one two"] * 3
    [line] = lines.opened
    assert (len(line.requests), line.closed) == (3, 0)


def test_connections_that_nobody_needs_any_more_are_given_back() -> None:
    lines = Lines()

    async def main() -> list[int]:
        pool = ConnectionPool(lambda: ApiConnection(lines), 3)
        async with pool.acquire() as busy, pool.acquire() as idle, pool.acquire() as fresh:
            for transport in (busy, idle, fresh):
                await asked(transport)
        async with pool.acquire() as borrowed:
            assert borrowed is busy
            lines.opened[0].expired = lines.opened[1].expired = True
            await pool.drop_expired()
            await pool.drop_expired()
            closed = [line.closed for line in lines.opened]
        assert await asked(idle) == b"one two"
        return closed

    assert asyncio.run(main()) == [0, 1, 0]
    assert len(lines.opened) == 4


@pytest.mark.parametrize(
    ("change", "url"),
    [
        ({"idle": False}, HERE),
        ({"expired": True}, HERE),
        ({}, "http://there.example/v1"),
        ({}, "https://here.example/v1"),
        ({}, "http://here.example:81/v1"),
    ],
)
def test_one_that_cannot_be_used_is_closed_and_another_takes_its_place(
    change: dict[str, bool], url: str
) -> None:
    lines = Lines()

    async def main() -> None:
        transport = ApiConnection(lines)
        await asked(transport)
        for name, value in change.items():
            setattr(lines.opened[0], name, value)
        await asked(transport, url)
        await asked(transport, url)

    asyncio.run(main())
    assert [(len(line.requests), line.closed) for line in lines.opened] == [(1, 1), (2, 0)]


def test_what_is_closed_is_closed_once_and_may_be_opened_again() -> None:
    lines = Lines()

    async def main() -> None:
        transport = ApiConnection(lines)
        await transport.aclose()
        await asked(transport)
        await transport.aclose()
        await transport.aclose()
        await asked(transport)

    asyncio.run(main())
    assert [line.closed for line in lines.opened] == [1, 0]


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize(
    "name",
    [
        "ConnectError",
        "ConnectTimeout",
        "LocalProtocolError",
        "ProxyError",
        "ReadError",
        "ReadTimeout",
        "RemoteProtocolError",
        "UnsupportedProtocol",
        "WriteError",
        "WriteTimeout",
    ],
)
def test_a_failure_below_has_the_same_name_above(name: str, late: bool) -> None:
    below = getattr(httpcore, name)("its words")

    async def main() -> httpx.TransportError:
        with pytest.raises(httpx.TransportError, match=r"^its words$") as caught:
            await asked(ApiConnection(Lines(below, late=late)))
        return caught.value

    above = asyncio.run(main())
    assert type(above) is getattr(httpx, name)
    assert above.__cause__ is below


def test_a_defect_below_stays_what_it_is() -> None:
    with pytest.raises(KeyError):
        asyncio.run(asked(ApiConnection(Lines(KeyError("ours")))))


def made(**settings: Any) -> httpx.AsyncBaseTransport:
    given: dict[str, Any] = {"base_url": "https://api.example/v1", "ca_file": None, "proxy": None}
    return connection_maker(**given | settings)()


def test_a_ca_file_that_cannot_be_used_is_named_with_the_reason(tmp_path: Path) -> None:
    missing, text = tmp_path / "missing.pem", tmp_path / "ca.pem"
    text.write_text("not a certificate")
    for path, why in ((missing, "No such file or directory"), (text, "[X509: NO_CERTIFICATE")):
        with pytest.raises(InvalidInput) as caught:
            made(ca_file=path)
        assert caught.value.summary.startswith(f"the CA file {path} cannot be used: {why}")
        assert (
            caught.value.hint == "RECONCILE_CA_FILE must name a file of certificates in PEM format."
        )
        assert caught.value.code == "ca-file"


def test_certificates_are_read_only_where_something_is_encrypted(tmp_path: Path) -> None:
    missing = tmp_path / "missing.pem"
    assert made(base_url="http://api.example/v1", ca_file=missing)
    with pytest.raises(InvalidInput):
        made(base_url="http://api.example/v1", ca_file=missing, proxy="https://proxy.example")


@pytest.mark.parametrize(
    "url", ["http://h:65536", "http://h:x", "ftp://h", "h:80", "", "socks5://h"]
)
def test_a_proxy_that_cannot_be_used_is_refused_and_its_form_is_said(url: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        made(proxy=url)
    assert (caught.value.code, caught.value.summary) == (
        "bad-proxy",
        "the proxy's URL cannot be used",
    )
    assert caught.value.hint == "RECONCILE_PROXY must have the form http://host:port."
    assert caught.value.__context__ is None


@pytest.mark.parametrize("url", ["http://h", "https://h:65535", "http://u:p@h:1"])
def test_a_proxy_of_either_kind_can_be_used(url: str) -> None:
    assert made(proxy=url)


def test_a_proxy_is_shown_its_own_credential() -> None:
    async def main() -> bytes:
        async with RawServer(says(b'{"slug": "a"}')).running() as proxy:
            through = f"http://me:pass@127.0.0.1:{proxy.port}"
            settings = {"transport": None, "base_url": "http://api.example/v1", "proxy": through}
            async with client(**settings) as api:  # type: ignore[arg-type]  # None: the network
                await api.call_once(Call(OperationName.GET, "a"))
            return proxy.requests[0].lower()

    assert b"proxy-authorization: basic bwu6cgfzcw==\r\n" in asyncio.run(main())


def test_a_library_that_others_may_use_stays_what_it_was() -> None:
    before = importlib.util.find_spec("sniffio")
    made()
    assert importlib.util.find_spec("sniffio") == before

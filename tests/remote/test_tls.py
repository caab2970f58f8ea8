"""Trusted certificate authorities: only those of the system and the configured one."""

import asyncio
import contextlib
import ssl
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from reconciler.domain.calls import Call, OperationName
from reconciler.domain.secrets import Redacted
from reconciler.remote.client import Client, make_client
from reconciler.remote.errors import NotSent
from tests.remote.builders import KEY, real_timing
from tests.remote.raw_server import RawServer, says

FINE = says(b'{"slug": "a"}')
GET = Call(OperationName.GET, "a")


class Authority:
    """Private certificate authority, and a server with its certificate."""

    def __init__(self, folder: Path, *, name: str = "127.0.0.1") -> None:
        authority = trustme.CA()
        self.file = folder / "ca.pem"
        authority.cert_pem.write_to_path(str(self.file))
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(name).configure_cert(self.tls)


def to(url: str, **more: Any) -> Client:
    return make_client(
        base_url=url, api_key=Redacted(KEY), clock=real_timing(time.monotonic), **more
    )


async def refused(server: RawServer, **more: Any) -> NotSent:
    """Call a server that must not be trusted, and return the error message."""
    async with server.running(), to(server.url, **more) as api:
        with pytest.raises(NotSent) as caught:
            await api.call(GET)
    assert server.requests == []
    return caught.value


def test_a_private_authority_is_trusted_when_its_file_is_named(tmp_path: Path) -> None:
    ours = Authority(tmp_path)
    server = RawServer(FINE, tls=ours.tls)

    async def main() -> None:
        async with server.running(), to(server.url, ca_file=ours.file) as api:
            for _ in range(3):
                assert (await api.call(GET)).body == {"slug": "a"}

    asyncio.run(main())
    assert server.connections == 1


def test_an_unknown_authority_is_refused_before_anything_is_sent(tmp_path: Path) -> None:
    error = asyncio.run(refused(RawServer(FINE, tls=Authority(tmp_path).tls)))
    assert error.code == "tls-failed"
    assert "has a certificate that could not be verified: " in error.summary
    assert "certificate" in error.summary


def test_authorities_in_environment_variables_are_not_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = Authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(ours.file))
    assert asyncio.run(refused(RawServer(FINE, tls=ours.tls))).code == "tls-failed"


def test_a_certificate_of_another_host_is_refused(tmp_path: Path) -> None:
    theirs = Authority(tmp_path, name="other.example")
    error = asyncio.run(refused(RawServer(FINE, tls=theirs.tls), ca_file=theirs.file))
    assert error.code == "tls-failed"
    assert "127.0.0.1" in error.summary


@contextlib.asynccontextmanager
async def tunnelling(
    port: int, tls: ssl.SSLContext | None = None
) -> AsyncIterator[tuple[str, list[bytes]]]:
    """Run a proxy that connects every client to one port; yield its URL and its requests."""
    asked: list[bytes] = []
    tunnels: set[asyncio.Task[Any] | None] = set()

    async def carry(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while part := await source.read(65536):
                target.write(part)
                await target.drain()
        target.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tunnels.add(asyncio.current_task())
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        there, back = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await asyncio.gather(carry(reader, back), carry(there, writer))

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    scheme = "http" if tls is None else "https"
    try:
        yield f"{scheme}://user:canary-word@127.0.0.1:{server.sockets[0].getsockname()[1]}", asked
    finally:
        server.close()
        await asyncio.wait({tunnel for tunnel in tunnels if tunnel is not None})


def test_a_proxy_receives_only_a_tunnel_request_and_never_the_key(tmp_path: Path) -> None:
    ours = Authority(tmp_path)
    server = RawServer(FINE, tls=ours.tls)

    async def main() -> list[bytes]:
        async with server.running(), tunnelling(server.port) as (url, asked):
            async with to(server.url, ca_file=ours.file, proxy=url) as api:
                for _ in range(2):
                    assert (await api.call(GET)).status == 200
            return asked

    (asked,) = asyncio.run(main())
    assert asked.startswith(f"CONNECT 127.0.0.1:{server.port} HTTP/1.1\r\n".encode())
    assert b"Proxy-Authorization: Basic " in asked
    assert KEY.encode() not in asked
    assert len(server.requests) == 2
    assert all(b"Proxy-Authorization" not in request for request in server.requests)


def test_a_proxy_that_uses_tls_is_trusted_like_the_api(tmp_path: Path) -> None:
    ours = Authority(tmp_path)
    server = RawServer(FINE, tls=ours.tls)

    async def main() -> list[bytes]:
        async with server.running(), tunnelling(server.port, ours.tls) as (url, asked):
            async with to(server.url, ca_file=ours.file, proxy=url) as api:
                assert (await api.call(GET)).status == 200
            async with to(server.url, proxy=url) as api:
                with pytest.raises(NotSent) as caught:
                    await api.call(GET)
                assert caught.value.code == "tls-failed"
            return asked

    assert len(asyncio.run(main())) == 1
    assert len(server.requests) == 1


def test_requests_without_tls_pass_through_a_proxy_that_uses_it(tmp_path: Path) -> None:
    ours = Authority(tmp_path)
    proxy = RawServer(FINE, tls=ours.tls)

    async def main() -> None:
        async with proxy.running():
            through = f"https://127.0.0.1:{proxy.port}"
            api_url = "http://api.example/v1"
            async with to(api_url, ca_file=ours.file, proxy=through) as api:
                assert (await api.call(GET)).body == {"slug": "a"}

    asyncio.run(main())
    assert proxy.requests[0].startswith(b"GET http://api.example/v1/integrations/a HTTP/1.1\r\n")

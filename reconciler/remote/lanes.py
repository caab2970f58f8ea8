"""The connections to the API: how many, with which trust, and how an answer is read from one.

A lane is one httpx transport with one connection. One transport with many connections scans all
of them for each request and gets slower beyond about twenty (ecosystem.md §4). Transports are
driven without `httpx.AsyncClient`: it follows redirects, keeps cookies and reads the environment,
and none of that may happen here.
"""

import asyncio
import contextlib
import importlib.util
import ssl
import sys
import zlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Final

import httpx

from reconciler.diagnostics import error
from reconciler.domain.rejection import InvalidInput
from reconciler.remote.answers import RawAnswer

BODY_LIMIT: Final = 10 * 1024 * 1024
"""Bytes of an answer after decompression."""


class TooLargeError(Exception):
    """The body passed the limit; the rest was not read."""


class UndecodableError(Exception):
    """The body is compressed in a way that was not asked for, or damaged."""


class Lanes:
    """Lend out transports, the most recently used one first, so that few connections stay warm."""

    def __init__(self, make: Callable[[], httpx.AsyncBaseTransport], count: int) -> None:
        self._make = make
        self._free: list[httpx.AsyncBaseTransport] = []
        self._all: list[httpx.AsyncBaseTransport] = []
        self._places = asyncio.Semaphore(count)

    @contextlib.asynccontextmanager
    async def lane(self) -> AsyncIterator[httpx.AsyncBaseTransport]:
        """Borrow a transport, waiting until one is free."""
        async with self._places:
            transport = self._free.pop() if self._free else self._new()
            try:
                yield transport
            finally:
                self._free.append(transport)

    async def aclose(self) -> None:
        """Close every connection."""
        for transport in self._all:
            await transport.aclose()
        self._all.clear()
        self._free.clear()

    def _new(self) -> httpx.AsyncBaseTransport:
        transport = self._make()
        self._all.append(transport)
        return transport


def transport_maker(
    *, base_url: str, ca_file: Path | None, proxy: str | None
) -> Callable[[], httpx.AsyncBaseTransport]:
    """Prepare TLS and proxy once, and give what makes a lane's transport."""
    via = _proxy(proxy)
    trust = _trust(secure=base_url.startswith("https:") or via is not None, ca_file=ca_file)
    limits = httpx.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=30)

    if importlib.util.find_spec("sniffio") is None:
        # httpcore tries to import it several times a request, and a failed import searches the
        # whole path each time: a fifth of a call's CPU time. None makes it fail at once.
        sys.modules["sniffio"] = None  # type: ignore[assignment]  # the documented way to say so

    def make() -> httpx.AsyncBaseTransport:
        return httpx.AsyncHTTPTransport(verify=trust, limits=limits, proxy=via, trust_env=False)

    return make


def _trust(*, secure: bool, ca_file: Path | None) -> ssl.SSLContext:
    if not secure:
        # Loading certificates takes 20 ms, and nothing leads from http to https: redirects are
        # not followed. A context without any trusts nobody.
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context = httpx.create_ssl_context(trust_env=False)
    if ca_file is not None:
        try:
            context.load_verify_locations(cafile=ca_file)
        except (OSError, ssl.SSLError) as problem:
            raise InvalidInput(
                [
                    error(
                        "ca-file",
                        f"the CA file {ca_file} cannot be used: {problem.strerror or problem}",
                        hint="RECONCILE_CA_FILE names a file of certificates in PEM form.",
                    )
                ]
            ) from None
    return context


def _proxy(url: str | None) -> httpx.Proxy | None:
    if url is None:
        return None
    try:
        return httpx.Proxy(url)
    except (ValueError, httpx.InvalidURL):
        # The URL may hold a password, so it is not repeated.
        pass
    raise InvalidInput(
        [
            error(
                "bad-proxy",
                "the proxy's URL cannot be used",
                hint="RECONCILE_PROXY has the form http://host:port.",
            )
        ]
    )


async def read_body(response: httpx.Response) -> RawAnswer:
    """Read an answer as it streams in, within `BODY_LIMIT` before and after decompression."""
    encoding = response.headers.get("content-encoding", "").strip().lower()
    unpack = _unpacker(encoding)
    stream = response.stream
    if not isinstance(stream, httpx.AsyncByteStream):
        raise UndecodableError
    parts: list[bytes] = []
    size = 0
    async for chunk in stream:
        part = unpack(chunk, BODY_LIMIT + 1 - size)
        size += len(part)
        if size > BODY_LIMIT:
            raise TooLargeError
        parts.append(part)
    headers = {name.lower(): value for name, value in response.headers.items()}
    return RawAnswer(response.status_code, headers, b"".join(parts))


def _unpacker(encoding: str) -> Callable[[bytes, int], bytes]:
    if encoding in {"", "identity"}:
        return lambda chunk, _limit: chunk
    if encoding not in {"gzip", "x-gzip"}:
        raise UndecodableError
    inflater = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)

    def unpack(chunk: bytes, limit: int) -> bytes:
        try:
            # Output stops at the limit whatever the input would grow to.
            return inflater.decompress(chunk, max(1, limit))
        except zlib.error:
            raise UndecodableError from None

    return unpack

"""The lanes to the API: how many there are, and how an answer is read from one.

A lane is one httpx transport with one connection (`connection`). One transport with many
connections scans all of them for each request and gets slower beyond about twenty: about
170 requests a second at 20, 57 at 100. Transports are driven without `httpx.AsyncClient`: it
follows redirects, keeps cookies and reads the environment, and none of that may happen here.
"""

import asyncio
import contextlib
import zlib
from collections.abc import AsyncIterator, Callable
from typing import Final

import httpcore
import httpx

from reconciler.remote.responses import RawAnswer
from reconciler.remote.transport import ApiConnection

BODY_LIMIT: Final = 10 * 1024 * 1024
"""Bytes of an answer after decompression."""


class TooLargeError(Exception):
    """The body passed the limit; the rest was not read."""


class UndecodableError(Exception):
    """The body is compressed in a way that was not asked for, or damaged."""


class ConnectionPool:
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

    async def drop_expired(self) -> None:
        """Close the connections that a crowd has left behind and that would not be used again."""
        for transport in [*self._free]:
            if isinstance(transport, ApiConnection):
                with contextlib.suppress(httpcore.NetworkError, OSError):
                    await transport.drop_expired()

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

"""Loopback server that sends the bytes of a test, and counts its requests."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeAlias

Behaviour: TypeAlias = Callable[[asyncio.StreamWriter], Awaitable[None]]


class RawServer:
    """Runs one behaviour for each request in turn, and repeats the last one."""

    def __init__(
        self, *behaviours: Behaviour, greeting: bytes = b"", tls: ssl.SSLContext | None = None
    ) -> None:
        self.requests: list[bytes] = []
        self.connections = 0
        self.port = 0
        self._behaviours = behaviours
        self._greeting = greeting
        self._tls = tls
        self._open: set[asyncio.StreamWriter] = set()

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}/v1"

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["RawServer"]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for writer in self._open:
                writer.transport.abort()
            await server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._open.add(writer)
        writer.write(self._greeting)
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while not writer.is_closing():
                head = await reader.readuntil(b"\r\n\r\n")
                length = 0
                for line in head.lower().split(b"\r\n"):
                    if line.startswith(b"content-length:"):
                        length = int(line.partition(b":")[2])
                self.requests.append(head + await reader.readexactly(length))
                number = min(len(self.requests), len(self._behaviours)) - 1
                await self._behaviours[number](writer)
                await writer.drain()
        self._open.discard(writer)
        writer.close()


def says(
    body: bytes, *, status: str = "200 OK", length: int | None = None, **headers: str
) -> Behaviour:
    """Answer with a body; `length` can be wrong."""

    async def behave(writer: asyncio.StreamWriter) -> None:
        named = {"content-type": "application/json"}
        named |= {name.replace("_", "-"): value for name, value in headers.items()}
        named["content-length"] = str(len(body) if length is None else length)
        head = "".join(f"{name}: {value}\r\n" for name, value in named.items())
        writer.write(f"HTTP/1.1 {status}\r\n{head}\r\n".encode() + body)

    return behave


def then(behaviour: Behaviour, after: Callable[[asyncio.StreamWriter], None]) -> Behaviour:
    """Send a response, and then run an action on the connection."""

    async def behave(writer: asyncio.StreamWriter) -> None:
        await behaviour(writer)
        await writer.drain()
        after(writer)

    return behave


def writes(data: bytes, *, close: bool = True) -> Behaviour:
    """Write bytes that need not be HTTP."""

    async def behave(writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        if close:
            await writer.drain()
            writer.close()

    return behave


async def resets(writer: asyncio.StreamWriter) -> None:
    """Reset the connection without a response."""
    writer.transport.abort()


async def drips(writer: asyncio.StreamWriter) -> None:
    """Send single bytes with pauses forever."""
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n{")
    while not writer.is_closing():
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.01)

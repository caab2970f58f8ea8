"""Proxy that adds a token to requests, for test suites that cannot send one.

`python -m tests.adapter.token_relay LISTEN_PORT ADAPTER_PORT TOKEN`. Everything else is forwarded
unchanged, including `Host` and `Origin`, which the adapter checks.
"""

import asyncio
import contextlib
import sys


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()


def _with_token(head: bytes, token: str) -> bytes:
    first, *lines = head.removesuffix(b"\r\n\r\n").split(b"\r\n")
    kept = [line for line in lines if not line.lower().startswith(b"connection:")]
    added = [b"Authorization: Bearer " + token.encode(), b"Connection: close"]
    return b"\r\n".join([first, *kept, *added, b"", b""])


async def relay(listen_port: int, adapter_port: int, token: str) -> None:
    """Serve forever, with one request for each connection."""

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            head = await reader.readuntil(b"\r\n\r\n")
            upstream_reader, upstream = await asyncio.open_connection("127.0.0.1", adapter_port)
            upstream.write(_with_token(head, token))
            sending = asyncio.create_task(_pump(reader, upstream))
            await _pump(upstream_reader, writer)
            sending.cancel()
            upstream.close()
        writer.close()

    server = await asyncio.start_server(accept, "127.0.0.1", listen_port)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(relay(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]))

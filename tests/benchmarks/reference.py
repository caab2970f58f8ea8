"""Reference clients, each run as a process: `python -m tests.benchmarks.reference NAME …`.

Each prints its number of calls and their duration in seconds.

minimum    the list, then one GET of each integration; raw sockets, no checks, no retries
provider   the pattern of the vendor's Terraform provider: two GETs of each, ten at a time
"""

import asyncio
import json
import sys
import time
from collections.abc import Iterable, Iterator
from urllib.parse import urlsplit

from tests.benchmarks.bounds import PAGE_SIZE
from tests.benchmarks.world import KEY


class Connection:
    """Keep-alive connection with the minimum of HTTP that the simulator needs."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._host, self._port, self._base = parts.hostname, parts.port, parts.path

    async def open(self) -> None:
        self._reader, self._writer = await asyncio.open_connection(self._host, self._port)

    async def get(self, path: str) -> bytes:
        head = f"GET {self._base}{path} HTTP/1.1\r\nhost: {self._host}\r\n"
        self._writer.write(f"{head}x-portkey-api-key: {KEY}\r\n\r\n".encode())
        answer = await self._reader.readuntil(b"\r\n\r\n")
        length = next(
            int(line.partition(b":")[2])
            for line in answer.lower().split(b"\r\n")
            if line.startswith(b"content-length:")
        )
        return await self._reader.readexactly(length)

    def close(self) -> None:
        self._writer.close()


async def get_all(url: str, paths: Iterable[str], lanes: int) -> list[bytes]:
    """GET every path over a number of connections."""
    waiting: Iterator[str] = iter(paths)
    bodies: list[bytes] = []

    async def work() -> None:
        connection = Connection(url)
        await connection.open()
        bodies.extend([await connection.get(path) for path in waiting])
        connection.close()

    await asyncio.gather(*(work() for _ in range(lanes)))
    return bodies


async def minimum(url: str, lanes: int) -> int:
    """Read the list and each detail once; return the number of calls."""
    (body,) = await get_all(url, [_page(0)], 1)
    first = json.loads(body)
    pages = -(-first["total"] // PAGE_SIZE)
    rows = first["data"]
    for body in await get_all(url, map(_page, range(1, pages)), lanes):
        rows += json.loads(body)["data"]
    details = [f"/integrations/{row['slug']}" for row in rows]
    for body in await get_all(url, details, lanes):
        json.loads(body)
    return int(pages) + len(details)


async def provider(url: str, count: int) -> int:
    """Refresh the integrations of a state file: two reads of each, and no list."""
    slugs = [f"/integrations/seed-{number:05d}" for number in range(count) for _ in range(2)]
    for body in await get_all(url, slugs, 10):
        json.loads(body)
    return len(slugs)


def _page(number: int) -> str:
    return f"/integrations?current_page={number}&page_size={PAGE_SIZE}"


if __name__ == "__main__":
    name, address, number = sys.argv[1:]
    client = {"minimum": minimum, "provider": provider}[name]
    began = time.perf_counter()
    calls = asyncio.run(client(address, int(number)))
    sys.stdout.write(f"{calls} {time.perf_counter() - began}\n")

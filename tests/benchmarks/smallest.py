"""Minimal program that reads the files and the API like a plan, without checks.

Run by its path, so that it imports nothing else: `python tests/benchmarks/smallest.py URL FOLDER`.
"""

import asyncio
import gc
import json
import ssl
import sys
from pathlib import Path
from urllib.parse import urlsplit

import click
import h11
import yaml


async def get(url: str, path: str) -> bytes:
    """GET one path over a separate connection."""
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    http = h11.Connection(h11.CLIENT)
    headers = [("host", parts.netloc), ("x-portkey-api-key", "pk-benchmark")]
    request = h11.Request(method="GET", target=f"{parts.path}{path}", headers=headers)
    writer.write((http.send(request) or b"") + (http.send(h11.EndOfMessage()) or b""))
    body = b""
    while not isinstance(event := http.next_event(), h11.EndOfMessage):
        if event is h11.NEED_DATA:
            http.receive_data(await reader.read(65536))
        elif isinstance(event, h11.Data):
            body += event.data
    writer.close()
    return body


def read_files(folder: Path) -> None:
    """Parse the files."""
    for file in folder.rglob("*.yaml"):
        yaml.load(file.read_bytes(), yaml.CSafeLoader)


async def read_api(url: str) -> None:
    """Read the list and each integration."""
    ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    rows = json.loads(await get(url, "/integrations?current_page=0&page_size=100"))["data"]
    details = [get(url, f"/integrations/{row['slug']}") for row in rows]
    for body in await asyncio.gather(*details):
        json.loads(body)
    click.echo(f"{len(rows)} integrations")


if __name__ == "__main__":
    gc.disable()
    read_files(Path(sys.argv[2]))
    asyncio.run(read_api(sys.argv[1]))
    gc.freeze()

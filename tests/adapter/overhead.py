"""Measure what the adapter adds to a call: `python -m tests.adapter.overhead`.

Ten clients send requests to an upstream directly and through the adapter, over REST. Then many
clients send requests for a while, after which memory and open files must return to their earlier
values. The upstream and the adapter run as separate processes; this one generates the load.
`--help` lists the options.
"""

import argparse
import asyncio
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.adapter.adapter_process import Adapter, running
from tests.adapter.ports import WRITER
from tests.end_to_end.harness import Project

ANSWER = b'{"object":"list","total":1,"data":[{"slug":"a","name":"A","status":"active"}]}'
P50_LIMIT_MS = 5.0
P99_LIMIT_MS = 20.0


@dataclass(frozen=True)
class Target:
    """Address and credential for requests."""

    port: int
    headers: str

    @property
    def request(self) -> bytes:
        return (
            f"GET /v1/integrations?page_size=10 HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\n"
            f"{self.headers}\r\n\r\n"
        ).encode()


async def upstream(delay: float, spread: float) -> None:
    """Answer every request with one document after about `delay` seconds; print the port first.

    The delay varies by `spread`, a fraction of it. With 0, clients that are answered at the same
    time also send the next request at the same time, which is harder for the adapter.
    """
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
    answer = head % len(ANSWER) + ANSWER

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                if delay:
                    await asyncio.sleep(delay * random.uniform(1 - spread, 1 + spread))
                writer.write(answer)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(accept, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)  # noqa: T201  a port for the parent
    await server.serve_forever()


async def _ask(target: Target, *, until: float, times: list[float]) -> int:
    """Send requests over one connection; return the number of failures."""
    reader, writer = await asyncio.open_connection("127.0.0.1", target.port)
    failures = 0
    while time.perf_counter() < until:
        began = time.perf_counter()
        writer.write(target.request)
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        body = await reader.readexactly(length)
        times.append(time.perf_counter() - began)
        failures += not head.startswith(b"HTTP/1.1 200") or body != ANSWER
    writer.close()
    return failures


async def load(target: Target, *, clients: int, seconds: float) -> tuple[list[float], int]:
    """Send requests from concurrent clients; return the times of all requests and the failures."""
    times: list[float] = []
    until = time.perf_counter() + seconds
    failures = await asyncio.gather(
        *(_ask(target, until=until, times=times) for _ in range(clients))
    )
    return times, sum(failures)


def percentiles(times: Sequence[float]) -> tuple[float, float]:
    """Return the median and the 99th percentile in milliseconds."""
    cuts = statistics.quantiles(times, n=100)
    return cuts[49] * 1000, cuts[98] * 1000


def resources(pid: int) -> tuple[float, int]:
    """Return a process's resident memory in MiB and its open files."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    files = len(list(Path(f"/proc/{pid}/fd").iterdir()))
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20, files


def cpu_seconds(pid: int) -> float:
    """Return the CPU seconds that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(adapter: Adapter, direct: Target, options: argparse.Namespace) -> bool:
    """Print the figures, and return whether they are within the limits."""
    through = Target(adapter.announced["rest_port"], f"Authorization: Bearer {WRITER}")
    pid = adapter.process.pid
    asyncio.run(load(through, clients=10, seconds=1))
    alone, _ = asyncio.run(load(direct, clients=10, seconds=options.seconds))
    before = cpu_seconds(pid)
    both, failures = asyncio.run(load(through, clients=10, seconds=options.seconds))
    cost = (cpu_seconds(pid) - before) / len(both) * 1000
    (d50, d99), (t50, t99) = percentiles(alone), percentiles(both)
    say(f"10 clients, upstream answers after {options.delay * 1000:g} ms ± {options.spread:.0%}")
    say(f"  direct    p50 {d50:7.2f} ms  p99 {d99:7.2f} ms  {len(alone) / options.seconds:6.0f}/s")
    say(f"  adapter   p50 {t50:7.2f} ms  p99 {t99:7.2f} ms  {len(both) / options.seconds:6.0f}/s")
    say(
        f"  overhead  p50 {t50 - d50:7.2f} ms  p99 {t99 - d99:7.2f} ms  {cost:.2f} ms CPU a request"
    )
    return failures == 0 and t50 - d50 <= P50_LIMIT_MS and t99 - d99 <= P99_LIMIT_MS


def crowd(adapter: Adapter, options: argparse.Namespace) -> bool:
    """Print memory and open files under many connections, and return whether both recover."""
    through = Target(adapter.announced["rest_port"], f"Authorization: Bearer {WRITER}")
    pid = adapter.process.pid
    asyncio.run(load(through, clients=200, seconds=2))  # the first round fills the pools
    _wait_for_idle(pid)
    memory, files = resources(pid)
    times, failures = asyncio.run(load(through, clients=200, seconds=options.crowd_seconds))
    _wait_for_idle(pid)
    memory_after, files_after = resources(pid)
    p50, p99 = percentiles(times)
    say(f"200 clients for {options.crowd_seconds:g} s: {len(times)} requests, {failures} failures")
    say(f"  p50 {p50:.1f} ms  p99 {p99:.1f} ms")
    say(f"  memory {memory:.1f} -> {memory_after:.1f} MiB, open files {files} -> {files_after}")
    return failures == 0 and files_after <= files and memory_after <= memory * 1.1


def _wait_for_idle(pid: int) -> None:
    """Wait until the number of open files is stable, at most 30 s.

    The other process does not report when it closes a file, so this polls.
    """
    known = -1
    for _ in range(60):
        now = resources(pid)[1]
        if now == known:
            return
        known = now
        time.sleep(0.5)


def say(line: str) -> None:
    """Print a line."""
    print(line, flush=True)  # noqa: T201  a command's output


def main() -> int:
    """Run all measurements; exit 1 if a limit is exceeded."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--delay", type=float, default=0.02, help="seconds an answer takes [0.02]")
    parser.add_argument(
        "--spread", type=float, default=0.25, help="share by which that varies; 0: lock-step [0.25]"
    )
    parser.add_argument("--seconds", type=float, default=8, help="length of a measurement [8]")
    parser.add_argument(
        "--crowd-seconds", type=float, default=30, help="of the crowd; 0: none [30]"
    )
    parser.add_argument("--upstream", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.upstream:
        asyncio.run(upstream(options.delay, options.spread))
    command = [sys.executable, "-m", "tests.adapter.overhead", "--upstream"]
    with (
        tempfile.TemporaryDirectory() as folder,
        subprocess.Popen(
            [*command, "--delay", str(options.delay), "--spread", str(options.spread)],
            stdout=subprocess.PIPE,
            text=True,
        ) as behind,
    ):
        try:
            assert behind.stdout is not None
            port = int(behind.stdout.readline())
            project = Project(Path(folder))
            project.config(f"http://127.0.0.1:{port}/v1", api_key="${env:PORTKEY_API_KEY}")
            with running(project, "--rate-limit", 1_000_000, PORTKEY_API_KEY="k") as adapter:
                good = measure(adapter, Target(port, "Accept: */*"), options)
                good = (not options.crowd_seconds or crowd(adapter, options)) and good
        finally:
            behind.kill()
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())

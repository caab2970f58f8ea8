"""Temporal dev server and workers, as separate processes that end with the test."""

import asyncio
import contextlib
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from temporalio.client import Client

from tests.end_to_end.harness import COMMAND
from tests.fleet.project import FleetProject

BINARY = Path(sys.executable).with_name("temporal")


@contextmanager
def dev_server(folder: Path) -> Iterator[str]:
    """Run an in-memory server on free ports, and yield its address."""
    address = f"127.0.0.1:{_free_port()}"
    port, http = address.rpartition(":")[2], str(_free_port())
    ports = ("--ip", "127.0.0.1", "--port", port, "--http-port", http)
    command = [str(BINARY), "server", "start-dev", "--headless", "--log-level", "error", *ports]
    environment = {"HOME": str(folder), "PATH": "/usr/bin:/bin"}
    with process(command, cwd=folder, env=environment):
        asyncio.run(_wait_for(address))
        yield address


@contextmanager
def worker(project: FleetProject, address: str, *options: str) -> Iterator["subprocess.Popen[str]"]:
    """Run a worker in the folder of the project's fleet.yaml; it is ready when the block starts."""
    command = [*COMMAND, "worker", "--address", address, *options]
    with process(command, cwd=project.folder, env=project.environment) as running:
        assert running.stderr is not None
        assert "worker ready" in running.stderr.readline()
        yield running


def started(
    project: FleetProject, address: str, *words: str
) -> "contextlib.AbstractContextManager[subprocess.Popen[str]]":
    """Start a fleet command on Temporal with JSON output."""
    where = ("--engine", "temporal", "--address", address, "--format", "json")
    command = [*COMMAND, "fleet", *words, *where]
    return process(command, cwd=project.folder, env=project.environment)


@contextmanager
def process(
    command: list[str], *, cwd: Path, env: dict[str, str]
) -> Iterator["subprocess.Popen[str]"]:
    running = subprocess.Popen(
        command,
        cwd=cwd,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield running
    finally:
        if running.poll() is None:
            running.send_signal(signal.SIGTERM)
        try:
            running.communicate(timeout=20)
        except (subprocess.TimeoutExpired, ValueError):
            running.kill()
            running.wait()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


async def _wait_for(address: str) -> None:
    """Connect until the server answers; the client waits between its attempts."""
    async with asyncio.timeout(30):
        while True:
            with contextlib.suppress(RuntimeError):
                await Client.connect(address)
                return

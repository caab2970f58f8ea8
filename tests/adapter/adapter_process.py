"""`reconcile serve` as a process, with the desired state of the repository and a simulator."""

import json
import resource
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.adapter.ports import WRITER
from tests.end_to_end.harness import COMMAND, Project


@dataclass
class Adapter:
    """Running adapter: its addresses, and its output so far."""

    process: subprocess.Popen[str]
    announced: dict[str, Any]
    lines: list[str] = field(default_factory=list)

    @property
    def root(self) -> str:
        return f"http://127.0.0.1:{self.announced['rest_port']}"

    @property
    def mcp(self) -> str:
        return str(self.announced["mcp_url"])

    def client(self, token: str = WRITER) -> httpx.Client:
        return httpx.Client(base_url=self.root, headers={"authorization": f"Bearer {token}"})

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(timeout=20)


@contextmanager
def running(
    project: Project,
    *arguments: object,
    open_files: tuple[int, int] | None = None,
    **variables: str,
) -> Iterator[Adapter]:
    """Run `reconcile serve` on free ports until the block ends.

    `open_files` is the soft and the hard limit of files with which the process starts.
    """

    def prepare() -> None:
        if open_files is not None:
            resource.setrlimit(resource.RLIMIT_NOFILE, open_files)

    process = subprocess.Popen(
        [*COMMAND, "serve", "--rest-port", "0", "--mcp-port", "0", "--format", "json"]
        + [str(argument) for argument in arguments],
        cwd=project.folder,
        env={**project.environment, "RECONCILE_SERVE_TOKEN": WRITER, **variables},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=prepare,  # noqa: PLW1509  the tests start no thread that holds a lock here
    )
    assert process.stdout is not None
    assert process.stderr is not None
    first = process.stdout.readline()
    if not first:
        raise AssertionError(process.stderr.read())
    adapter = Adapter(process, json.loads(first))
    reading = threading.Thread(target=_read, args=(process.stderr, adapter.lines), daemon=True)
    reading.start()
    try:
        yield adapter
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(timeout=20)
        reading.join(20)
        process.stdout.close()
        process.stderr.close()


def _read(stream: Any, lines: list[str]) -> None:
    lines.extend(line.rstrip("\n") for line in stream)

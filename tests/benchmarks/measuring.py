"""Run one command to completion and measure it; every figure is of that process alone."""

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

_CHILD = Path(__file__).with_name("child.py")


@dataclass(frozen=True)
class Measured:
    """Resource usage of a process; `network` is the time from first request to last response."""

    code: int
    wall: float
    cpu: float
    rss_mb: float
    calls: Counter[tuple[str, str]] = field(default_factory=Counter)
    network: float | None = None
    out: str = ""

    def by_method(self) -> dict[str, int]:
        """Return the number of calls by method, including those answered with 429."""
        counts: Counter[str] = Counter()
        for (method, _), number in self.calls.items():
            counts[method] += number
        return dict(sorted(counts.items()))

    def counting(self, gets: int, *, network: float) -> "Measured":
        """Return a copy with calls that another process counted, none of them throttled."""
        return replace(self, calls=Counter({("GET", "200"): gets}), network=network)

    @property
    def throttled(self) -> float:
        """Return the fraction of calls that were answered with 429."""
        refused = sum(n for (_, status), n in self.calls.items() if status == "429")
        return refused / max(1, self.calls.total())


def measure(command: Iterable[str], *, folder: Path, environment: Mapping[str, str]) -> Measured:
    """Run a command with its output in files, so that reading it takes no CPU time."""
    out, err = folder / "out.txt", folder / "err.txt"
    figures, report = os.pipe()
    with out.open("w") as stdout, err.open("w") as stderr, os.fdopen(figures) as stream:
        process = subprocess.Popen(
            [sys.executable, "-S", str(_CHILD), str(report), *command],
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            pass_fds=(report,),
        )
        os.close(report)
        found = json.loads(stream.read())
        process.wait()
    return Measured(**found, network=_network(err), out=out.read_text())


def calls_in(metrics: Path) -> Counter[tuple[str, str]]:
    """Return the calls by method and status from a file of `--metrics-file`."""
    calls: Counter[tuple[str, str]] = Counter()
    for family in text_string_to_metric_families(metrics.read_text()):
        if family.name == "reconcile_requests":
            for sample in family.samples:
                calls[sample.labels["method"], sample.labels["status"]] += int(sample.value)
    return calls


def _network(journal: Path) -> float | None:
    """Return the network time according to `--log-format json`; None without a log."""
    first, last = float("inf"), 0.0
    with journal.open() as lines:
        for line in lines:
            if not line.startswith("{"):
                continue
            try:
                event = json.loads(line)
            except ValueError:
                continue  # a line of another program that begins like JSON
            if event["event"] == "request":
                ended = datetime.fromisoformat(event["time"]).timestamp()
                first = min(first, ended - event["duration_ms"] / 1000)
                last = max(last, ended)
    return last - first if last else None

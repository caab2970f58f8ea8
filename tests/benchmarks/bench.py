"""Settings shared by all cases (folder, sizes, repetitions), and the row that a case returns."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from tests.benchmarks.measuring import Measured, calls_in, measure
from tests.benchmarks.world import RECONCILE, World, declare

SECRETS = {"SECRET_BENCHMARK": "sk-benchmark-no-real-value"}


@dataclass(frozen=True)
class Row:
    """Row of the table; `bound` is the minimum time for any client."""

    case: str
    count: int
    measured: Measured
    bound: float | None = None

    @property
    def ratio(self) -> float | None:
        """Return the time from the first request to the last answer, as a multiple of the bound."""
        if not self.bound or self.measured.network is None:
            return None
        return self.measured.network / self.bound


@dataclass
class Bench:
    """Settings of a benchmark; `quick` only checks that every case works."""

    folder: Path
    quick: bool = False
    repeat: int = 3
    parallelism: int = 16
    latency_ms: float = 50

    def __post_init__(self) -> None:
        if self.quick:
            self.repeat, self.latency_ms = 1, 1

    @property
    def latency(self) -> float:
        """Return the seconds that the simulator waits before each answer."""
        return self.latency_ms / 1000

    def size(self, count: int) -> int:
        """Return the number of integrations in place of `count` in the full benchmark."""
        return min(count, 12) if self.quick else count

    def world(self, count: int) -> World:
        """Declare integrations in a new folder."""
        return declare(self.folder / f"world-{count}", count)

    def say(self, text: str) -> None:
        """Print progress on stderr."""
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()

    def reconcile(
        self,
        world: World,
        *arguments: str,
        times: int | None = None,
        secrets: Mapping[str, str] = SECRETS,
        network: bool = True,
    ) -> Measured:
        """Run the installed command a few times and return the minimum of each figure.

        The network time is read from the log of separate runs, because writing the log costs time.
        A quick benchmark uses one run for everything.
        """
        runs = range(times or self.repeat)
        journals = [True] if self.quick and network else [False, True] if network else [False]
        found = {
            journal: [self._once(world, arguments, secrets=secrets, journal=journal) for _ in runs]
            for journal in journals
        }
        timed = found[journals[0]]
        best = min(timed, key=lambda one: one.wall)
        spans = [one.network for one in found[journals[-1]] if one.network is not None]
        return replace(
            best,
            network=min(spans, default=None),
            cpu=min(one.cpu for one in timed),
            rss_mb=max(one.rss_mb for one in timed),
        )

    def once(self, world: World, *arguments: str, secrets: Mapping[str, str] = SECRETS) -> Measured:
        """Run a command that cannot be repeated, with the log."""
        return self._once(world, arguments, secrets=secrets, journal=True)

    def _once(
        self,
        world: World,
        arguments: tuple[str, ...],
        *,
        secrets: Mapping[str, str],
        journal: bool,
    ) -> Measured:
        metrics = self.folder / "metrics.prom"
        metrics.unlink(missing_ok=True)
        reads = arguments[0] in {"plan", "apply", "drift"}
        options = ["--parallelism", str(self.parallelism), "--metrics-file", str(metrics)]
        options += ["--deadline", "3600"]
        log = ["--log-format", "json"] if journal else []
        done = measure(
            [RECONCILE, *log, *arguments, *(options if reads else [])],
            folder=world.folder,
            environment={**world.environment, **secrets},
        )
        if done.code != 0:
            complaint = (world.folder / "err.txt").read_text()[-2000:]
            raise RuntimeError(f"{' '.join(arguments)} ended with {done.code}:\n{complaint}")
        return replace(done, calls=calls_in(metrics)) if metrics.exists() else done

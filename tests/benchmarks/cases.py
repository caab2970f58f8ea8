"""Benchmark cases: the command, the API that it runs against, and the bound."""

import sys
from collections.abc import Callable, Iterator, Mapping

from tests.benchmarks import bounds, octodns
from tests.benchmarks.bench import Bench, Row
from tests.benchmarks.measuring import Measured, measure
from tests.benchmarks.small import VALIDATE_MODELS, click, small
from tests.benchmarks.terraform import terraform
from tests.benchmarks.world import World, declare_wide, declare_with_models, simulator

SIZES = (100, 1_000, 10_000, 100_000)
UNKNOWN: Mapping[str, str] = {}
"""No secret values, so that stored secrets cannot be distinguished from declared ones."""


def converged(bench: Bench) -> Iterator[Row]:
    """Plan integrations that are in sync, for every size."""
    for count in sorted({bench.size(size) for size in SIZES}):
        world = bench.world(count)
        with simulator(world.folder, seed=count, latency_ms=bench.latency_ms) as url:
            world.aim(url)
            if count < SIZES[-1]:
                times = bench.repeat if count <= 1_000 else 1
                found = bench.reconcile(world, *PLAN, times=times, secrets=UNKNOWN)
            else:
                found = bench.once(world, *PLAN, secrets=UNKNOWN)
        yield Row("converged plan", count, found, _reading(bench, count))


def incremental(bench: Bench) -> Iterator[Row]:
    """Check for drift with the records of an earlier apply in the ledger.

    AWS ids are masked here, because integrations whose secrets the API shows in clear text are read
    in every run.
    """
    for count in sorted({bench.size(1_000), bench.size(10_000)}):
        world = bench.world(count)
        db, script = world.folder / "simulator.db", world.folder / "masked.yaml"
        script.write_text("switches: {mask_aws_ids: true}\n")
        with simulator(world.folder, seed=count, db=db, script=script) as url:
            world.aim(url)
            bench.reconcile(world, "apply", "--yes", times=1, secrets=UNKNOWN, network=False)
        port = url.rpartition(":")[2].partition("/")[0]
        with simulator(world.folder, port=port, latency_ms=bench.latency_ms, db=db, script=script):
            drift = ("drift", "--format", "json")
            found = bench.reconcile(world, *drift, "--incremental", secrets=UNKNOWN)
        details = -(-count // 168)
        bound = bounds.reading(
            pages=bounds.pages(count),
            details=details,
            latency=bench.latency,
            parallelism=bench.parallelism,
        )
        yield Row("incremental drift", count, found, bound)


def creates(bench: Bench) -> Iterator[Row]:
    """Create everything in an empty organisation, a new one for each run."""
    runs = []
    for _ in range(bench.repeat):
        world = bench.world(bench.size(1_000))
        with simulator(world.folder, latency_ms=bench.latency_ms) as url:
            world.aim(url)
            runs.append(bench.once(world, "apply", "--yes", "--format", "json"))
    bound = bounds.creating(
        creates=world.count, latency=bench.latency, parallelism=bench.parallelism
    )
    yield Row("create all", world.count, min(runs, key=lambda one: one.wall), bound)


def changed(bench: Bench) -> Iterator[Row]:
    """Apply an edit of 1 % of the files."""
    world = bench.world(bench.size(1_000))
    with simulator(world.folder, seed=world.count, latency_ms=bench.latency_ms) as url:
        world.aim(url)
        edited = world.edit(0.01)
        options = ("--yes", "--max-credential-changes", str(world.count), "--format", "json")
        found = bench.once(world, "apply", *options, secrets=UNKNOWN)
    writing = bounds.creating(creates=edited, latency=bench.latency, parallelism=bench.parallelism)
    bound = _reading(bench, world.count) + writing - bench.latency
    yield Row("apply, 1 % changed", world.count, found, bound)


def wide(bench: Bench) -> Iterator[Row]:
    """Plan changes of every model and workspace of one integration, with a ledger of earlier runs.

    Half as many are measured first, to show whether the time grows linearly.
    """
    for models, workspaces in ((2_500, 1_000), (5_000, 2_000)):
        size = {"models": bench.size(models), "workspaces": bench.size(workspaces)}
        folder = bench.folder / f"wide-{models}"
        world = declare_wide(folder, **size, state=0)
        db = world.folder / "simulator.db"
        with simulator(world.folder, db=db) as url:
            world.aim(url)
            bench.reconcile(world, "apply", "--yes", times=1, network=False)
        # The ledger identifies the API by its address, so the port must be the same.
        port = url.rpartition(":")[2].partition("/")[0]
        declare_wide(folder, **size, state=1)
        with simulator(world.folder, port=port, latency_ms=bench.latency_ms, db=db):
            found = bench.reconcile(world, *PLAN)
        # No bound: the responses are so large that latency hardly matters.
        yield Row("plan of one wide integration", sum(size.values()), found)


def limited(bench: Bench) -> Iterator[Row]:
    """Plan against a server that allows twenty calls per second, before and after an apply.

    Each run has a separate server, because an earlier run would have used part of the limit. The
    ledger of the apply contains the rate.
    """
    count, rate = (bench.size(396), 20)
    first, later = [], []
    for _ in range(bench.repeat):
        world = bench.world(count)
        db = world.folder / "simulator.db"
        limit = {"db": db, "latency_ms": bench.latency_ms, "rate_limit": rate}
        with simulator(world.folder, seed=count, **limit) as url:
            world.aim(url)
            first.append(bench.once(world, *PLAN, secrets=UNKNOWN))
        # The ledger identifies the API by its address, so the port must be the same.
        port = url.rpartition(":")[2].partition("/")[0]
        with simulator(world.folder, port=port, **limit):
            bench.once(world, "apply", "--yes", secrets=UNKNOWN)
        with simulator(world.folder, port=port, **limit):
            later.append(bench.once(world, *PLAN, secrets=UNKNOWN))
    bound = bounds.paced(calls=bounds.pages(count) + count, rate=rate)
    for case, runs in (("20 calls a second", first), ("20 calls a second, known", later)):
        # The worst of the runs, not the best, because the limit must hold in each run.
        yield Row(case, count, max(runs, key=lambda one: one.wall), bound)


def slow(bench: Bench) -> Iterator[Row]:
    """Plan with 200 ms of latency and up to 100 ms of jitter."""
    count = bench.size(1_000)
    world = bench.world(count)
    latency, jitter = (1.0, 1.0) if bench.quick else (200.0, 100.0)
    with simulator(world.folder, seed=count, latency_ms=latency, jitter_ms=jitter) as url:
        world.aim(url)
        found = bench.reconcile(world, *PLAN, secrets=UNKNOWN, times=1)
    mean = (latency + jitter / 2) / 1000
    bound = bounds.reading(
        pages=bounds.pages(count), details=count, latency=mean, parallelism=bench.parallelism
    )
    yield Row("200 ms and jitter", count, found, bound)


def validation(bench: Bench) -> Iterator[Row]:
    """Validate files offline."""
    for count in sorted({bench.size(size) for size in SIZES[1:3]}):
        world = bench.world(count)
        yield Row("validate", count, bench.reconcile(world, "validate", network=False))
    count = bench.size(SIZES[2])
    world = declare_with_models(bench.folder / "models", count, models=8)
    yield click(bench)
    yield Row(VALIDATE_MODELS, count, bench.reconcile(world, "validate", network=False))


def peers(bench: Bench) -> Iterator[Row]:
    """Run the client with the fewest calls and the one with the calls of the vendor's provider."""
    count = bench.size(1_000)
    world = bench.world(count)
    with simulator(world.folder, seed=count, latency_ms=bench.latency_ms) as url:
        least = _reference(world, "minimum", url, str(bench.parallelism))
        yield Row("minimal client", count, least, _reading(bench, count))
        yield Row(
            "two GETs each, ten at a time", count, _reference(world, "provider", url, str(count))
        )


def other_tools(bench: Bench) -> Iterator[Row]:
    """Load and plan the same number of records with octoDNS."""
    for count in sorted({bench.size(1_000), bench.size(10_000)}):
        yield Row("octoDNS: load and plan", count, octodns.plan(bench, count))


PLAN = ("plan", "--format", "json")
CASES: Mapping[str, Callable[[Bench], Iterator[Row]]] = {
    "converged": converged,
    "incremental": incremental,
    "creates": creates,
    "changed": changed,
    "wide": wide,
    "limited": limited,
    "slow": slow,
    "validate": validation,
    "peers": peers,
    "octodns": other_tools,
    "small": small,
    "terraform": terraform,
}
"""The cases by the name that `--only` takes."""


def _reading(bench: Bench, count: int) -> float:
    return bounds.reading(
        pages=bounds.pages(count),
        details=count,
        latency=bench.latency,
        parallelism=bench.parallelism,
    )


def _reference(world: World, name: str, *arguments: str) -> Measured:
    module = (sys.executable, "-m", "tests.benchmarks.reference", name, *arguments)
    done = _plain(world, module)
    calls, seconds = done.out.split()
    return done.counting(int(calls), network=float(seconds))


def _plain(world: World, command: tuple[str, ...]) -> Measured:
    done = measure(command, folder=world.folder, environment=world.environment)
    if done.code:
        raise RuntimeError(f"{' '.join(command)} ended with {done.code}")
    return done

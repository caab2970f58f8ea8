"""Small plans, whose start-up dominates: CPU as a multiple of `import click`.

On a busy machine every process takes longer, but the ratio of two processes that run in turn stays
about the same. Therefore all commands run in rounds, and the minimum of each is kept.
"""

import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from tests.benchmarks.bench import SECRETS, Bench, Row
from tests.benchmarks.measuring import Measured, calls_in, measure
from tests.benchmarks.world import RECONCILE, World, declare, simulator

CLICK = "python -c 'import click'"
VERSION = "reconcile --version"
PLAN = "small plan"
WITH_LEDGER = "small plan with a ledger"
EMBEDDED = "small plan on the embedded simulator"
VALIDATE = "validate a few files"
VALIDATE_MODELS = "validate, 8 models each"
SMALLEST = "minimal program that reads the same"
SIZES = (4, 30, 100)
_SMALLEST = Path(__file__).with_name("smallest.py")
ROUNDS = 15

LAYERS = (
    ("click", "import click"),
    ("asyncio, ssl", "import asyncio, ssl"),
    ("h11", "import h11"),
    ("PyYAML", "import yaml"),
    ("the modules of reconcile", "import reconciler.cli.commands.plan, reconciler.views.terminal"),
)
"""What a plan imports; each layer is measured together with those before it."""

_AS_MAIN = "import gc\ngc.disable()\n"
_AT_EXIT = "gc.freeze()\n"
"""What `reconciler.cli.main` does before it imports a command, and before the process ends."""


@dataclass(frozen=True)
class Command:
    """A command that is measured in every round; `makes_calls` if it reads the API."""

    name: str
    count: int
    world: World
    arguments: tuple[str, ...]
    makes_calls: bool = False

    def measure(self, *options: str) -> Measured:
        """Run the command once."""
        done = measure(
            (*self.arguments, *options),
            folder=self.world.folder,
            environment={**self.world.environment, **SECRETS},
        )
        if done.code:
            raise RuntimeError(f"{self.name} ended with {done.code}")
        return done

    def calls(self) -> Counter[tuple[str, str]]:
        """Return the number of calls, from a separate run, as a metrics file costs an import."""
        if not self.makes_calls:
            return Counter()
        metrics = self.world.folder / "metrics.prom"
        self.measure("--metrics-file", str(metrics))
        return calls_in(metrics)


def small(bench: Bench) -> Iterator[Row]:
    """Measure small plans, and the imports of a plan layer by layer."""
    folder = bench.folder / "small"
    empty = declare(folder / "empty", 0)
    with ExitStack() as running:
        commands = [
            _click(empty),
            Command(VERSION, 0, empty, (RECONCILE, "--version")),
            *_imports(empty),
            *_plans(running, folder, bench),
        ]
        found: dict[Command, list[Measured]] = {command: [] for command in commands}
        for _ in range(1 if bench.quick else ROUNDS):
            for command, measured in found.items():
                measured.append(command.measure())
        for command, measured in found.items():
            least = min(measured, key=lambda one: one.cpu)
            yield Row(command.name, command.count, replace(least, calls=command.calls()))


def click(bench: Bench) -> Row:
    """Measure `import click`, for the ratios of the rows that follow."""
    command = _click(declare(bench.folder / "click", 0))
    rounds = 1 if bench.quick else ROUNDS
    found = [command.measure() for _ in range(rounds)]
    return Row(CLICK, 0, min(found, key=lambda one: one.cpu))


def _click(world: World) -> Command:
    return Command(CLICK, 0, world, (sys.executable, "-c", "import click"))


def _imports(world: World) -> Iterator[Command]:
    """Return a command for each layer, which imports it and the layers before it."""
    script = _AS_MAIN
    for name, statement in LAYERS:
        script += f"{statement}\n"
        yield Command(f"import {name}", 0, world, (sys.executable, "-c", script + _AT_EXIT))


def _plans(running: ExitStack, folder: Path, bench: Bench) -> Iterator[Command]:
    """Start the simulators of all plans, which run until the stack is closed."""
    plan = (RECONCILE, "--quiet", "plan")
    for count in sorted({bench.size(size) for size in SIZES}):
        world = declare(folder / f"plan-{count}", count)
        url = running.enter_context(simulator(world.folder, seed=count))
        world.aim(url)
        yield Command(PLAN, count, world, plan, makes_calls=True)
        if count == SIZES[0]:
            least = (sys.executable, str(_SMALLEST), url, str(world.files))
            yield Command(SMALLEST, count, world, least)
    count = SIZES[0]
    remembered = declare(folder / "ledger", count)
    remembered.aim(running.enter_context(simulator(remembered.folder)))
    _apply(remembered)
    yield Command(WITH_LEDGER, count, remembered, plan, makes_calls=True)
    embedded = declare(folder / "embedded", count)
    embedded.aim("simulator:")
    _apply(embedded, "--no-ledger")
    yield Command(EMBEDDED, count, embedded, plan, makes_calls=True)
    yield Command(VALIDATE, count, embedded, (RECONCILE, "--quiet", "validate"))


def _apply(world: World, *options: str) -> None:
    arguments = (RECONCILE, "--quiet", "apply", "--yes", *options)
    Command("apply", world.count, world, arguments).measure()


def ratios(rows: list[Row]) -> Iterator[str]:
    """Compare the CPU of each command with that of `import click`, and split that of a plan."""
    named = (VERSION, SMALLEST, PLAN, WITH_LEDGER, EMBEDDED, VALIDATE, VALIDATE_MODELS)
    click = 0.0
    for row in rows:
        # Each row is compared with the last `import click` above it, which is nearest in time.
        if row.case == CLICK:
            click = row.measured.cpu
        elif click and row.case in named:
            about = f"{row.case}, N = {row.count:,}" if row.count else row.case
            yield f"{about} ÷ {CLICK}: {row.measured.cpu / click:.2f} (CPU)"
    before = 0.0
    for row in rows:
        if row.case.startswith("import "):
            share = (row.measured.cpu - before) / click
            yield f"of a small plan, {row.case}: {share:.2f} of {CLICK}"
            before = row.measured.cpu
    plan = next((row.measured.cpu for row in rows if row.case == PLAN), None)
    if plan is not None:
        share = (plan - before) / click
        yield f"of a small plan, everything else: {share:.2f} of {CLICK}"

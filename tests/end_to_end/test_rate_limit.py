"""A run starts at the rate that an earlier run measured and stored in the ledger."""

from pathlib import Path

import pytest

from tests.benchmarks.bench import Bench
from tests.benchmarks.world import declare, simulator

pytestmark = pytest.mark.slow

COUNT = 60
RATE = 40


def test_only_the_first_run_is_throttled(tmp_path: Path) -> None:
    bench = Bench(tmp_path, quick=True)
    world = declare(tmp_path / "world", COUNT)
    db = world.folder / "simulator.db"
    with simulator(world.folder, seed=COUNT, db=db) as url:
        world.aim(url)
        bench.once(world, "apply", "--yes", secrets={})
    port = url.rpartition(":")[2].partition("/")[0]
    plan = ("plan", "--format", "json")
    shares = []
    for _ in range(2):
        with simulator(world.folder, port=port, db=db, rate_limit=RATE):
            shares.append(bench.once(world, *plan, secrets={}).throttled)
    first, second = shares
    assert first > 0
    assert second == 0

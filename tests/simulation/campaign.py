"""Play many seeds in one process per core, and summarize the results in a line."""

import asyncio
import gc
import multiprocessing
import os
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from tests.simulation.play import play
from tests.simulation.recipes import REAL, Recipe

CHUNK = 250
SHOWN = 3
"""Maximum number of stories of violations that are printed in full."""


@dataclass
class Tally:
    """Results of seeds: outcomes, events and violations."""

    seeds: int = 0
    calls: int = 0
    endings: Counter[str] = field(default_factory=Counter)
    marks: Counter[str] = field(default_factory=Counter)
    violating: list[int] = field(default_factory=list)
    stories: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def add(self, other: "Tally") -> None:
        """Add the tally of other seeds."""
        self.seeds += other.seeds
        self.calls += other.calls
        self.endings += other.endings
        self.marks += other.marks
        self.violating += other.violating
        self.stories += other.stories

    @property
    def line(self) -> str:
        """Return the figures."""
        count = len(self.violating)
        return f"{self.seeds:,} seeds, {count} violation{'s' * (count != 1)}, {self.seconds:.0f} s"

    @property
    def report(self) -> str:
        """Return the stories of violations, followed by the figures."""
        return "\n\n".join([*self.stories[:SHOWN], self.line])


async def play_all(seeds: Iterable[int], *, over_http: bool, recipe: Recipe) -> Tally:
    """Play seeds one after the other."""
    tally = Tally()
    for seed in seeds:
        story = await play(seed, over_http=over_http, recipe=recipe)
        tally.seeds += 1
        tally.calls += len(story.chronicle.steps)
        tally.endings[story.ending] += 1
        tally.marks.update(story.marks)
        if story.violations:
            tally.violating.append(seed)
            tally.stories += [str(story)] if len(tally.stories) < SHOWN else []
    return tally


def _chunk(job: tuple[range, bool]) -> Tally:
    seeds, over_http = job
    gc.disable()  # a story is short-lived and large; one collection per chunk is enough
    try:
        return asyncio.run(play_all(seeds, over_http=over_http, recipe=REAL))
    finally:
        gc.collect()


def run_campaign(start: int, count: int, *, over_http: bool = False) -> Tally:
    """Play `count` seeds from `start` on all cores."""
    began = time.monotonic()
    tally = Tally()
    chunks = [(chunk, over_http) for chunk in _chunks(start, count)]
    workers = max(1, min(os.cpu_count() or 1, len(chunks)))
    if workers == 1:
        for job in chunks:
            tally.add(_chunk(job))
    else:
        # Spawned, because forking a process that may have threads is not safe.
        with multiprocessing.get_context("spawn").Pool(workers) as pool:
            for part in pool.imap_unordered(_chunk, chunks):
                tally.add(part)
    tally.violating.sort()
    tally.seconds = time.monotonic() - began
    return tally


def _chunks(start: int, count: int) -> Iterator[range]:
    for first in range(start, start + count, CHUNK):
        yield range(first, min(first + CHUNK, start + count))

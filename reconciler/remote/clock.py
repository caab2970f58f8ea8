"""Time and chance, handed in from outside, and the deadline of a run.

Nothing here reads a clock of its own; the command line hands in the real ones, tests a virtual one.
"""

import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Clock:
    """What the client needs to know of time.

    `clock` is monotonic, `wall_clock` counts seconds since 1970 (only for dates in headers),
    `random` gives floats in [0, 1).
    """

    clock: Callable[[], float]
    wall_clock: Callable[[], float]
    sleep: Callable[[float], Awaitable[None]]
    random: Callable[[], float]


class Deadline:
    """The end of a run, counted from the moment this is made; None is never."""

    __slots__ = ("_clock", "_end")

    def __init__(self, clock: Callable[[], float], seconds: float | None) -> None:
        self._clock = clock
        self._end = math.inf if seconds is None else clock() + seconds

    @property
    def remaining(self) -> float:
        """Give the seconds that are left, never below 0."""
        return max(0.0, self._end - self._clock())

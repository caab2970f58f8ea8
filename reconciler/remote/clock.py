"""Clock of a run, passed in from outside, and its deadline.

Nothing here reads a clock of its own: the command line passes the real one, tests a virtual one.
"""

import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Clock:
    """Time and randomness for the client.

    `clock` is monotonic, `wall_clock` counts seconds since 1970 (only for dates in headers),
    `random` returns floats in [0, 1).
    """

    clock: Callable[[], float]
    wall_clock: Callable[[], float]
    sleep: Callable[[float], Awaitable[None]]
    random: Callable[[], float]


class Deadline:
    """Deadline of a run in seconds from now; None for no deadline."""

    __slots__ = ("_clock", "_end")

    def __init__(self, clock: Callable[[], float], seconds: float | None) -> None:
        self._clock = clock
        self._end = math.inf if seconds is None else clock() + seconds

    @property
    def remaining(self) -> float:
        """Return the seconds that are left, never below 0."""
        return max(0.0, self._end - self._clock())

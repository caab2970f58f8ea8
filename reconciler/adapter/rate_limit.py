"""Rate limit of each caller: a token bucket that refills at a constant rate."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

BURST_SECONDS: Final = 4.0
"""Seconds' worth of requests that an idle caller may send at once."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """Remaining requests of a caller; `wait` is None if the request is allowed."""

    limit: int
    remaining: int
    reset: float
    wait: float | None = None

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """The `RateLimit` headers; times in whole seconds."""
        return [
            (b"ratelimit-limit", str(self.limit).encode()),
            (b"ratelimit-remaining", str(self.remaining).encode()),
            (b"ratelimit-reset", str(math.ceil(self.reset)).encode()),
        ]


class CallerRateLimiter:
    """Token buckets by caller; `rate` is in requests per second."""

    def __init__(self, rate: float, clock: Callable[[], float]) -> None:
        self._rate = rate
        # A bucket that holds less than one request would never let any pass.
        self._burst = max(1.0, rate * BURST_SECONDS)
        self._clock = clock
        # By the names of tokens, which the operator chose, so the dictionary does not grow.
        self._levels: dict[str, tuple[float, float]] = {}

    def take(self, name: str) -> Allowance:
        """Count one request of a caller; `wait` of the result is set if it exceeds the limit."""
        now = self._clock()
        level, since = self._levels.get(name, (self._burst, now))
        # The bucket refills when it is looked at; no timer runs.
        level = min(self._burst, level + (now - since) * self._rate)
        wait = None
        if level >= 1:
            level -= 1
        else:
            wait = (1 - level) / self._rate
        self._levels[name] = (level, now)
        full = (self._burst - level) / self._rate
        return Allowance(int(self._burst), int(level), full, wait)

"""The rate gate that all workers share: one 429 pauses everybody, then calls are paced.

Nobody publishes the limit (portkey-api.md §7), so it is measured. Until the first 429 nothing is
held back. After it, the calls that were accepted in the window before tell the rate, and calls
leave evenly spaced a little below it (GCRA with a tolerance smaller than the margin): even spacing
suits sliding windows, fixed windows and token buckets alike. The rate recovers slowly, except
where so few calls were counted that they prove little (a 429 on the first call of a run, a limit
that others use up): then it doubles every second until the server objects.
"""

import math
from collections import deque

from reconciler.remote.answers import LONGEST_PAUSE
from reconciler.remote.errors import DeadlineExceeded, Throttled
from reconciler.remote.timing import Deadline, Timing

MARGIN = 0.98
"""Share of the measured rate that is used; the rest is room for jitter on the way."""

TOLERANCE = 0.25
"""Share of that room, over one window, by which a late call may catch up."""

WINDOW = 1.0
"""Seconds over which a rate is measured where the server names no longer pause."""

STEP_DOWN = 0.98
"""Factor on a pace that was throttled although it was paced."""

TRUSTED = 16
"""Accepted calls in a window from which the first measurement is believed."""

TRUSTED_LATER = 4
"""The same for a measurement that confirms an earlier one."""

FIRST_GUESS = 4.0
LOWEST_GUESS = 0.5
"""Calls a second with which a search for the rate begins, and the least it is halved to."""

PATIENCE = 60.0
"""Seconds without a 429 (and at least as many windows as `GROWTH_WINDOWS`) before more is tried."""

GROWTH_WINDOWS = 5
GROWTH = 0.01
"""Growth of the rate after that in each window, as a share."""

_MEMORY = 4096


class RateGate:
    """Let calls pass at the rate that the server accepts. `throttled` counts the 429s."""

    def __init__(self, timing: Timing, deadline: Deadline) -> None:
        self.throttled = 0
        self._timing = timing
        self._deadline = deadline
        self._accepted: deque[float] = deque(maxlen=_MEMORY)
        self._rate = math.inf
        self._next = -math.inf
        self._paused_until = -math.inf
        self._resumed_at = -math.inf
        self._episode = 0
        self._throttled_at: float | None = None
        self._window = WINDOW
        self._streak = 0
        self._guessing = False

    async def turn(self) -> float:
        """Wait until a call may leave, and give the moment at which it does."""
        while True:
            now = self._timing.clock()
            wait = self._paused_until - now
            reserved = wait <= 0
            if reserved:
                wait = self._reserve(now)
            if wait <= 0:
                return now
            episode = self._episode
            await self._hold(wait)
            if reserved and episode == self._episode:
                return self._timing.clock()

    def accepted(self, sent_at: float) -> None:
        """Note that a call was let through."""
        self._accepted.append(sent_at)
        self._streak = 0

    def pause(self, error: Throttled, *, sent_at: float) -> None:
        """Hold everybody back after a 429; raise it where waiting is out of proportion."""
        self.throttled += 1
        wait = error.retry_after or self._own_pause()
        if wait > LONGEST_PAUSE:
            error.hint = f"The API asks to wait {wait:.0f} s, which is too long for a run."
            raise error
        if wait >= self._deadline.remaining:
            error.hint = f"The API asks to wait {wait:.0f} s, and the run's deadline comes first."
            raise error
        self._paused_until = max(self._paused_until, self._timing.clock() + wait)
        self._next = -math.inf
        self._episode += 1
        # A straggler that left before the last pause says nothing about the pace after it.
        if sent_at > self._resumed_at:
            self._note(sent_at, error.retry_after or 0.0)

    def _note(self, sent_at: float, asked: float) -> None:
        if self._throttled_at is None:
            self._throttled_at = sent_at
            self._streak += 1
        self._throttled_at = max(self._throttled_at, sent_at)
        self._window = max(WINDOW, asked)

    async def _hold(self, seconds: float) -> None:
        if seconds >= self._deadline.remaining:
            raise DeadlineExceeded(
                "the run's deadline comes before the rate limit allows the next call",
                code="deadline",
                hint="Allow more time with --deadline, or run again later.",
                attempts=0,
            )
        await self._timing.sleep(seconds)

    def _own_pause(self) -> float:
        """Give a pause for a server that names none: longer while nothing is accepted."""
        cap = min(20.0, 0.5 * 2.0 ** min(self._streak, 10))
        return max(0.05, self._timing.random() * cap)

    def _reserve(self, now: float) -> float:
        """Take the next place in the queue and give the seconds until it."""
        if self._throttled_at is not None:
            self._measure(now, self._throttled_at)
        if self._rate == math.inf:
            return 0.0
        tolerance = TOLERANCE * (1.0 - MARGIN) * self._window
        place = max(now, self._next - tolerance)
        self._next = max(place, self._next) + 1.0 / self._pace(place)
        return place - now

    def _measure(self, now: float, throttled_at: float) -> None:
        """Learn the rate from what was accepted in the window before the last refused call."""
        since = throttled_at - self._window
        count = sum(1 for sent in self._accepted if since < sent <= throttled_at)
        measured = count / self._window * MARGIN
        tried = self._pace(throttled_at) * STEP_DOWN
        self._guessing = count < (TRUSTED if self._rate == math.inf else TRUSTED_LATER)
        guess = min(FIRST_GUESS, max(tried / 2.0, LOWEST_GUESS))
        self._rate = guess if self._guessing else min(measured, tried)
        self._resumed_at = now
        self._throttled_at = None

    def _pace(self, moment: float) -> float:
        """Give the calls a second that are tried at a moment."""
        since = max(0.0, moment - self._resumed_at)
        if self._guessing:
            return self._rate * math.pow(2.0, min(since, 20.0))
        patience = max(PATIENCE, GROWTH_WINDOWS * self._window)
        return self._rate * (1.0 + GROWTH * max(0.0, since - patience) / self._window)

"""Retries and rate limiting: when a call is sent again, and when it waits (remote/API.md §7).

Reads and idempotent writes are repeated after transient faults, at most four attempts with full
jitter, within a budget for the whole run. A POST is never repeated here: its caller determines
whether it was carried out.

A 429 pauses all workers, not only one call; then calls are paced. The limit is not documented, so
it is measured. Until the first 429, no call waits. After it, the rate is that of the calls accepted
in the window before, and calls are sent evenly spaced a little below it (GCRA): even spacing suits
sliding windows, fixed windows and token buckets alike. As a guard against jitter, no more calls
enter a window than it held: a call counts from the latest moment at which the server may have
counted it, which is its response time less the shortest time that any response took. The rate
recovers slowly, except where so few calls were counted that they prove little (a 429 on the first
call of a run, or a limit that other clients exhaust): then it doubles every second until the next
429.

A run can begin at the rate that an earlier run measured (`begin_at`), so that only the first run on
a target is refused anything.
"""

import math
from collections import deque
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

from reconciler.remote.api import Clock, MeasuredRate
from reconciler.remote.errors import (
    Answered,
    DeadlineExceeded,
    NoAnswer,
    NotSent,
    RemoteError,
    ServerFault,
    Throttled,
)
from reconciler.remote.exchange import LONGEST_PAUSE_SECONDS

if TYPE_CHECKING:
    from tenacity import RetryCallState

# Including the first one. A pause is drawn between 0 and BASE, which doubles with each attempt up
# to CAP, so that the workers of a run do not retry together (remote/API.md §7).
ATTEMPTS = 4
BASE_SECONDS = 0.5
CAP_SECONDS = 20.0
# Without a budget an outage would multiply the calls of a run by ATTEMPTS.
BUDGET_SHARE = 0.1
BUDGET_FREE = 10

_TRANSIENT_STATUS = frozenset({408, 425, 500, 502, 503, 504})
_TRANSIENT_CODES = frozenset({"unreachable", "proxy-failed", "timeout", "connection-lost"})

T = TypeVar("T")


def is_transient(error: BaseException) -> bool:
    """Return whether an error is transient: the same call could succeed a moment later."""
    if isinstance(error, ServerFault):
        return (
            error.http_status in _TRANSIENT_STATUS
            # A pause longer than this does not fit into a run.
            and (error.retry_after or 0) <= LONGEST_PAUSE_SECONDS
        )
    return isinstance(error, NotSent | NoAnswer) and error.code in _TRANSIENT_CODES


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


class Retries:
    """Retries of one run; `used` counts the repetitions, `calls` the calls."""

    def __init__(self, clock: Clock, deadline: Deadline) -> None:
        self.calls = 0
        self.used = 0
        self._timing = clock
        self._deadline = deadline

    async def run(self, send: Callable[[], Awaitable[T]], *, repeatable: bool) -> tuple[T, int]:
        """Make a call, repeat it if that is allowed and useful; return its result and the attempts.

        Raises the last error, with the number of attempts.
        """
        # Before the call, so that a run of one call already has a share of the budget.
        self.calls += 1
        try:
            return await send(), 1
        except RemoteError as error:
            if not repeatable or not is_transient(error):
                raise
            first: RemoteError | None = error

        async def attempt() -> T:
            # tenacity is created only for the few calls that need it, so the first attempt has
            # ended and its result is passed in.
            nonlocal first
            if first is not None:
                known, first = first, None
                raise known
            self.used += 1
            return await send()

        return await self._repeated(attempt)

    async def _repeated(self, attempt: Callable[[], Awaitable[T]]) -> tuple[T, int]:
        number = 0
        unsure = False

        async def counted() -> T:
            nonlocal number, unsure
            number += 1
            try:
                return await attempt()
            except RemoteError as error:
                unsure = unsure or error.outcome_unknown
                raise

        from tenacity import AsyncRetrying, retry_if_exception

        retrying = AsyncRetrying(
            sleep=self._timing.sleep,
            # Uses our own pause and clock, so that tests run in virtual time.
            wait=self._wait,
            stop=self._is_enough,
            retry=retry_if_exception(is_transient),
            reraise=True,
        )
        try:
            return await retrying(counted), number
        except RemoteError as error:
            error.attempts = number
            error.outcome_unknown = unsure  # an earlier attempt may have been carried out
            raise

    def _wait(self, state: "RetryCallState") -> float:
        """Return full jitter, but never less than the server requested."""
        jitter = self._timing.random() * min(
            CAP_SECONDS, BASE_SECONDS * 2.0 ** (state.attempt_number - 1)
        )
        error = state.outcome.exception() if state.outcome else None
        asked = error.retry_after if isinstance(error, Answered) else None
        return max(jitter, asked or 0.0)

    def _is_enough(self, state: "RetryCallState") -> bool:
        return (
            state.attempt_number >= ATTEMPTS
            or self.used >= BUDGET_SHARE * self.calls + BUDGET_FREE
            # A pause beyond the deadline would only delay the error.
            or state.upcoming_sleep >= self._deadline.remaining
        )


MARGIN = 0.99
"""Share of the measured rate at which calls are sent."""

CATCH_UP = 0.1
"""Seconds by which the interval after a late call may be shorter than the paced interval."""

SLACK = 0.002
"""Seconds by which a place in a full window is used later than it should be free."""

WINDOW = 1.0
"""Seconds over which a rate is measured if the server requests no longer pause."""

STEP_DOWN = 0.98
"""Factor applied to a rate that was throttled although calls were paced."""

TRUSTED = 16
"""Minimum number of accepted calls in a window for a first measurement to be trusted."""

TRUSTED_LATER = 4
"""Minimum number for a measurement that confirms an earlier one."""

FIRST_GUESS = 4.0
LOWEST_GUESS = 0.5
"""Calls per second at which a search for the rate begins, and the minimum to which it is halved."""

PATIENCE = 60.0
"""Seconds without a 429, and at least `GROWTH_WINDOWS` windows, before a higher rate is tried."""

GROWTH_WINDOWS = 5
GROWTH = 0.01
"""Growth of the rate after that in each window, as a share."""

_MEMORY = 4096


class RateLimiter:
    """Rate limiter that measures the rate that the server accepts; `throttled` counts the 429s."""

    def __init__(
        self,
        clock: Clock,
        deadline: Deadline,
        on_pause: Callable[[float], None] | None = None,
    ) -> None:
        self.throttled = 0
        self._on_pause = on_pause
        self._timing = clock
        self._deadline = deadline
        self._accepted: deque[float] = deque(maxlen=_MEMORY)
        self._answered: deque[float] = deque(maxlen=_MEMORY)
        self._in_flight = 0
        self._fastest = math.inf
        self._rate = math.inf
        self._next = -math.inf
        self._paused_until = -math.inf
        self._resumed_at = -math.inf
        self._episode = 0
        self._throttled_at: float | None = None
        self._window = WINDOW
        self._streak = 0
        self._guessing = False

    @property
    def measured(self) -> MeasuredRate | None:
        """Return the rate that this run has measured, None if nothing was refused or proven."""
        if not self.throttled or self._guessing or self._rate == math.inf:
            return None
        return MeasuredRate(self._rate, self._window)

    def begin_at(self, known: MeasuredRate) -> None:
        """Pace from the first call on, at a rate that an earlier run has measured.

        It then grows as after a 429, so that a limit that was raised is found again.
        """
        self._rate = known.calls_per_second
        self._window = known.window_seconds
        self._resumed_at = self._timing.clock()

    async def acquire(self) -> float:
        """Wait until a call may be sent, and return the time at which it is sent.

        Each call ends with `release`.
        """
        while not await self._try_acquire():
            pass
        self._in_flight += 1
        return self._timing.clock()

    def release(self, sent_at: float, *, counted: bool) -> None:
        """End a call; `counted` if the server may have counted it."""
        self._in_flight -= 1
        if not counted:
            return
        now = self._timing.clock()
        self._accepted.append(sent_at)
        self._answered.append(now)
        # The fastest response shows the latest time after sending at which the server counts a
        # call.
        self._fastest = min(self._fastest, now - sent_at)
        self._streak = 0

    async def _try_acquire(self) -> bool:
        """Wait once; return False if a new pause began and the wait must be repeated."""
        now = self._timing.clock()
        if now < self._paused_until:
            await self._hold(self._paused_until - now)
            return False
        # Measured only once, by the first worker that continues: later calls already have the new
        # rate.
        if self._throttled_at is not None:
            self._measure(now, self._throttled_at)
        if self._rate == math.inf:
            return True
        episode = self._episode
        wait = self._reserve(now)
        while wait > 0 and episode == self._episode:
            await self._hold(wait)
            wait = self._full_for(self._timing.clock())
        return episode == self._episode

    def _full_for(self, now: float) -> float:
        """Return the seconds until the window has room for one more call, 0 if it has."""
        if self._guessing:
            return 0.0
        leaves = self._window - min(self._fastest, self._window) + SLACK
        while self._answered and self._answered[0] + leaves <= now:
            self._answered.popleft()
        room = self._pace(now) / MARGIN * self._window
        # The tolerance is for rounding: `room` is a count that was divided and multiplied again.
        if self._in_flight + len(self._answered) + 1 <= max(1.0, room + 1e-6):
            return 0.0
        if self._answered:
            return self._answered[0] + leaves - now
        return self._window / room

    def pause(self, error: Throttled, *, sent_at: float) -> None:
        """Pause all calls after a 429; raise it if the pause is too long for a run."""
        self.throttled += 1
        # Also for `Retry-After: 0`, after which every worker would try again immediately.
        wait = error.retry_after or self._own_pause()
        if wait > LONGEST_PAUSE_SECONDS:
            error.hint = f"run again later: the API asks to wait {wait:.0f} s, too long for a run"
            raise error
        if wait >= self._deadline.remaining:
            error.hint = f"allow more time with --deadline: the API asks to wait {wait:.0f} s"
            raise error
        self._paused_until = max(self._paused_until, self._timing.clock() + wait)
        if self._on_pause is not None:
            self._on_pause(wait)
        # Places at the old rate are discarded: after the pause, calls queue again.
        self._next = -math.inf
        # Calls that wait for a place at the old rate detect the new episode and wait again.
        self._episode += 1
        # A late response to a call sent before the last pause is no evidence for the new pace.
        if sent_at > self._resumed_at:
            self._note(sent_at, error.retry_after or 0.0)

    def _note(self, sent_at: float, asked: float) -> None:
        if self._throttled_at is None:
            self._throttled_at = sent_at
            self._streak += 1
        self._throttled_at = max(self._throttled_at, sent_at)
        # A server that asks to wait for a minute counts calls by the minute.
        self._window = max(WINDOW, asked)

    async def _hold(self, seconds: float) -> None:
        if seconds >= self._deadline.remaining:
            raise DeadlineExceeded(
                "the run's deadline comes before the rate limit allows the next call",
                code="deadline",
                hint="allow more time with --deadline, or run again later",
                attempts=0,
            )
        await self._timing.sleep(seconds)

    def _own_pause(self) -> float:
        """Return a pause for a server that requests none; it grows while nothing is accepted."""
        # The exponent is bounded, because a float power that overflows raises.
        cap = min(20.0, 0.5 * 2.0 ** min(self._streak, 10))
        # Jitter can be 0, and the next call would then be refused by the same limit.
        return max(0.05, self._timing.random() * cap)

    def _reserve(self, now: float) -> float:
        """Take the next place in the queue and return the seconds until it."""
        place = max(now, self._next - CATCH_UP)
        self._next = max(place, self._next) + 1.0 / self._pace(place)
        return max(place - now, self._full_for(now))

    def _measure(self, now: float, throttled_at: float) -> None:
        """Set the rate to that of the calls accepted in the window before the last refused one."""
        since = throttled_at - self._window
        count = sum(1 for sent in self._accepted if since < sent <= throttled_at)
        measured = count / self._window * MARGIN
        tried = self._pace(throttled_at) * STEP_DOWN
        # Few accepted calls can be the rest of a limit that other clients share.
        self._guessing = count < (TRUSTED if self._rate == math.inf else TRUSTED_LATER)
        guess = min(FIRST_GUESS, max(tried / 2.0, LOWEST_GUESS))
        # Never above the rate that was just refused.
        self._rate = guess if self._guessing else min(measured, tried)
        self._resumed_at = now
        self._throttled_at = None

    def _pace(self, moment: float) -> float:
        """Return the calls per second to try at a given time."""
        since = max(0.0, moment - self._resumed_at)
        if self._guessing:
            # Bounded for the same reason as in `_own_pause`: `math.pow` raises on overflow.
            return self._rate * math.pow(2.0, min(since, 20.0))
        patience = max(PATIENCE, GROWTH_WINDOWS * self._window)
        return self._rate * (1.0 + GROWTH * max(0.0, since - patience) / self._window)

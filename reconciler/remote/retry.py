"""When a call is made again (remote/API.md §7); GitHub's own: `github.client`.

Reads and idempotent writes are repeated after faults that may pass, at most four attempts with
full jitter, within a budget for the whole run. A POST is never repeated here: whoever sent it
finds out what became of it. A 429 is not a matter of this file: `reconciler.remote.rate_limiter`.
"""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception

from reconciler.remote.clock import Clock, Deadline
from reconciler.remote.errors import Answered, NoAnswer, NotSent, RemoteError, ServerFault
from reconciler.remote.responses import LONGEST_PAUSE

ATTEMPTS = 4
BASE = 0.5
CAP = 20.0
BUDGET_SHARE = 0.1
BUDGET_FREE = 10

_PASSING_STATUS = frozenset({408, 425, 500, 502, 503, 504})
_PASSING_CODES = frozenset({"unreachable", "proxy-failed", "timeout", "connection-lost"})

T = TypeVar("T")


def may_pass(error: BaseException) -> bool:
    """Tell whether the same call could succeed a moment later."""
    if isinstance(error, ServerFault):
        return error.http_status in _PASSING_STATUS and (error.retry_after or 0) <= LONGEST_PAUSE
    return isinstance(error, NotSent | NoAnswer) and error.code in _PASSING_CODES


class Retries:
    """Repeat calls within one run. `used` counts the repetitions, `calls` the calls."""

    def __init__(self, timing: Clock, deadline: Deadline) -> None:
        self.calls = 0
        self.used = 0
        self._timing = timing
        self._deadline = deadline

    async def run(self, send: Callable[[], Awaitable[T]], *, repeatable: bool) -> tuple[T, int]:
        """Make a call, again if that is allowed and useful; give its result and the attempts.

        Raises the last error, which then says how many attempts were made.
        """
        self.calls += 1
        try:
            return await send(), 1
        except RemoteError as error:
            if not repeatable or not may_pass(error):
                raise
            first: RemoteError | None = error

        async def attempt() -> T:
            # The first attempt is over; tenacity is told its result, so that it is only set up
            # for the few calls that need it.
            nonlocal first
            if first is not None:
                known, first = first, None
                raise known
            self.used += 1
            return await send()

        return await self._again(attempt)

    async def _again(self, attempt: Callable[[], Awaitable[T]]) -> tuple[T, int]:
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

        retrying = AsyncRetrying(
            sleep=self._timing.sleep,
            wait=self._wait,
            stop=self._is_enough,
            retry=retry_if_exception(may_pass),
            reraise=True,
        )
        try:
            return await retrying(counted), number
        except RemoteError as error:
            error.attempts = number
            error.outcome_unknown = unsure  # an earlier attempt may have been carried out
            raise

    def _wait(self, state: RetryCallState) -> float:
        """Give full jitter, and never less than the server asked for."""
        jitter = self._timing.random() * min(CAP, BASE * 2.0 ** (state.attempt_number - 1))
        error = state.outcome.exception() if state.outcome else None
        asked = error.retry_after if isinstance(error, Answered) else None
        return max(jitter, asked or 0.0)

    def _is_enough(self, state: RetryCallState) -> bool:
        return (
            state.attempt_number >= ATTEMPTS
            or self.used >= BUDGET_SHARE * self.calls + BUDGET_FREE
            or state.upcoming_sleep >= self._deadline.remaining
        )

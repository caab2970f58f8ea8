"""Retries of calls (remote/API.md §7). The only importer of tenacity here.

Reads and idempotent writes are repeated after transient faults, at most four attempts with full
jitter, within a budget for the whole run. A POST is never repeated here: its caller finds out
whether it was carried out. A 429 is handled by `reconciler.remote.rate_limiter`.
"""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception

from reconciler.remote.api import Clock, Deadline
from reconciler.remote.errors import Answered, NoAnswer, NotSent, RemoteError, ServerFault
from reconciler.remote.responses import LONGEST_PAUSE_SECONDS

# With the first one. A pause is drawn between 0 and BASE, which doubles with each attempt up to
# CAP, so that the workers of a run do not return together (remote/API.md §7).
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
            # A pause that is longer than this does not fit into a run.
            and (error.retry_after or 0) <= LONGEST_PAUSE_SECONDS
        )
    return isinstance(error, NotSent | NoAnswer) and error.code in _TRANSIENT_CODES


class Retries:
    """Retries within one run; `used` counts the repetitions, `calls` the calls."""

    def __init__(self, timing: Clock, deadline: Deadline) -> None:
        self.calls = 0
        self.used = 0
        self._timing = timing
        self._deadline = deadline

    async def run(self, send: Callable[[], Awaitable[T]], *, repeatable: bool) -> tuple[T, int]:
        """Make a call, repeat it if that is allowed and useful; return its result and the attempts.

        Raises the last error, with the number of attempts.
        """
        self.calls += 1
        try:
            return await send(), 1
        except RemoteError as error:
            if not repeatable or not is_transient(error):
                raise
            first: RemoteError | None = error

        async def attempt() -> T:
            # tenacity is set up only for the few calls that need it, so the first attempt is over
            # and its result is passed on.
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

        retrying = AsyncRetrying(
            sleep=self._timing.sleep,
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

    def _wait(self, state: RetryCallState) -> float:
        """Return full jitter, and never less than the server asked for."""
        jitter = self._timing.random() * min(
            CAP_SECONDS, BASE_SECONDS * 2.0 ** (state.attempt_number - 1)
        )
        error = state.outcome.exception() if state.outcome else None
        asked = error.retry_after if isinstance(error, Answered) else None
        return max(jitter, asked or 0.0)

    def _is_enough(self, state: RetryCallState) -> bool:
        return (
            state.attempt_number >= ATTEMPTS
            or self.used >= BUDGET_SHARE * self.calls + BUDGET_FREE
            # A pause beyond the deadline would only delay the error.
            or state.upcoming_sleep >= self._deadline.remaining
        )

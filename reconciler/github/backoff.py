"""When a call to GitHub is made again, and how long to wait before (pure).

A call that was turned away by a rate limit was not carried out, so any may be repeated. After a
fault only calls may be that do no harm when they arrive twice; whoever posts looks first.
"""

from collections.abc import Mapping
from email.utils import parsedate_to_datetime

ATTEMPTS = 4
LONGEST_PAUSE = 120.0
"""Seconds that a job waits for a rate limit at most; runners cost money while they wait."""

_BASE = 0.5
_CAP = 8.0
_MESSAGE = 4096
_PASSING = frozenset({408, 500, 502, 503, 504})


def may_pass(status: int) -> bool:
    """Tell whether the same call could succeed a moment later."""
    return status in _PASSING


def is_rate_limit(status: int, headers: Mapping[str, str], content: bytes) -> bool:
    """Tell a rate limit from a plain refusal; GitHub answers 403 to both."""
    if status == 429:
        return True
    spent = headers.get("x-ratelimit-remaining") == "0"
    said = b"rate limit" in content[:_MESSAGE].lower()
    return status == 403 and (spent or said or "retry-after" in headers)


def pause_for(headers: Mapping[str, str], *, attempt: int, now: float) -> float:
    """Give the seconds that GitHub asks to wait; `now` counts seconds since 1970."""
    asked = headers.get("retry-after", "").strip()
    if asked.isascii() and asked.isdigit():
        return float(asked[:9])
    if asked:
        try:
            return max(0.0, parsedate_to_datetime(asked).timestamp() - now)
        except (ValueError, OverflowError):
            pass
    reset = headers.get("x-ratelimit-reset", "").strip()
    if reset.isascii() and reset.isdigit():
        return max(0.0, float(reset[:12]) - now)
    return min(LONGEST_PAUSE, 2.0**attempt)


def backoff(attempt: int, *, random: float) -> float:
    """Give the pause after the given failed attempt, counted from 1, with full jitter."""
    return random * min(_CAP, _BASE * 2.0 ** (attempt - 1))

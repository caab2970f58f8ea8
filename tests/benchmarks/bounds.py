"""Minimum time for any client, computed from the number of calls."""

from math import ceil

PAGE_SIZE = 100


def pages(count: int) -> int:
    """Return the number of list calls for `count` integrations."""
    return max(1, ceil(count / PAGE_SIZE))


def reading(*, pages: int, details: int, latency: float, parallelism: int) -> float:
    """Return the seconds for reading pages and details; the first page is read alone."""
    return latency * (1 + ceil((pages - 1 + details) / parallelism))


def creating(*, creates: int, latency: float, parallelism: int) -> float:
    """Return the seconds for an empty list and, for each create, a read, a write and a read."""
    return latency * (1 + ceil(3 * creates / parallelism))


def paced(*, calls: int, rate: float) -> float:
    """Return the seconds for calls that are evenly spaced by a limit of calls per second."""
    return calls / rate

"""The least time that any client can take, from the number of calls alone."""

from math import ceil

PAGE_SIZE = 100


def pages(count: int) -> int:
    """Return the list calls that `count` integrations take."""
    return max(1, ceil(count / PAGE_SIZE))


def reading(*, pages: int, details: int, latency: float, parallelism: int) -> float:
    """Return the seconds for reading pages and details; the first page is read alone."""
    return latency * (1 + ceil((pages - 1 + details) / parallelism))


def creating(*, creates: int, latency: float, parallelism: int) -> float:
    """Return the seconds for an empty list and, for each create, a read, the write and a read."""
    return latency * (1 + ceil(3 * creates / parallelism))


def paced(*, calls: int, rate: float) -> float:
    """Return the seconds for calls that are evenly spaced by a limit of calls per second."""
    return calls / rate

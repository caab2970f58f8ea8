"""The least time that any client can take, from the number of calls alone."""

from math import ceil

PAGE_SIZE = 100


def pages(count: int) -> int:
    """Give the list calls that `count` integrations take."""
    return max(1, ceil(count / PAGE_SIZE))


def reading(*, pages: int, details: int, latency: float, parallelism: int) -> float:
    """Give the seconds in which pages and details can be read: the first page goes alone."""
    return latency * (1 + ceil((pages - 1 + details) / parallelism))


def creating(*, creates: int, latency: float, parallelism: int) -> float:
    """Give the seconds for an empty list and, of each create, a look, the write, a look again."""
    return latency * (1 + ceil(3 * creates / parallelism))


def paced(*, calls: int, rate: float) -> float:
    """Give the seconds that a limit of calls a second takes, evenly spaced."""
    return calls / rate

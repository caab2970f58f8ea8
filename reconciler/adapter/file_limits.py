"""How many connections fit below the limit of open files, of callers and to the upstream.

A process at its limit cannot accept, and cannot open a file or a connection upstream either, so the
limit is divided before anything is served.
"""

import contextlib
import resource
from dataclasses import dataclass
from typing import Final

MAX_CALLERS: Final = 2000
MAX_UPSTREAM: Final = 100

_OTHER_FILES: Final = 64
"""For files that are read, the ledger, the ports themselves, and connections about to be closed."""

_UPSTREAM_CLIENTS: Final = 3
"""The operations, the page and the tools that plan each have connections of their own."""


@dataclass(frozen=True, slots=True)
class ConnectionBudget:
    """The most connections of callers on all ports, and of each client to the upstream."""

    callers: int
    upstream: int


def raise_file_limit() -> int:
    """Raise the soft limit of open files to the hard one where allowed, and return what holds."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return soft


def connection_budget(file_limit: int) -> ConnectionBudget:
    """Divide a limit of open files; `resource.RLIM_INFINITY` has room for everything."""
    if file_limit == resource.RLIM_INFINITY:
        return ConnectionBudget(MAX_CALLERS, MAX_UPSTREAM)
    usable = file_limit - min(_OTHER_FILES, file_limit // 4)
    upstream = max(1, min(MAX_UPSTREAM, usable // (2 * _UPSTREAM_CLIENTS)))
    callers = max(1, min(MAX_CALLERS, usable - _UPSTREAM_CLIENTS * upstream))
    return ConnectionBudget(callers, upstream)

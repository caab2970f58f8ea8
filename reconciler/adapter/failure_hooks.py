"""Report what Python would otherwise print as a traceback, which may quote a request.

Stderr is the access log of `serve`, and each of its lines is JSON.
"""

import asyncio
import logging
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

_LOGGERS: Final = ("asyncio", "mcp", "uvicorn", "uvicorn.access", "uvicorn.error")


@contextmanager
def reported_failures(failed: Callable[[BaseException], None]) -> Iterator[None]:
    """Pass every exception that nothing else handles to `failed`; needs a running loop."""
    loop = asyncio.get_running_loop()
    before = loop.get_exception_handler(), sys.unraisablehook, threading.excepthook

    def report(error: BaseException | None) -> None:
        failed(error or RuntimeError())

    def from_loop(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        report(context.get("exception"))

    loop.set_exception_handler(from_loop)
    sys.unraisablehook = lambda unraisable: report(unraisable.exc_value)
    threading.excepthook = lambda told: report(told.exc_value)
    try:
        yield
    finally:
        handler, sys.unraisablehook, threading.excepthook = before
        loop.set_exception_handler(handler)


def silence_libraries() -> None:
    """Keep what libraries log from stderr: it may quote a request."""
    for name in _LOGGERS:
        logger = logging.getLogger(name)
        logger.handlers = [logging.NullHandler()]
        logger.propagate = False

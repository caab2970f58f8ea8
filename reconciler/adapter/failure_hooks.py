"""Hooks for failures that Python or a library would print to stderr.

Stderr is the access log of `serve`: each line is JSON, and a traceback may quote a request.
"""

import asyncio
import logging
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final

_LOGGERS: Final = ("asyncio", "mcp", "uvicorn", "uvicorn.access", "uvicorn.error")


@contextmanager
def reported_failures(failed: Callable[[BaseException], None]) -> Iterator[None]:
    """Pass every unhandled exception to `failed`; needs a running event loop."""
    loop = asyncio.get_running_loop()
    before = loop.get_exception_handler(), sys.unraisablehook, threading.excepthook

    # asyncio may report a message without an exception.
    def report(error: BaseException | None) -> None:
        failed(error or RuntimeError())

    def from_loop(_loop: asyncio.AbstractEventLoop, context: Mapping[str, object]) -> None:
        error = context.get("exception")
        report(error if isinstance(error, BaseException) else None)

    loop.set_exception_handler(from_loop)
    sys.unraisablehook = lambda unraisable: report(unraisable.exc_value)
    threading.excepthook = lambda arguments: report(arguments.exc_value)
    try:
        yield
    finally:
        handler, sys.unraisablehook, threading.excepthook = before
        loop.set_exception_handler(handler)


def silence_libraries() -> None:
    """Keep log records of libraries, which may quote a request, off stderr."""
    for name in _LOGGERS:
        logger = logging.getLogger(name)
        # Without any handler, Python's handler of last resort would write warnings to stderr.
        logger.handlers = [logging.NullHandler()]
        logger.propagate = False

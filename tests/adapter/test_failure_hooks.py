"""While the adapter runs, failures that Python would print as a traceback are reported instead."""

import asyncio
import gc
import sys
import threading
from typing import Any

from reconciler.adapter.server import reported_failures


class Canary(Exception):
    """Exception that no code handles."""


class Careless:
    """Object whose finalizer fails."""

    def __del__(self) -> None:
        raise Canary("unraisable")


async def fail(why: str) -> None:
    raise Canary(why)


def fail_at_once(why: str) -> None:
    raise Canary(why)


def test_unhandled_failures_are_reported_and_not_printed(capfd: Any) -> None:
    reported: list[BaseException] = []

    async def work() -> None:
        loop = asyncio.get_running_loop()
        with reported_failures(reported.append):
            forgotten = asyncio.create_task(fail("task"))
            await asyncio.wait([forgotten])
            del forgotten
            gc.collect()
            called = asyncio.Event()
            loop.call_soon(fail_at_once, "callback")
            loop.call_soon(called.set)
            await called.wait()
            thread = threading.Thread(target=fail_at_once, args=("thread",))
            thread.start()
            await asyncio.to_thread(thread.join)
            Careless()
            loop.call_exception_handler({"message": "canary without an exception"})

    hooks = sys.unraisablehook, threading.excepthook
    asyncio.run(work())
    assert (sys.unraisablehook, threading.excepthook) == hooks
    shown = [str(error) for error in reported]
    assert shown == ["task", "callback", "thread", "unraisable", ""]
    assert capfd.readouterr().err == ""

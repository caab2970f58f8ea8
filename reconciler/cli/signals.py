"""Handling of Ctrl-C and SIGTERM.

The first signal requests the work to stop, or cancels work that does not support a request. The
second one stops it immediately. The exit code is 130 or 143 in both cases. The first SIGHUP, which
a closed terminal sends, counts as SIGTERM; after any signal, it is ignored.
"""

import asyncio
import signal
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, NoReturn, TypeVar

Result = TypeVar("Result")
SIGNALS = (signal.SIGINT, signal.SIGTERM)
UNFINISHED = "the command did not finish"
"""Default message about interrupted work."""


class Terminated(KeyboardInterrupt):
    """SIGTERM ended the command, like Ctrl-C."""


class SignalHandler:
    """Handler of the signals that arrive during asynchronous work.

    Work that can stop by itself sets `on_signal`, which the first signal calls. `if_interrupted`
    describes what is not done if the work is interrupted now.
    """

    def __init__(self, if_interrupted: str) -> None:
        self.if_interrupted = if_interrupted
        self.received: signal.Signals | None = None
        self.on_signal: Callable[[], None] | None = None
        self._task: asyncio.Task[Any] | None = None
        self._forced = False

    @property
    def exit_code(self) -> int:
        """Return 130 or 143 after a signal, else 0."""
        return 0 if self.received is None else 128 + self.received

    def __call__(self, number: signal.Signals) -> None:
        """Handle a signal."""
        again = self.received is not None
        # The first signal decides the exit code.
        self.received = self.received or number
        if again:
            self._forced = True
            # A KeyboardInterrupt raised in a callback leaves the event loop at once.
            raise self._as_exception(self.received)
        if self.on_signal is not None:
            self.on_signal()
        elif self._task is not None:
            self._task.cancel()

    async def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Run the work with this handler installed."""
        self._task = asyncio.current_task()
        self._add_handlers()
        try:
            return await work
        except asyncio.CancelledError:
            # Without a signal, the work itself was cancelled.
            if self.received is None or self._forced:
                raise
            raise self._as_exception(self.received) from None
        finally:
            self._remove_handlers()

    @contextmanager
    def suspended(self) -> Iterator[None]:
        """Let signals raise exceptions while a prompt blocks the event loop."""
        self._remove_handlers()
        try:
            yield
        except KeyboardInterrupt as caught:
            # Python's own KeyboardInterrupt has no arguments, so it has no message about unfinished
            # work.
            if caught.args:
                raise
            raise type(caught)(self.if_interrupted) from None
        finally:
            self._add_handlers()

    def _as_exception(self, number: signal.Signals) -> KeyboardInterrupt:
        kind = Terminated if number == signal.SIGTERM else KeyboardInterrupt
        return kind(self.if_interrupted)

    def _add_handlers(self) -> None:
        loop = asyncio.get_running_loop()
        for number in SIGNALS:
            loop.add_signal_handler(number, self, number)
        # `nohup` ignores it, so that the work survives the terminal.
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
            loop.add_signal_handler(signal.SIGHUP, self._hang_up)

    def _hang_up(self) -> None:
        # A closed terminal sends it twice: once through the shell, and once when the shell ends.
        if self.received is None:
            self(signal.SIGTERM)

    def _remove_handlers(self) -> None:
        loop = asyncio.get_running_loop()
        for number in SIGNALS:
            loop.remove_signal_handler(number)
        # asyncio restores Python's handler of SIGINT. SIGTERM, however, would end the process
        # without any cleanup.
        signal.signal(signal.SIGTERM, _terminate)
        if loop.remove_signal_handler(signal.SIGHUP):
            is_over = self.received is not None
            signal.signal(signal.SIGHUP, signal.SIG_IGN if is_over else _terminate)


def run(
    work: Callable[[SignalHandler], Coroutine[Any, Any, Result]],
    *,
    if_interrupted: str = UNFINISHED,
) -> Result:
    """Run asynchronous work to its end; raises `KeyboardInterrupt` if it was interrupted."""
    handler = SignalHandler(if_interrupted)
    return asyncio.run(handler.run(work(handler)))


def exit_code(interrupt: BaseException | None) -> int:
    """Return the exit code of a command that this exception has ended."""
    return 128 + (signal.SIGTERM if isinstance(interrupt, Terminated) else signal.SIGINT)


def message(interrupt: BaseException) -> str:
    """Build the message of such an exception: the signal, and what is not done."""
    name = "SIGTERM" if isinstance(interrupt, Terminated) else "SIGINT"
    if_interrupted = interrupt.args[0] if interrupt.args else UNFINISHED
    return f"interrupted by {name}; {if_interrupted}"


def _terminate(_number: int, _frame: FrameType | None) -> NoReturn:
    raise Terminated

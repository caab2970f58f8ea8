"""What Ctrl-C and SIGTERM do: ask once politely, then leave.

The first signal asks the work to stop; work that cannot be asked is cancelled. The second one ends
it at once. The exit code is 130 or 143 either way.
"""

import asyncio
import signal
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, NoReturn, TypeVar

Result = TypeVar("Result")
SIGNALS = (signal.SIGINT, signal.SIGTERM)
UNFINISHED = "the command is not finished"
"""What is told of work that has nothing better to say."""


class Terminated(KeyboardInterrupt):
    """SIGTERM ended the command, as Ctrl-C would have."""


class SignalHandler:
    """The signals that arrive while asynchronous work is done.

    `ask` is set by work that can stop by itself: it is called on the first signal. `undone` tells
    what has not been done if the work is cut short now.
    """

    def __init__(self, undone: str) -> None:
        self.undone = undone
        self.received: signal.Signals | None = None
        self.ask: Callable[[], None] | None = None
        self._task: asyncio.Task[Any] | None = None
        self._left = False

    @property
    def exit_code(self) -> int:
        """Give 130 or 143 after a signal, else 0."""
        return 0 if self.received is None else 128 + self.received

    def __call__(self, number: signal.Signals) -> None:
        """Take a signal."""
        again = self.received is not None
        self.received = self.received or number
        if again:
            self._left = True
            raise self._as_exception(self.received)
        if self.ask is not None:
            self.ask()
        elif self._task is not None:
            self._task.cancel()

    async def over(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Do the work with signals coming here."""
        self._task = asyncio.current_task()
        self._listen()
        try:
            return await work
        except asyncio.CancelledError:
            if self.received is None or self._left:
                raise
            raise self._as_exception(self.received) from None
        finally:
            self._let_go()

    @contextmanager
    def left_to_python(self) -> Iterator[None]:
        """Let signals raise exceptions again while a question blocks the loop."""
        self._let_go()
        try:
            yield
        except KeyboardInterrupt as caught:
            if caught.args:
                raise
            raise type(caught)(self.undone) from None
        finally:
            self._listen()

    def _as_exception(self, number: signal.Signals) -> KeyboardInterrupt:
        kind = Terminated if number == signal.SIGTERM else KeyboardInterrupt
        return kind(self.undone)

    def _listen(self) -> None:
        loop = asyncio.get_running_loop()
        for number in SIGNALS:
            loop.add_signal_handler(number, self, number)

    def _let_go(self) -> None:
        loop = asyncio.get_running_loop()
        for number in SIGNALS:
            loop.remove_signal_handler(number)
        signal.signal(signal.SIGTERM, _terminate)


def run(
    work: Callable[[SignalHandler], Coroutine[Any, Any, Result]], *, undone: str = UNFINISHED
) -> Result:
    """Run asynchronous work to its end; raises `KeyboardInterrupt` when it was cut short."""
    interruption = SignalHandler(undone)
    return asyncio.run(interruption.over(work(interruption)))


def exit_code(interrupt: BaseException | None) -> int:
    """Give the exit code of a command that one of these exceptions has ended."""
    return 128 + (signal.SIGTERM if isinstance(interrupt, Terminated) else signal.SIGINT)


def told(interrupt: BaseException) -> str:
    """Say of such an exception what was interrupted, and what is therefore not done."""
    name = "SIGTERM" if isinstance(interrupt, Terminated) else "SIGINT"
    undone = interrupt.args[0] if interrupt.args else UNFINISHED
    return f"interrupted by {name}; {undone}"


def _terminate(_number: int, _frame: FrameType | None) -> NoReturn:
    raise Terminated

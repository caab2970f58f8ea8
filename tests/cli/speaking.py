"""Console that records its output."""

import io

from reconciler.cli.console import Console


class Listening:
    """Streams in memory, and a console that writes to them."""

    def __init__(self) -> None:
        self._out, self._err = io.StringIO(), io.StringIO()
        self.console = Console(stdin=io.StringIO(), stdout=self._out, stderr=self._err)

    @property
    def out(self) -> str:
        return self._out.getvalue()

    @property
    def err(self) -> str:
        return self._err.getvalue()

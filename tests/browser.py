"""Chromium for tests, controlled over a pipe with the DevTools protocol; no port and no library.

Headless Chromium has a minimum window width, so the size of the page is emulated.
"""

import json
import os
import shutil
import subprocess
import threading
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
)
HEIGHT = 900
TIMEOUT_SECONDS = 60


class Browser:
    """Page in a running Chromium."""

    def __init__(self, requests: BinaryIO, responses: BinaryIO) -> None:
        self._requests = requests
        self._responses = responses
        self._number = 0
        self._session: str | None = None
        self._events: list[str] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        self.call("Page.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the protocol and return its result."""
        self._number += 1
        request: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self._session is not None:
            request["sessionId"] = self._session
        self._requests.write(json.dumps(request).encode() + b"\0")
        self._requests.flush()
        while True:
            message = self._receive()
            if message.get("id") == self._number:
                assert "error" not in message, message
                return dict(message["result"])

    def open(self, url: str, *, width: int, scheme: str = "light", media: str = "screen") -> None:
        """Open a page at the width of a screen, in the light or dark colour scheme."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=HEIGHT,
            deviceScaleFactor=1,
            mobile=False,
        )
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.call("Emulation.setEmulatedMedia", media=media, features=features)
        self._events.clear()
        self.call("Page.navigate", url=url)
        while "Page.loadEventFired" not in self._events:
            self._receive()

    def evaluate(self, expression: str) -> Any:
        """Return the value of a JavaScript expression on the page; a promise is awaited."""
        answer = self.call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def picture(self, *, height: int, scale: float) -> bytes:
        """Return the top `height` CSS pixels of the page as a PNG, scaled by `scale`."""
        size = self.evaluate("[innerWidth, document.documentElement.scrollHeight]")
        clip = {"x": 0, "y": 0, "width": size[0], "height": min(size[1], height), "scale": scale}
        taken = self.call("Page.captureScreenshot", clip=clip, captureBeyondViewport=True)
        return b64decode(taken["data"])

    def close(self) -> None:
        """Stop Chromium."""
        self._session = None
        self.call("Browser.close")

    def _receive(self) -> dict[str, Any]:
        message = bytearray()
        while (byte := self._responses.read(1)) != b"\0":
            assert byte, "Chromium has ended"
            message += byte
        decoded: dict[str, Any] = json.loads(message)
        self._events.append(decoded.get("method", ""))
        return decoded


@contextmanager
def browser(folder: Path) -> Iterator[Browser]:
    """Run Chromium with a profile in `folder` until the block ends."""
    chromium = shutil.which("chromium")
    assert chromium is not None
    their_in, our_out = os.pipe()
    our_in, their_out = os.pipe()

    def as_expected() -> None:
        # Chromium reads from descriptor 3 and writes to 4; first move both ends away from these
        # numbers.
        reading, writing = os.dup2(their_in, 100), os.dup2(their_out, 101)
        os.dup2(reading, 3)
        os.dup2(writing, 4)

    process = subprocess.Popen(
        [chromium, *FLAGS, f"--user-data-dir={folder}/profile"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        close_fds=False,
        preexec_fn=as_expected,  # noqa: PLW1509  runs before any thread of the tests
    )
    os.close(their_in)
    os.close(their_out)
    # If Chromium hung, the test would wait for its response forever.
    deadline = threading.Timer(TIMEOUT_SECONDS, process.kill)
    deadline.start()
    try:
        with os.fdopen(our_out, "wb") as requests, os.fdopen(our_in, "rb") as responses:
            shown = Browser(requests, responses)
            yield shown
            # The processes of Chromium write to the profile until they exit.
            shown.close()
            process.wait(timeout=20)
    finally:
        deadline.cancel()
        process.kill()
        process.wait(timeout=20)

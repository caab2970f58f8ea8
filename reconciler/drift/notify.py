"""Notifications to chat, mail and webhooks, sent by apprise (extra `notify`).

The text of a message: `reconciler.views.notification`. The URL of a channel contains a token, so
messages, errors and logs show only its scheme.
"""

import logging
import re
from collections.abc import Callable, Iterable, Sequence
from threading import Thread
from types import ModuleType

from reconciler.diagnostics import Diagnostic, error, warning
from reconciler.errors import InvalidInput
from reconciler.frozen_dataclass import dataclass

TIMEOUT_SECONDS = 30.0
"""Timeout of all channels together: a run must not wait for a chat server."""

_CHANNEL_HINT = "use a URL such as slack://…; the documentation of apprise lists them"
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]{0,31})://")


@dataclass(frozen=True, slots=True)
class Message:
    """Message to every channel: plain text in both parts."""

    title: str
    body: str


@dataclass(slots=True)
class _Channel:
    """One URL and its result; `problem` becomes None when the message is delivered."""

    name: str
    problem: str | None
    deliver: Callable[..., object] | None = None

    def send(self, message: Message) -> None:
        """Deliver a message, and set `problem`."""
        # apprise refused the URL, and `problem` already says so.
        if self.deliver is None:
            return
        try:
            delivered = self.deliver(
                title=message.title, body=message.body, body_format="text", notify_type="warning"
            )
        except Exception as reason:  # noqa: BLE001  one channel must not fail the others
            self.problem = f"it failed ({type(reason).__name__})"
        else:
            self.problem = None if delivered else "it refused the message or could not be reached"


def _require_apprise() -> ModuleType:
    """Return the library; raise `InvalidInput` with the extra to install."""
    try:
        import apprise  # noqa: PLC0415  an extra, needed for --notify alone
    except ImportError:
        problem = error(
            "missing-extra",
            "--notify needs the package apprise, which is not installed",
            hint="pip install 'portkey-reconciler[notify]'",
        )
        raise InvalidInput([problem]) from None
    # It logs the tokens of URLs that it cannot parse.
    logging.getLogger("apprise").disabled = True
    return apprise


def require_channels(urls: Iterable[str]) -> None:
    """Raise `InvalidInput` with every URL that apprise cannot parse, without the URL itself."""
    apprise = _require_apprise()
    channels = [_channel(apprise, number, url) for number, url in enumerate(urls, start=1)]
    problems = [
        error("bad-channel", f"--notify: {channel.name}: {channel.problem}", hint=_CHANNEL_HINT)
        for channel in channels
        if channel.deliver is None
    ]
    if problems:
        raise InvalidInput(problems)


def notify(
    urls: Sequence[str], message: Message, *, timeout: float = TIMEOUT_SECONDS
) -> tuple[Diagnostic, ...]:
    """Send a message to all channels concurrently; return a warning for each that failed.

    Raises `InvalidInput` if apprise is not installed, and never for a channel.
    """
    apprise = _require_apprise()
    channels = [_channel(apprise, number, url) for number, url in enumerate(urls, start=1)]
    # Daemon threads, so that a slow server delays neither the other channels nor the exit.
    threads = [Thread(target=c.send, args=(message,), daemon=True) for c in channels]
    # One more thread joins them, so that a single timeout covers all channels.
    waiter = Thread(target=_join_all, args=(threads,), daemon=True)
    for thread in (*threads, waiter):
        thread.start()
    waiter.join(timeout)
    # Read only once, because a late channel may still set its problem.
    results = [(channel.name, channel.problem) for channel in channels]
    return tuple(
        warning("not-notified", f"{name} was not notified: {problem}")
        for name, problem in results
        if problem is not None
    )


def _join_all(threads: Iterable[Thread]) -> None:
    for thread in threads:
        thread.join()


def _channel(apprise: ModuleType, number: int, url: str) -> _Channel:
    """Open a channel; messages identify it by its number and its scheme."""
    scheme = _SCHEME.match(url)
    name = f"channel {number} ({scheme[1].lower()})" if scheme else f"channel {number}"
    # Each channel already has a thread, and a redirect would send the token to another host.
    asset = apprise.AppriseAsset(app_id="reconcile", async_mode=False, http_redirects=False)
    client = apprise.Apprise(asset=asset)
    if not client.add(url):
        return _Channel(name, "apprise does not support its URL")
    return _Channel(name, "it did not respond in time", client.notify)

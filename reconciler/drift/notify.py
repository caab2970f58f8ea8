"""Tell people where they are: chat, mail, webhooks, by way of apprise (extra `notify`).

What is told is worded in `reconciler.views.notification`. A channel's URL holds its token, so no
message, error or log of ours ever has more of it than its scheme.
"""

import logging
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from threading import Thread
from types import ModuleType

from reconciler.diagnostics import Diagnostic, error, warning
from reconciler.domain.rejection import InvalidInput

PATIENCE_SECONDS = 30.0
"""How long all channels together may take; a run must not hang on a chat server."""

_CHANNEL_HINT = "a URL looks like slack://…; apprise's documentation lists what it can tell"
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]{0,31})://")


@dataclass(frozen=True, slots=True)
class Message:
    """What is sent to every channel: plain text in both parts."""

    title: str
    body: str


@dataclass(slots=True)
class _Channel:
    """One URL and what became of it; `problem` is None once the message was delivered."""

    name: str
    problem: str | None
    deliver: Callable[..., object] | None = None

    def send(self, message: Message) -> None:
        """Deliver, or note why not."""
        if self.deliver is None:
            return
        try:
            delivered = self.deliver(
                title=message.title, body=message.body, body_format="text", notify_type="warning"
            )
        except Exception as reason:  # noqa: BLE001  any channel's fault is that channel's alone
            self.problem = f"it failed ({type(reason).__name__})"
        else:
            self.problem = None if delivered else "it was refused or could not be reached"


def require_apprise() -> ModuleType:
    """Give the library, or say how to get it, before a run begins that will want it."""
    try:
        import apprise  # noqa: PLC0415  an extra: only who notifies has to have it
    except ImportError:
        problem = error(
            "missing-extra",
            "--notify needs the package apprise, which is not installed",
            hint="pip install 'portkey-reconciler[notify]'",
        )
        raise InvalidInput([problem]) from None
    # It logs tokens that it does not understand.
    logging.getLogger("apprise").disabled = True
    return apprise


def require_channels(urls: Iterable[str]) -> None:
    """Raise `InvalidInput` that names, without its URL, each channel that cannot be one."""
    apprise = require_apprise()
    problems = [
        error("bad-channel", f"--notify: {channel.name}: {channel.problem}", hint=_CHANNEL_HINT)
        for number, url in enumerate(urls, start=1)
        if (channel := _channel(apprise, number, url)).deliver is None
    ]
    if problems:
        raise InvalidInput(problems)


def notify(
    urls: Sequence[str], message: Message, *, patience: float = PATIENCE_SECONDS
) -> tuple[Diagnostic, ...]:
    """Send a message to every channel at once and give a warning for each that did not take it.

    Never raises for a channel; raises `InvalidInput` where apprise is not installed.
    """
    apprise = require_apprise()
    channels = [_channel(apprise, number, url) for number, url in enumerate(urls, start=1)]
    # Threads that die with the process: a server that drips bytes delays neither others nor exit.
    threads = [Thread(target=c.send, args=(message,), daemon=True) for c in channels]
    everybody = Thread(target=_wait, args=(threads,), daemon=True)
    for thread in (*threads, everybody):
        thread.start()
    everybody.join(patience)
    return tuple(
        warning("not-notified", f"{channel.name} was not notified: {problem}")
        for channel in channels
        if (problem := channel.problem) is not None
    )


def _wait(threads: Iterable[Thread]) -> None:
    for thread in threads:
        thread.join()


def _channel(apprise: ModuleType, number: int, url: str) -> _Channel:
    """Open a channel by its URL; in messages it is known by its place and its scheme."""
    scheme = _SCHEME.match(url)
    name = f"channel {number} ({scheme[1].lower()})" if scheme else f"channel {number}"
    # One thread a channel is enough, and a redirect would carry the token to another host.
    asset = apprise.AppriseAsset(app_id="reconcile", async_mode=False, http_redirects=False)
    client = apprise.Apprise(asset=asset)
    if not client.add(url):
        return _Channel(name, "its URL is not one that apprise understands")
    return _Channel(name, "it did not answer in time", client.notify)

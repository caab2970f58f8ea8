"""Notification of channels about drift or a failed apply; a failing channel is a warning.

Messages are built in `reconciler.views.notification` and sent by `reconciler.drift.notify`.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from reconciler.cli.console import Console

if TYPE_CHECKING:
    from reconciler.drift.notify import Message
    from reconciler.drift.report import DriftReport
    from reconciler.execution.result import ApplyResult
    from reconciler.views.sections import CommandContext


def check(channels: Sequence[str]) -> None:
    """Raise `InvalidInput`, before any work, if channels cannot be notified."""
    if channels:
        from reconciler.drift.notify import require_channels

        require_channels(channels)


def drift(
    console: Console,
    channels: Sequence[str],
    report: "DriftReport",
    *,
    ledger: str,
    context: "CommandContext",
) -> bool:
    """Notify every channel of the differences; return False if there are only failed channels."""
    if not channels:
        return True
    from reconciler.views import notification

    message = notification.of_drift(report, ledger=ledger, context=context)
    return _send(console, channels, message) > 0


def failed_apply(
    console: Console,
    channels: Sequence[str],
    result: "ApplyResult",
    *,
    ledger: str,
    context: "CommandContext",
) -> None:
    """Notify every channel of the actions that were not applied."""
    if channels:
        from reconciler.views import notification

        message = notification.of_failed_apply(result, ledger=ledger, context=context)
        _send(console, channels, message)


def _send(console: Console, channels: Sequence[str], message: "Message") -> int:
    """Return the number of channels that were notified."""
    from reconciler.drift.notify import notify
    from reconciler.views.diagnostics import as_text

    failures = notify(channels, message)
    if failures:
        console.warning(as_text(failures))
    notified = len(channels) - len(failures)
    if notified:
        console.info(f"notified {notified} of {len(channels)} channels")
    return notified

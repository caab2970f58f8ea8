"""Telling channels what a command found: the message is worded and sent, a failure is a warning.

The words: `reconciler.views.notification`. The sending: `reconciler.drift.notify`.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from reconciler.cli.console import Console

if TYPE_CHECKING:
    from reconciler.drift.notify import Message
    from reconciler.drift.report import DriftReport
    from reconciler.execution.result import ApplyResult
    from reconciler.views.suggested_command import CommandContext


def check(channels: Sequence[str]) -> None:
    """Insist, before any work, that channels can be told at all."""
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
) -> None:
    """Tell every channel what differs."""
    if channels:
        from reconciler.views import notification

        _send(console, channels, notification.of_drift(report, ledger=ledger, context=context))


def failed_apply(
    console: Console, channels: Sequence[str], result: "ApplyResult", *, ledger: str
) -> None:
    """Tell every channel what an apply did not do."""
    if channels:
        from reconciler.views import notification

        _send(console, channels, notification.of_failed_apply(result, ledger=ledger))


def _send(console: Console, channels: Sequence[str], message: "Message") -> None:
    from reconciler.drift.notify import notify
    from reconciler.views.diagnostics import as_text

    failures = notify(channels, message)
    if failures:
        console.insist(as_text(failures))
    told = len(channels) - len(failures)
    if told:
        console.say(f"told {told} of {len(channels)} channels")

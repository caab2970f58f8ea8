"""Drift reports read back from JSON.

As with plans (`reconciler.planning.codec`) a file is somebody's word: its shape is checked and its
fingerprint computed anew.
"""

import json
from types import MappingProxyType
from typing import Any

from reconciler.drift.report import KIND, DriftReport
from reconciler.errors import ReconcilerError
from reconciler.planning.actions import ChangeOrigin
from reconciler.planning.codec import plan_from, what_is_wrong


class UnreadableReport(ReconcilerError):
    """The text is not a drift report that this version understands."""

    exit_code = 3


def decode(text: str, *, name: str) -> DriftReport:
    """Read a report; `name` says in errors where it came from."""
    try:
        document = json.loads(text)
        if not isinstance(document, dict) or document.get("kind") != KIND:
            raise _unreadable(name, "it is not a drift report")
        if document.get("format_version") != "1":
            raise _unreadable(name, "it has another format version")
        report = _report(document)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as problem:
        raise _unreadable(name, what_is_wrong(problem)) from None
    if (document["fingerprint"], document["in_sync"]) != (report.fingerprint, report.in_sync):
        raise _unreadable(name, "its content does not have the fingerprint it claims")
    return report


def _report(document: dict[str, Any]) -> DriftReport:
    origins = {slug: ChangeOrigin(origin) for slug, origin in document["origins"].items()}
    return DriftReport(
        plan=plan_from({**document, "actions": document["items"]}),
        origins=MappingProxyType(origins),
        not_read=int(document["not_read"]),
    )


def _unreadable(name: str, why: str) -> UnreadableReport:
    return UnreadableReport(
        f"{name}: {why}", code="unreadable-report", hint="make one with `drift --format json`"
    )

"""Drift reports from JSON text.

As with plans (`reconciler.planning.codec`), a file is not trusted: its structure is checked, and
its fingerprint is computed again. `as_json` methods write the values, so that a check does not load
the models of documents.
"""

from datetime import date
from types import MappingProxyType
from typing import Literal, NotRequired

from pydantic import StrictBool, StrictInt
from typing_extensions import TypedDict  # pydantic accepts typing's own from Python 3.12 on

from reconciler.drift.report import KIND, DriftReport
from reconciler.drift.retirements import Retirement
from reconciler.drift.who import Certainty, FieldWho, Reason, Who, Writer
from reconciler.errors import ReconcilerError
from reconciler.planning.actions import ChangeOrigin
from reconciler.planning.codec import build_plan
from reconciler.planning.documents import (
    ActionDocument,
    ComparisonDocument,
    Count,
    Digest,
    Time,
    parse_json,
    validated,
    what_is_wrong,
)


class WriterDocument(TypedDict):
    time: Time | None
    actor: Literal["user", "api_key", "run", "unknown"]
    id: str | None
    method: str
    source: Literal["ui", "api", "unknown"]


class FieldWhoDocument(TypedDict):
    slug: str
    path: str | None
    verdict: Certainty
    reason: Reason | None
    writers: list[WriterDocument]


class WhoDocument(TypedDict):
    since: Time | None
    until: Time | None
    complete: StrictBool
    calls: Count
    fields: list[FieldWhoDocument]


class RetirementDocument(TypedDict):
    slug: str
    model: str
    retires: date
    days_left: StrictInt
    threshold: StrictInt
    due: StrictBool


class DriftDocument(ComparisonDocument):
    """Report as `reconcile drift` prints it as JSON."""

    kind: Literal["drift_report"]
    in_sync: StrictBool
    fingerprint: Digest
    items: list[ActionDocument]
    not_read: Count
    origins: dict[str, ChangeOrigin]
    # Reports of 0.1.0 do not have it.
    partial: NotRequired[StrictBool]
    # Only with `drift --who`.
    who: NotRequired[WhoDocument]
    retiring: NotRequired[list[RetirementDocument]]


class UnreadableReport(ReconcilerError):
    """The text is not a drift report of this version."""

    exit_code = 3


def decode_report(text: str, *, name: str) -> DriftReport:
    """Parse a report; `name` identifies the file in errors.

    Raises `UnreadableReport` for a wrong shape or a fingerprint that does not match.
    """
    try:
        # The version comes before the shape: a report of a newer release is not malformed.
        document = validated(DriftDocument, _of_this_version(parse_json(text), name))
        report = DriftReport(
            plan=build_plan(document, document["items"]),
            origins=MappingProxyType(document["origins"]),
            not_read=document["not_read"],
            partial=document.get("partial", False),
            who=_who(document["who"]) if "who" in document else None,
            retiring=tuple(_retirement(item) for item in document.get("retiring", ())),
        )
    except (ValueError, RecursionError) as problem:
        raise _unreadable(name, what_is_wrong(problem)) from None
    is_intact = report.plan.has_digest(document["fingerprint"])
    # `in_sync` is not part of the fingerprint, so an edited value could close an issue.
    if not is_intact or document["in_sync"] != report.in_sync:
        raise _unreadable(name, "its content does not match its fingerprint")
    return report


def _of_this_version(document: object, name: str) -> object:
    if not isinstance(document, dict) or document.get("kind") != KIND:
        raise _unreadable(name, "it is not a drift report")
    if document.get("format_version") != "1":
        raise _unreadable(name, "it has another format version")
    return document


def _unreadable(name: str, problem: str) -> UnreadableReport:
    return UnreadableReport(
        f"{name}: {problem}",
        code="unreadable-report",
        hint="create one with `reconcile drift --format json`",
    )


def _retirement(document: RetirementDocument) -> Retirement:
    """Build a retirement from its document."""
    return Retirement(
        document["slug"],
        document["model"],
        document["retires"],
        document["days_left"],
        document["due"],
    )


def _who(document: WhoDocument) -> Who:
    """Return the value of a validated document."""
    fields = tuple(
        FieldWho(
            slug=item["slug"],
            path=item["path"],
            verdict=Certainty(item["verdict"]),
            writers=tuple(Writer(**writer) for writer in item["writers"]),
            reason=None if item["reason"] is None else Reason(item["reason"]),
        )
        for item in document["fields"]
    )
    return Who(
        fields=fields,
        since=document["since"],
        until=document["until"],
        complete=document["complete"],
        calls=document["calls"],
    )

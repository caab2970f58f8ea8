"""Counts for the widget of a merge request, in the form of `artifacts:reports:terraform`."""

import json
from typing import assert_never

from reconciler.drift.report import DriftReport
from reconciler.execution.result import ApplyResult, Status
from reconciler.github.inputs import Document, FailedCommand, FleetReport
from reconciler.planning.actions import ActionKind


def terraform_report(document: Document) -> str | None:
    """Return the counts of remaining actions as JSON, None if they are not known.

    A replace counts as a create and a delete, as in Terraform.
    """
    match document:
        case ApplyResult():
            kinds = [item.kind for item in document.outcomes if item.status is not Status.APPLIED]
        case DriftReport():
            kinds = [action.kind for action in document.plan.actions]
        case FailedCommand() | FleetReport():
            return None
        case _:
            kinds = [action.kind for action in document.actions]
    counts = {"create": 0, "update": 0, "delete": 0}
    for kind in kinds:
        for name in _names_of(kind):
            counts[name] += 1
    return json.dumps(counts) + "\n"


def _names_of(kind: ActionKind) -> tuple[str, ...]:
    match kind:
        case ActionKind.REPLACE:
            return ("create", "delete")
        case ActionKind.CREATE | ActionKind.UPDATE | ActionKind.DELETE:
            return (kind.value,)
        case _:
            assert_never(kind)

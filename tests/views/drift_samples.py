"""Drift reports for tests, made by the detector from built plans."""

from dataclasses import replace
from datetime import date

from reconciler.diagnostics import warning
from reconciler.domain.state import LastApplied
from reconciler.drift.report import DriftReport, detect_drift
from reconciler.drift.retirements import Retirement
from reconciler.drift.who import Certainty, FieldWho, Reason, Who, Writer
from reconciler.planning.actions import (
    Action,
    ActionInputs,
    ActionKind,
    Change,
    ChangeKind,
    ChangeOrigin,
    Risk,
)
from reconciler.planning.plan import Undeclared, Unverified
from tests.views import samples


def moved(action: Action, origin: ChangeOrigin) -> Action:
    """Return an action whose changes all have this origin."""
    return replace(action, changes=tuple(replace(c, origin=origin) for c in action.changes))


def edited_in_the_api(slug: str = "bedrock-eu") -> Action:
    return Action(
        slug=slug,
        kind=ActionKind.UPDATE,
        reason="configurations and description differ",
        risk=Risk.RESTRICTIVE,
        changes=(
            Change(
                "configurations.aws_region",
                ChangeKind.REPLACE,
                Risk.RESTRICTIVE,
                before="us-east-1",
                after="eu-central-1",
                origin=ChangeOrigin.REMOTE,
            ),
            Change(
                "description",
                ChangeKind.REPLACE,
                Risk.COSMETIC,
                before="edited by hand",
                after="Bedrock, EU",
                origin=ChangeOrigin.REMOTE,
            ),
        ),
        source=samples.place(slug),
    )


def retiring() -> DriftReport:
    """Return a report without drift: three models retire, and one of them is announced."""
    found = warning(
        "model-retiring",
        "openai-main: model `gpt-4` retires on 2027-01-31, in 7 days",
        hint="declare its successor before that day",
        at=samples.place("openai-main", 12),
    )
    day = date(2027, 1, 31)
    report = in_sync()
    return replace(
        report,
        plan=replace(report.plan, diagnostics=(found,)),
        retiring=(
            Retirement("openai-main", "gpt-3.5-turbo", date(2026, 1, 31), -300),
            Retirement("openai-main", "gpt-4", day, 7, is_due=True),
            Retirement("openai-main", "gpt-4o", date(2027, 4, 1), 67),
        ),
    )


def withdrawn() -> Action:
    """Return the delete of an integration that Git once declared."""
    return replace(
        samples.deletion(),
        reason="no longer declared",
        source=None,
        subject=ActionInputs(remembered=LastApplied(declared={"name": "Old"})),
    )


def in_sync() -> DriftReport:
    return detect_drift(
        samples.plan(
            no_op=12,
            unmanaged=("by-hand-1", "by-hand-2"),
            undeclared=(Undeclared("azure-search", "tags"),),
        )
    )


def drifted() -> DriftReport:
    """Return drift after another client edited one integration and deleted another."""
    return detect_drift(
        samples.plan(
            moved(samples.creation(), ChangeOrigin.REMOTE),
            edited_in_the_api(),
            no_op=7,
            commit="4f2c9d1e8b7a6f5e4d3c2b1a0f9e8d7c6b5a4f3e",
            unmanaged=tuple(f"by-hand-{n:02d}" for n in range(23)),
            undeclared=(Undeclared("azure-search", "configurations.custom_host"),),
            diagnostics=(
                warning(
                    "undeclared-host",
                    "`azure-search` has a `custom_host` that no file declares",
                    hint="declare it, or remove it in Portkey",
                    at=samples.place("azure-search", 3),
                ),
            ),
        )
    )


def spending() -> DriftReport:
    """Return a report of budgets and prices that were changed in the API."""
    planned = samples.costly_plan()
    edited = moved(replace(planned.actions[0], blocked_by=()), ChangeOrigin.REMOTE)
    return detect_drift(replace(planned, actions=(edited,), diagnostics=()))


def git_ahead() -> DriftReport:
    """Return drift after changes in Git only: one integration added, one changed, one removed."""
    return detect_drift(
        samples.plan(
            moved(samples.creation(), ChangeOrigin.LOCAL),
            moved(samples.reference_change(), ChangeOrigin.LOCAL),
            withdrawn(),
            no_op=3,
        )
    )


def every_origin() -> DriftReport:
    """Return drift with every origin, one of them blocked."""
    return detect_drift(
        samples.plan(
            moved(samples.creation(), ChangeOrigin.LOCAL),
            samples.update(),
            edited_in_the_api(),
            replace(
                samples.deletion("protected"), reason="not declared, and prune is all", source=None
            ),
            no_op=1,
            unverified=(Unverified("bedrock-us", "key", "env:SECRET_BEDROCK_US"),),
            diagnostics=(warning("protected", "`old-openai` is protected, but would be deleted"),),
        )
    )


ANN = "3c90c3cc-0d44-4b50-8888-8dd25736052a"


def attributed(identity: str = ANN, method: str = "PUT") -> DriftReport:
    """Return drift with attribution of every verdict; `identity` is that of a user."""
    report = drifted()
    deleted, edited = report.items
    user = Writer("2026-11-29T09:30:00.000Z", "user", identity, method, "ui")
    key = Writer("2026-11-29T09:10:00.000Z", "api_key", "ci-key", "PUT", "api")
    answers = [FieldWho(deleted.slug, None, Certainty.KNOWN, (replace(user, method="DELETE"),))]
    verdicts = [
        (Certainty.KNOWN, (user,), None),
        (Certainty.AMBIGUOUS, (user, key), None),
        (Certainty.AMBIGUOUS, (user,), Reason.EARLIER_CHANGE),
        (Certainty.UNKNOWN, (), Reason.LOG_BEGINS_LATER),
    ]
    for change, (verdict, writers, reason) in zip(edited.changes, verdicts, strict=False):
        answers.append(FieldWho(edited.slug, change.path, verdict, writers, reason))
    window = ("2026-11-28T08:00:00.000Z", "2026-11-29T11:00:00.000Z")
    return replace(report, who=Who(tuple(answers), *window, calls=2))

"""Golden texts for GitHub: each case writes one file in tests/golden/github.

`python -m tests.github.golden` updates the files; review their diff.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from reconciler.diagnostics import SourceLocation, error
from reconciler.execution.result import ActionFailure
from reconciler.github.bodies import ReportContext, ReportKind, marker_of, text_of
from reconciler.github.inputs import Document, FailedCommand
from reconciler.ledger.models import Anchor
from reconciler.planning.plan import Plan
from tests.views import drift_samples, samples

FOLDER = Path(__file__).parent.parent / "golden" / "github"
WORKFLOWS = "https://github.com/acme/gateway/actions/workflows"
CONTEXT = ReportContext(
    environment="production",
    ledger="shared",
    apply_url=f"{WORKFLOWS}/apply.yml",
    is_pull_request=True,
    plan_age_hours=168,
)
PLAN = samples.plan(samples.creation())
BROKEN = error(
    "unknown-field",
    "`descripton` is not a field of an integration",
    hint="did you mean `description`?",
    at=SourceLocation("desired-state/integrations/openai-main.yaml", 3, 1),
)


def body(kind: ReportKind, document: Document, **facts: str) -> str:
    marker = marker_of(document, kind=kind, environment=CONTEXT.environment)
    workflow = "drift.yml" if kind is ReportKind.DRIFT else "apply.yml"
    context = replace(CONTEXT, workflow_url=f"{WORKFLOWS}/{workflow}", **facts)
    return marker.line + text_of(document, kind=kind, context=context)


def refused(code: str, plan: Plan | None = None) -> FailedCommand:
    return FailedCommand(4, (error(code, f"this is why: {code}", hint="this is what helps"),), plan)


CASES: dict[str, Callable[[], str]] = {
    "plan.md": lambda: body(ReportKind.PLAN, samples.mixed_plan()),
    "plan-outside-window.md": lambda: body(
        ReportKind.PLAN, replace(PLAN, opens_at="2027-01-04T08:00:00Z")
    ),
    "plan-not-soaked.md": lambda: body(
        ReportKind.PLAN, replace(PLAN, soaked_at="2027-01-04T08:00:00Z")
    ),
    "plan-judged.md": lambda: body(ReportKind.PLAN, samples.judged_plan()),
    "apply-policy-changed.md": lambda: body(ReportKind.RESULT, refused("policy-changed", PLAN)),
    "plan-not-made.md": lambda: body(ReportKind.PLAN, FailedCommand(3, (BROKEN,))),
    "result-partial.md": lambda: body(
        ReportKind.RESULT, samples.partial_result(samples.mixed_plan())
    ),
    "result-complete.md": lambda: body(
        ReportKind.RESULT,
        replace(samples.complete_result(PLAN), ledger=Anchor("1f" * 32, 7, f"sha256:{'2e' * 32}")),
        run_url="https://github.com/acme/gateway/actions/runs/4711",
        actor="carol",
        time="2026-11-29 07:30 UTC",
    ),
    "result-not-recorded.md": lambda: body(
        ReportKind.RESULT,
        replace(
            samples.complete_result(PLAN),
            ledger=ActionFailure("ledger-timeout", "the database did not answer"),
        ),
    ),
    "result-outside-window.md": lambda: body(
        ReportKind.RESULT,
        replace(samples.complete_result(PLAN), break_freeze="INC-1234: leaked key"),
    ),
    "apply-not-approved.md": lambda: body(ReportKind.RESULT, refused("not-approved", PLAN)),
    "apply-not-approved-blocked.md": lambda: body(
        ReportKind.RESULT, refused("not-approved", samples.plan(samples.deletion("protected")))
    ),
    "apply-not-soaked.md": lambda: body(ReportKind.RESULT, refused("not-soaked", PLAN)),
    "apply-outside-window.md": lambda: body(ReportKind.RESULT, refused("outside-window", PLAN)),
    "apply-blocked.md": lambda: body(
        ReportKind.RESULT, refused("protected", samples.plan(samples.deletion("protected")))
    ),
    "apply-failed.md": lambda: body(ReportKind.RESULT, FailedCommand(1, (BROKEN,))),
    "drift.md": lambda: body(ReportKind.DRIFT, drift_samples.drifted()),
    "drift-who.md": lambda: body(ReportKind.DRIFT, drift_samples.attributed()),
}


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, make in CASES.items():
        (FOLDER / name).write_text(make(), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()

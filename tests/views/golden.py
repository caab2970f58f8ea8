"""Golden outputs: each case writes one file in tests/golden/views.

`python -m tests.views.golden` rewrites the files; review their diff.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from reconciler.diagnostics import error
from reconciler.views import html, json, listings, markdown, notification, terminal
from reconciler.views.render_options import RenderOptions
from reconciler.views.sections import CommandContext
from tests.views import drift_samples, samples

FOLDER = Path(__file__).parent.parent / "golden" / "views"

MIXED = samples.mixed_plan()
BLOCKED = samples.blocked_plan()
IN_USE = samples.used_plan()
JUDGED = samples.judged_plan()
COSTLY = samples.costly_plan()
SPENT = samples.costly_result(COSTLY)
PARTIAL = samples.partial_result(MIXED)
COMPLETE = samples.complete_result(MIXED)
STAGED = samples.staged_plan()
DEAD = samples.dead_result(STAGED)
OUTSIDE = replace(COMPLETE, break_freeze="INC-1234: leaked key", allow_unsoaked="INC-1234")

DRIFTED = drift_samples.drifted()
ATTRIBUTED = drift_samples.attributed()
RETIRING = drift_samples.retiring()
SPENDING = drift_samples.spending()
EVERY_ORIGIN = drift_samples.every_origin()
CONTEXT = CommandContext(
    global_options=("--dir", "config"), plan_options=("--only", "team-*", "--base", "main")
)
SHARED = RenderOptions(ledger="shared")
LOCAL = RenderOptions(ledger="local")
FRESH = RenderOptions(ledger="fresh")
SHARED_WITH_PLAN = replace(SHARED, plan=MIXED)
LOCAL_WITH_PLAN = replace(LOCAL, plan=MIXED)
FRESH_WITH_CONTEXT = replace(FRESH, context=CONTEXT)

CASES: dict[str, Callable[[], str]] = {
    "plan-mixed.txt": lambda: terminal.plan(MIXED, replace(SHARED, width=120)),
    "plan-mixed-80-columns.txt": lambda: terminal.plan(MIXED, replace(SHARED, width=80)),
    "plan-mixed-colour.ansi": lambda: terminal.plan(MIXED, replace(SHARED, width=80, color=True)),
    "plan-mixed.md": lambda: markdown.plan(MIXED, SHARED),
    "plan-mixed.html": lambda: html.plan(MIXED, SHARED),
    "plan-mixed.json": lambda: json.document(MIXED.as_json()),
    "plan-empty.txt": lambda: terminal.plan(samples.empty_plan(), FRESH),
    "plan-empty.md": lambda: markdown.plan(samples.empty_plan(), FRESH),
    "plan-blocked.txt": lambda: terminal.plan(BLOCKED, LOCAL),
    "plan-blocked.md": lambda: markdown.plan(BLOCKED, LOCAL),
    "plan-in-use.txt": lambda: terminal.plan(IN_USE, LOCAL),
    "plan-in-use.md": lambda: markdown.plan(IN_USE, LOCAL),
    "plan-in-use.html": lambda: html.plan(IN_USE, LOCAL),
    "plan-in-use.json": lambda: json.document(IN_USE.as_json()),
    "plan-judged.txt": lambda: terminal.plan(JUDGED, SHARED),
    "plan-judged-verbose.txt": lambda: terminal.plan(JUDGED, replace(SHARED, verbose=True)),
    "plan-judged.md": lambda: markdown.plan(JUDGED, SHARED),
    "plan-judged.html": lambda: html.plan(JUDGED, SHARED),
    "plan-judged.json": lambda: json.document(JUDGED.as_json()),
    "plan-costs.txt": lambda: terminal.plan(COSTLY, SHARED),
    "plan-costs.md": lambda: markdown.plan(COSTLY, SHARED),
    "plan-costs.html": lambda: html.plan(COSTLY, SHARED),
    "plan-costs.json": lambda: json.document(COSTLY.as_json()),
    "plan-undo.txt": lambda: terminal.plan(samples.undo_plan(), LOCAL),
    "plan-undo.md": lambda: markdown.plan(samples.undo_plan(), LOCAL),
    "plan-undo.json": lambda: json.document(samples.undo_plan().as_json()),
    "plan-cut.md": lambda: markdown.plan(samples.large_plan(), LOCAL, limit=8192),
    "result-partial.txt": lambda: terminal.result(PARTIAL, SHARED_WITH_PLAN),
    "result-partial-no-plan.txt": lambda: terminal.result(PARTIAL, SHARED),
    "result-partial.md": lambda: markdown.result(PARTIAL, SHARED_WITH_PLAN),
    "result-partial.html": lambda: html.result(PARTIAL, SHARED_WITH_PLAN),
    "result-partial.json": lambda: json.document(PARTIAL.as_json()),
    "result-complete.txt": lambda: terminal.result(COMPLETE, LOCAL_WITH_PLAN),
    "result-complete.md": lambda: markdown.result(COMPLETE, LOCAL_WITH_PLAN),
    "plan-staged.txt": lambda: terminal.plan(STAGED, SHARED),
    "plan-staged.md": lambda: markdown.plan(STAGED, SHARED),
    "plan-staged.html": lambda: html.plan(STAGED, SHARED),
    "plan-staged.json": lambda: json.document(STAGED.as_json()),
    "result-credential-dead.txt": lambda: terminal.result(DEAD, SHARED),
    "result-credential-dead.md": lambda: markdown.result(DEAD, SHARED),
    "result-credential-dead.html": lambda: html.result(DEAD, SHARED),
    "result-credential-dead.json": lambda: json.document(DEAD.as_json()),
    "result-outside-window.txt": lambda: terminal.result(OUTSIDE, LOCAL_WITH_PLAN),
    "result-outside-window.md": lambda: markdown.result(OUTSIDE, LOCAL_WITH_PLAN),
    "result-outside-window.html": lambda: html.result(OUTSIDE, LOCAL_WITH_PLAN),
    "result-outside-window.json": lambda: json.document(OUTSIDE.as_json()),
    "result-costs.txt": lambda: terminal.result(SPENT, SHARED),
    "result-costs.md": lambda: markdown.result(SPENT, SHARED),
    "result-costs.html": lambda: html.result(SPENT, SHARED),
    "result-costs.json": lambda: json.document(SPENT.as_json()),
    "drift-costs.txt": lambda: terminal.drift(SPENDING, SHARED),
    "drift-costs.md": lambda: markdown.drift(SPENDING, SHARED),
    "drift-costs.html": lambda: html.drift(SPENDING, SHARED),
    "drift-costs.json": lambda: json.document(SPENDING.as_json()),
    "drift-costs-channel.txt": lambda: notification.of_drift(SPENDING, ledger="shared").body,
    "drift-none.txt": lambda: terminal.drift(drift_samples.in_sync(), SHARED),
    "drift-none.md": lambda: markdown.drift(drift_samples.in_sync(), SHARED),
    "drift-none.html": lambda: html.drift(drift_samples.in_sync(), SHARED),
    "drift-none.json": lambda: json.document(drift_samples.in_sync().as_json()),
    "drift-api.txt": lambda: terminal.drift(DRIFTED, SHARED),
    "drift-api-colour.ansi": lambda: terminal.drift(DRIFTED, replace(SHARED, color=True)),
    "drift-api.md": lambda: markdown.drift(DRIFTED, SHARED),
    "drift-api.html": lambda: html.drift(DRIFTED, SHARED),
    "drift-api.json": lambda: json.document(DRIFTED.as_json()),
    "drift-api-channel.txt": lambda: notification.of_drift(DRIFTED, ledger="shared").body,
    "drift-who.txt": lambda: terminal.drift(ATTRIBUTED, SHARED),
    "drift-who.md": lambda: markdown.drift(ATTRIBUTED, SHARED),
    "drift-who.html": lambda: html.drift(ATTRIBUTED, SHARED),
    "drift-who.json": lambda: json.document(ATTRIBUTED.as_json()),
    "drift-who-channel.txt": lambda: notification.of_drift(ATTRIBUTED, ledger="shared").body,
    "drift-retiring.txt": lambda: terminal.drift(RETIRING, SHARED),
    "drift-retiring-verbose.txt": lambda: terminal.drift(RETIRING, replace(SHARED, verbose=True)),
    "drift-retiring.md": lambda: markdown.drift(RETIRING, SHARED),
    "drift-retiring.html": lambda: html.drift(RETIRING, SHARED),
    "drift-retiring.json": lambda: json.document(RETIRING.as_json()),
    "drift-retiring-channel.txt": lambda: notification.of_drift(RETIRING, ledger="shared").body,
    "drift-git.txt": lambda: terminal.drift(drift_samples.git_ahead(), LOCAL),
    "drift-git.md": lambda: markdown.drift(drift_samples.git_ahead(), LOCAL),
    "drift-git.html": lambda: html.drift(drift_samples.git_ahead(), LOCAL),
    "drift-git.json": lambda: json.document(drift_samples.git_ahead().as_json()),
    "drift-both.txt": lambda: terminal.drift(EVERY_ORIGIN, replace(FRESH_WITH_CONTEXT, width=120)),
    "drift-both.md": lambda: markdown.drift(EVERY_ORIGIN, FRESH_WITH_CONTEXT),
    "drift-both.html": lambda: html.drift(EVERY_ORIGIN, FRESH_WITH_CONTEXT),
    "drift-both.json": lambda: json.document(EVERY_ORIGIN.as_json()),
    "apply-channel.txt": lambda: notification.of_failed_apply(PARTIAL, ledger="shared").body,
    "error.json": lambda: json.error(
        [error("locked", "run-1 holds the lock", hint="wait for it")], exit_code=4
    ),
    "list.txt": lambda: listings.list_text(
        samples.observed(), target=samples.TARGET, ledger="local"
    ),
    "list.yaml": lambda: listings.list_yaml(
        samples.observed(), target=samples.TARGET, ledger="local"
    ),
    "list.json": lambda: listings.list_json(samples.observed(), target=samples.TARGET),
    "get.txt": lambda: listings.get_text(
        samples.observed_azure(), target=samples.TARGET, ledger="local"
    ),
    "get.json": lambda: listings.get_json(samples.observed_azure(), target=samples.TARGET),
}


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, make in CASES.items():
        (FOLDER / name).write_text(make(), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()

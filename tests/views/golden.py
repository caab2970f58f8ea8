"""What people see, pinned: each case makes the text of one file in tests/golden/views.

`python -m tests.views.golden` writes the files anew; the difference is for a person to read.
"""

from collections.abc import Callable
from pathlib import Path

from reconciler.diagnostics import error
from reconciler.views import html, json, listings, markdown, notification, terminal
from reconciler.views.suggested_command import CommandContext
from tests.views import drift_samples, samples

FOLDER = Path(__file__).parent.parent / "golden" / "views"

MIXED = samples.mixed_plan()
BLOCKED = samples.blocked_plan()
PARTIAL = samples.partial_result(MIXED)
COMPLETE = samples.complete_result(MIXED)

DRIFTED = drift_samples.drifted()
EVERYBODY = drift_samples.everybody_moved()
CONTEXT = CommandContext(
    global_options=("--dir", "config"), plan_options=("--only", "team-*", "--base", "main")
)

CASES: dict[str, Callable[[], str]] = {
    "plan-mixed.txt": lambda: terminal.plan(MIXED, ledger="shared", width=120),
    "plan-mixed-80-columns.txt": lambda: terminal.plan(MIXED, ledger="shared", width=80),
    "plan-mixed-colour.ansi": lambda: terminal.plan(MIXED, ledger="shared", width=80, color=True),
    "plan-mixed.md": lambda: markdown.plan(MIXED, ledger="shared"),
    "plan-mixed.html": lambda: html.plan(MIXED, ledger="shared"),
    "plan-mixed.json": lambda: json.plan(MIXED),
    "plan-empty.txt": lambda: terminal.plan(samples.empty_plan(), ledger="fresh"),
    "plan-empty.md": lambda: markdown.plan(samples.empty_plan(), ledger="fresh"),
    "plan-blocked.txt": lambda: terminal.plan(BLOCKED, ledger="local"),
    "plan-blocked.md": lambda: markdown.plan(BLOCKED, ledger="local"),
    "plan-undo.txt": lambda: terminal.plan(samples.undo_plan(), ledger="local"),
    "plan-undo.md": lambda: markdown.plan(samples.undo_plan(), ledger="local"),
    "plan-undo.json": lambda: json.plan(samples.undo_plan()),
    "plan-cut.md": lambda: markdown.plan(samples.large_plan(), ledger="local", limit=8192),
    "result-partial.txt": lambda: terminal.result(PARTIAL, MIXED, ledger="shared"),
    "result-partial-no-plan.txt": lambda: terminal.result(PARTIAL, ledger="shared"),
    "result-partial.md": lambda: markdown.result(PARTIAL, MIXED, ledger="shared"),
    "result-partial.html": lambda: html.result(PARTIAL, MIXED, ledger="shared"),
    "result-partial.json": lambda: json.result(PARTIAL),
    "result-complete.txt": lambda: terminal.result(COMPLETE, MIXED, ledger="local"),
    "result-complete.md": lambda: markdown.result(COMPLETE, MIXED, ledger="local"),
    "drift-none.txt": lambda: terminal.drift(drift_samples.in_sync(), ledger="shared"),
    "drift-none.md": lambda: markdown.drift(drift_samples.in_sync(), ledger="shared"),
    "drift-none.html": lambda: html.drift(drift_samples.in_sync(), ledger="shared"),
    "drift-none.json": lambda: json.drift(drift_samples.in_sync()),
    "drift-api.txt": lambda: terminal.drift(DRIFTED, ledger="shared"),
    "drift-api-colour.ansi": lambda: terminal.drift(DRIFTED, ledger="shared", color=True),
    "drift-api.md": lambda: markdown.drift(DRIFTED, ledger="shared"),
    "drift-api.html": lambda: html.drift(DRIFTED, ledger="shared"),
    "drift-api.json": lambda: json.drift(DRIFTED),
    "drift-api-channel.txt": lambda: notification.of_drift(DRIFTED, ledger="shared").body,
    "drift-git.txt": lambda: terminal.drift(drift_samples.git_ahead(), ledger="local"),
    "drift-git.md": lambda: markdown.drift(drift_samples.git_ahead(), ledger="local"),
    "drift-git.html": lambda: html.drift(drift_samples.git_ahead(), ledger="local"),
    "drift-git.json": lambda: json.drift(drift_samples.git_ahead()),
    "drift-both.txt": lambda: terminal.drift(EVERYBODY, ledger="fresh", context=CONTEXT, width=120),
    "drift-both.md": lambda: markdown.drift(EVERYBODY, ledger="fresh", context=CONTEXT),
    "drift-both.html": lambda: html.drift(EVERYBODY, ledger="fresh", context=CONTEXT),
    "drift-both.json": lambda: json.drift(EVERYBODY),
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

"""Files that `pull` and `undo --edit-files` changed, and the remaining steps.

The files themselves are written by `reconciler.pull`.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from reconciler.diagnostics import Diagnostic, counted, named
from reconciler.domain.schema import show_path
from reconciler.domain.secrets import MaskVerdict
from reconciler.planning.actions import Action, ActionKind, ChangeKind
from reconciler.planning.plan import Plan
from reconciler.pull.pull import PullResult, SecretCheck
from reconciler.pull.undo_edits import Restored
from reconciler.views import json
from reconciler.views.escape import visible
from reconciler.views.plan_outline import header_of

_VERDICTS = {
    MaskVerdict.AGREES: "matches the mask",
    MaskVerdict.CONTRADICTS: "does not match the mask",
    MaskVerdict.UNREADABLE: "the mask cannot be read",
}
_LISTED_FILES = 40
_NAMED_SLUGS = 10

_UNDO_NEXT = "Review the files with `git diff`, then commit and apply them like any other change."
_UNDO_NOTHING = "No file needs a change."


def pull_text(
    pulled: PullResult, *, folder: str, ledger: str, terraform: Iterable[str] = ()
) -> str:
    """Return the written files, then the next plan's actions; the last line counts both.

    `folder` is the desired-state folder as the user passed it, and `terraform` contains the lines
    about leaving Terraform.
    """
    lines = [header_of(pulled.plan.target, ledger=ledger), ""]
    lines += _written_files(pulled, folder)
    lines += _checked_secrets(pulled.secrets)
    lines += _next_plan(pulled.plan)
    lines += terraform
    return "\n".join([*lines, pull_summary(pulled)]) + "\n"


def pull_summary(pulled: PullResult) -> str:
    """Count what was pulled, the differences of the next plan, and the unverified secrets.

    `0 differences` appears only if the next plan is empty.
    """
    plan = pulled.plan
    differences = sum(_differences(action) for action in plan.actions)
    parts = [counted(len(pulled.slugs), "integration")]
    # Without a comparison of all integrations, no line may claim that there is no difference.
    if differences or not pulled.not_compared:
        parts.append(counted(differences, "difference"))
    if pulled.not_compared:
        parts.append(f"{counted(len(pulled.not_compared), 'other')} not compared")
    parts.append(f"{counted(len(plan.unverified), 'secret')} unverified")
    line = ", ".join(parts)
    if pulled.left_out:
        line += f"; {len(pulled.left_out)} left out: {_named(pulled.left_out)}"
    return line


def undo_text(restored: Restored, *, header: str, folder: str) -> str:
    """Return a line for each file that an undo changed, and the next step."""
    lines = []
    for name in restored.changed:
        # Padded, so that the names form a column.
        verb = "new    " if name in restored.new else "changed"
        lines.append(f"{verb}  {visible(f'{folder}/{name}')}")
    lines += [f"removed  {visible(f'{folder}/{name}')}" for name in restored.removed]
    lines += ["", _UNDO_NEXT] if lines else [_UNDO_NOTHING]
    return "\n".join([header, "", *lines]) + "\n"


def undo_json(restored: Restored, *, run: str, diagnostics: Iterable[Diagnostic]) -> str:
    """Return the names of the files that an undo changed as one JSON document."""
    return json.document(
        {
            "format_version": "1",
            "kind": "edit",
            "run": run,
            "changed": [name for name in restored.changed if name not in restored.new],
            "new": sorted(restored.new),
            "removed": list(restored.removed),
            "diagnostics": [item.as_json() for item in diagnostics],
        }
    )


def _written_files(pulled: PullResult, folder: str) -> Iterator[str]:
    names = list(pulled.changed)
    for name in names[:_LISTED_FILES]:
        verb = "wrote " if name in pulled.new else "edited"
        yield f"{verb} {visible(f'{folder}/{name}', limit=None)}"
    if len(names) > _LISTED_FILES:
        yield f"… and {len(names) - _LISTED_FILES} more files"
    if names:
        yield ""


def _checked_secrets(checks: Iterable[SecretCheck]) -> Iterator[str]:
    """List the secrets whose value was available to compare with the API's mask."""
    known = [(check, _VERDICTS[check.verdict]) for check in checks if check.verdict is not None]
    for check, verdict in known[:_LISTED_FILES]:
        place = visible(f"{check.slug} {show_path(check.path)}")
        yield f"{place}: {verdict} ({visible(str(check.reference))})"
    if len(known) > _LISTED_FILES:
        counts = Counter(verdict for _, verdict in known[_LISTED_FILES:])
        yield "… and " + ", ".join(f"{n} × {verdict}" for verdict, n in sorted(counts.items()))
    if known:
        yield ""


def _next_plan(plan: Plan) -> Iterator[str]:
    """List the next plan's actions; integrations that exist on only one side share a line."""
    for action in plan.actions:
        if action.kind in {ActionKind.UPDATE, ActionKind.REPLACE}:
            # An action without changes is shown only for its reason, such as a blocked replace.
            paths = ", ".join(change.path for change in action.changes)
            yield f"still differs: {visible(f'{action.slug}: {paths or action.reason}')}"
    missing = [a.slug for a in plan.actions if a.kind is ActionKind.CREATE]
    if missing:
        verb, them = ("does", "it") if len(missing) == 1 else ("do", "them")
        yield (
            f"{counted(len(missing), 'declared integration')} {verb} not exist in the API: "
            f"{_named(missing)}; the next plan would create {them}"
        )
    undeclared = [a.slug for a in plan.actions if a.kind is ActionKind.DELETE]
    if undeclared:
        verb, them = ("is", "it") if len(undeclared) == 1 else ("are", "them")
        yield (
            f"{counted(len(undeclared), 'integration')} in the API {verb} not declared here: "
            f"{_named(undeclared)}; the next plan would delete {them}"
        )
    if plan.actions:
        yield ""


def _differences(action: Action) -> int:
    """Count the changes of an integration that exists on both sides; any other counts as one."""
    if action.kind in {ActionKind.CREATE, ActionKind.DELETE}:
        return 1
    # A resend follows from another change and is not a separate difference; an action without
    # changes differs by its reason.
    return max(1, sum(change.op is not ChangeKind.RESEND for change in action.changes))


def _named(slugs: Sequence[str]) -> str:
    return named([visible(slug, limit=None) for slug in slugs], limit=_NAMED_SLUGS)

"""Fixed phrases of plans, results and drift reports: symbols, titles, hints and next steps.

This module contains only tables and short sentences, so that wording can be reviewed in one place.
`plan_outline`, `result_outline` and `drift_outline` select from them.
"""

from collections import Counter
from collections.abc import Iterable
from types import MappingProxyType

from reconciler.diagnostics import Severity, counted
from reconciler.execution.result import Status
from reconciler.planning.actions import ActionKind, ChangeKind, ChangeOrigin

LISTED = 20
"""Maximum number of named entries of a list; the JSON form names all."""

NAMED = 5
"""Maximum number of slugs in a sentence; a list next to it has more."""

PLAN_TITLE = "Plan"
UNDO_TITLE = "Plan to undo run"
RESULT_TITLE = "Result of run"
RESULT_WITHOUT_RUN_TITLE = "Result"
RESULT_FAILED_TITLE = "Apply incomplete"
DRIFT_TITLE = "Drift"
ACTIONS_TITLE = "Actions"

SYMBOLS = MappingProxyType(
    {
        ActionKind.CREATE: "+",
        ActionKind.UPDATE: "~",
        ActionKind.REPLACE: "±",
        ActionKind.DELETE: "-",
    }
)
BLOCKED_SYMBOL = "!"

OP_SYMBOLS = MappingProxyType(
    {
        ChangeKind.ADD: "+",
        ChangeKind.REMOVE: "-",
        ChangeKind.REPLACE: "~",
        ChangeKind.ROTATE: "~",
        ChangeKind.RESEND: "=",
    }
)

RECREATED_NOTE = "re-created, unchanged"

OP_NOTES = MappingProxyType(
    {
        ChangeKind.RESEND: "resend: unchanged, but this write must include it",
    }
)

LITERAL_NOTE = "the value in the file differs from the value in the API"
PUSH_NOTE = "rotate: unverified, sent because of --push-secrets"

ROTATE_NOTES = MappingProxyType(
    {
        ChangeOrigin.LOCAL: "rotate: the value behind the reference changed",
        ChangeOrigin.REMOTE: "rotate: the API has a value other than the one last sent",
        ChangeOrigin.BOTH: "rotate: the values behind the reference and in the API both changed",
        ChangeOrigin.UNKNOWN: "rotate: the mask in the API does not match the value",
    }
)

ORIGIN_NOTES = MappingProxyType(
    {
        ChangeOrigin.REMOTE: "changed in the API, outside Git",
        ChangeOrigin.BOTH: "changed in Git and in the API",
    }
)

DELETED_NOTE = "deleted in the API, outside Git"

# The desired state of an undo comes from a run, so none of its changes were made in Git.
UNDO_NOTES = MappingProxyType(dict.fromkeys(ORIGIN_NOTES, ORIGIN_NOTES[ChangeOrigin.REMOTE]))

DRIFT_NOTES = MappingProxyType(
    {
        ChangeOrigin.REMOTE: "changed in the API",
        ChangeOrigin.BOTH: "changed in Git and in the API",
        ChangeOrigin.LOCAL: "ahead in Git",
    }
)
DRIFT_STATES = MappingProxyType(
    {
        "deleted": "deleted in the API",
        "granted": "granted outside Git",
        "changed": "changed in the API",
        "both": "changed in Git and in the API",
        "ahead": "ahead in Git",
        "unknown": "of unknown origin",
    }
)
DRIFT_UNKNOWN_WORDS = MappingProxyType(
    {
        ActionKind.CREATE: "only in Git",
        ActionKind.UPDATE: "differs",
        ActionKind.REPLACE: "differs",
        ActionKind.DELETE: "only in the API",
    }
)
DRIFT_REMOVALS = MappingProxyType(
    {ActionKind.DELETE: "apply would delete it", ActionKind.REPLACE: "apply would replace it"}
)
DRIFT_SIDES = ("in the API", "in Git")
DRIFT_GRANTS = "{} granted outside Git"

DRIFT_UNKNOWN = (
    "The origin of some changes is unknown because there is no record of what was applied: keep a "
    "ledger, or pass --base REF."
)
DRIFT_NOT_READ = "{} not read in detail"
RETIREMENTS = "Models that retire:"
RETIREMENT = "{} of {} retires on {}, within {}"
RETIREMENT_PASSED = "{} of {} was retired on {}"
HEAL = "To make the API match Git, run:"
UNTIL_UNBLOCKED = "no action is blocked"
UNTIL = MappingProxyType(
    {"outside-window": "the target accepts changes", "not-soaked": "the content has soaked"}
)
"""Conditions of an apply, by the code of the notice in its plan."""
FROM = " (from {})"
ADOPT = "To make the files match the API, run:"
ADOPT_MORE = "To make the files match the API (the first {} of {} integrations), run:"
KEEP = "To keep these integrations, remove them from `deletions` in reconcile.yaml and pull them:"
KEEP_MORE = (
    "To keep these integrations, remove them from `deletions` in reconcile.yaml and pull them "
    "(the first {} of {}):"
)
ADOPT_ABSENCE = (
    "To accept that these integrations are gone from the API, remove them from the files:"
)
ADOPT_ABSENCE_MORE = (
    "To accept that these integrations are gone from the API, remove them from the files "
    "(the first {} of {}):"
)

LIFTS = MappingProxyType(
    {
        "empty-desired-state": "declare at least one integration, or pass --allow-empty",
        "too-many-deletes": "pass --max-deletes N, or raise limits.deletes and delete_ratio",
        "too-many-replaces": "pass --allow-replace, or raise limits.replaces",
        "too-many-credential-changes": (
            "pass --max-credential-changes N, or raise limits.credential_changes"
        ),
        "too-many-access-removals": (
            "pass --max-access-removals N, or raise limits.access_removals"
        ),
        "in-use": "pass --allow-used, or raise limits.used_removals",
        "replace-not-allowed": (
            "pass --allow-replace; the integration is then deleted and re-created"
        ),
        "budget-exceeded": (
            "pass --allow-budget, or raise limits.budget_total or limits.budget_increase"
        ),
        "ledger-unreadable": "no option lifts this; make the ledger readable",
        "protected": "no option lifts this; add the slug under `deletions` and remove the file",
        "not-owned": "widen the target's scope in reconcile.yaml, or remove the file",
        "credential-retarget": "declare the credential as a reference, so that this write sends it",
        "missing-credential": "declare the new integration's key, or `key: null` for none",
        "masked-write": "declare the secret as a reference; the API shows only its mask",
        "archived": "restore or delete the integration in Portkey, or remove the file",
        "policy": "no option lifts this; change what the policy denies",
        "policy-failed": "no option lifts this; correct the policy",
        "policy-not-allowed": "list the command in RECONCILE_ALLOWED_POLICIES",
        "cannot-stage": "declare the named secrets, or set `rotation: {staged: false}`",
        "shadow-conflict": "no option lifts this; rename or delete the integration that is named",
    }
)
LIFTS_BY_MERGING = MappingProxyType(
    {
        "empty-desired-state": "declare at least one integration",
        "too-many-deletes": "raise limits.deletes and limits.delete_ratio in reconcile.yaml",
        "replace-not-allowed": (
            "use a new slug, or raise limits.replaces in reconcile.yaml; the integration is then "
            "deleted and re-created"
        ),
        "too-many-replaces": "raise limits.replaces in reconcile.yaml",
        "too-many-credential-changes": "raise limits.credential_changes in reconcile.yaml",
        "too-many-access-removals": "raise limits.access_removals in reconcile.yaml",
        "budget-exceeded": (
            "lower the budgets, or raise limits.budget_total or limits.budget_increase in "
            "reconcile.yaml"
        ),
        "in-use": "move its users first, or raise limits.used_removals in reconcile.yaml",
    }
)
"""Remedies for a block in a pull request, without options of a command."""

LIFT_UNKNOWN = "see the diagnostics"

STATUS_SYMBOLS = MappingProxyType(
    {Status.APPLIED: "✓", Status.FAILED: "✗", Status.SKIPPED: "○", Status.UNKNOWN: "?"}
)

HALF_DONE = "half done: {}"
NOT_TRIED = "{} not tried"
BROKEN_FREEZE = "outside the change window, because: {}"
UNSOAKED = "before the end of the soak time, because: {}"

STATUS_ADVICE = MappingProxyType(
    {
        Status.UNKNOWN: ("Run this first, to read the API again and see what remains to be done:"),
        Status.FAILED: (
            "Fix the errors shown, then apply again: a new plan contains only what is missing."
        ),
        Status.SKIPPED: "Apply again: a new plan contains only what is missing.",
    }
)

STAGED_BY = "staged by {}"
PROBED = "credential alive"
PROBE_AGAIN = "Once the credential is corrected at its source, write and probe it again:"

NO_INTEGRATIONS = "No integrations."
ON_SIMULATOR = "on the embedded simulator"
SIMULATOR_ONLY = (
    "This run was on the embedded simulator, the default target; no real API was called. "
    "To use another target, add --target NAME."
)
ALL_APPLIED = "All actions of the plan were applied."
OTHERS_UNKNOWN = "The outcome of other shards is unknown: their results are missing."
NOTHING_TO_APPLY = "There was nothing to apply."

POLICIES = "Policies: {}."
NO_DIGEST = "not read"

SECTION_TITLES = MappingProxyType(
    {
        "policies": "Policies ({}): verdicts, and digests of what was run",
        "unverified": (
            "Unverified secrets ({}): not known to be in sync; --push-secrets sends them"
        ),
        "undeclared": "Undeclared values ({}): set in the API but in no file; left unchanged",
        "forgotten": (
            "Forgotten integrations ({}): no longer in any file, but not pruned on this target"
        ),
        "unmanaged": "Unmanaged integrations ({}): in the API but never declared; left unchanged",
    }
)
UNMANAGED_NEW_LEDGER = (
    "Integrations in no file ({}): not known whether declared before, because the ledger is new; "
    "pass --base REF"
)
UNMANAGED_UNREADABLE = (
    "Integrations in no file ({}): not known whether declared before, "
    "because the ledger cannot be read"
)
LEDGER_NOT_READ = "not read"
"""State of the ledger for a saved document, which the header does not show."""

LEDGER_STATES = MappingProxyType({"fresh": "none yet"})
"""Ledger states that the header names differently."""

DECLARE = (
    "To declare these values, add them to the files (`reconcile get SLUG` shows them), or "
    "overwrite the files:"
)
DECLARE_MORE = (
    "To declare these values, add them to the files (`reconcile get SLUG` shows them), or "
    "overwrite the files (the first {} of {} integrations):"
)
LINE_TO_ADD = "{}, granted outside Git; to declare it, add under {}: - {}"
MORE = "… and {} more; --format json lists all"
AND_MORE = "… and {} more"
MORE_VERBOSE = "… and {} more; -v lists all"
MORE_WITH_STATUS = "… and {} more {}; -v lists all"
AFFECTED = "Affected ({})"
REST_IN_ROWS = "The rest, one line each; -v shows all in full:"
NOT_KNOWN = "unknown whether declared before"
NEVER_DECLARED = "never declared"
LEFT_ALONE = "Left unchanged: {}; -v lists them."

REDACTED = "(secret)"
UNKNOWN_FIELD = "(not shown: unknown field)"
REDACTED_WITHOUT_NAME = "(secret) value not shown"
UNDO_WARNING = (
    "The files are unchanged: the next apply of the files reverts this undo, unless you edit them."
)

USED_BY = "used by"
NOT_USED = "not used by any provider or config"
USAGE_UNKNOWN = "usage unknown: it could not be read completely"
USAGE_INCOMPLETE = "there may be more: the usage could not be read completely"

LOSES = "loses"
LOSES_NOTHING = "nothing that is not re-created"
LOSS_UNKNOWN = "this plan does not record what is lost"
RECREATED = "re-created from the file"

BLOCKED_HERE = "Nothing is applied while an action is blocked: lift the block as shown."
ON_YOUR_MACHINE = "On your machine, in a clone of the repository"
NOT_RECORDED = "The ledger does not contain the complete run:"
LEDGER_END = "End of the ledger, to store elsewhere"
UNVERIFIED_HERE = "Unverified secrets ({}): not known to be in sync."

UNCOMMITTED = " with uncommitted changes"
NEXT_APPLY = "To apply this plan, run:"
ONCE = "Once {}, {}{}"
NEXT_UNDO = "To apply this undo, run the saved plan:"
NEXT_UNDO_UNSAVED = "To apply this undo, save the plan with `--out PLAN`, then run:"
NEXT_BLOCKED = (
    "Nothing is applied while an action is blocked: lift the block as shown, "
    "or exclude the integration with --exclude SLUG."
)
NEXT_BLOCKED_BY_POLICY = (
    "Nothing is applied while a policy blocks the whole plan: lift the block as shown."
)


def findings_title(severities: Iterable[Severity]) -> str:
    """Return the numbers of diagnostics by severity, such as `Diagnostics: 1 error, 2 warnings`."""
    counts = Counter(severities)
    parts = [counted(counts[severity], severity.value) for severity in Severity if counts[severity]]
    return f"Diagnostics: {', '.join(parts)}"

"""The fixed words of plans and results: symbols, kind words, what lifts a guard, what comes next.

Only tables and short sentences. Which of them a plan or a result needs is decided in
`reconciler.views.plan_outline` and `reconciler.views.result_outline`.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from types import MappingProxyType

from reconciler.diagnostics import Severity
from reconciler.execution.result import Status
from reconciler.planning.actions import ActionKind, ChangeKind, ChangeOrigin

LISTED = 20
"""How many entries of a list are named; the JSON form names all."""

PLAN_TITLE = "Plan"
UNDO_TITLE = "Plan to undo run"
RESULT_TITLE = "Result of run"
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
        ChangeKind.RESEND: "resend: unchanged, this write has to carry it",
    }
)

LITERAL_NOTE = "the value in the file is another than the API holds"
PUSH_NOTE = "rotate: unverified, and --push-secrets sends it"

ROTATE_NOTES = MappingProxyType(
    {
        ChangeOrigin.LOCAL: "rotate: the value behind the reference has changed",
        ChangeOrigin.REMOTE: "rotate: the API holds another value than was sent",
        ChangeOrigin.BOTH: "rotate: the value behind the reference has changed, and the API's too",
        ChangeOrigin.UNKNOWN: "rotate: the mask that the API shows contradicts the value",
    }
)

ORIGIN_NOTES = MappingProxyType(
    {
        ChangeOrigin.REMOTE: "changed in the API, outside Git",
        ChangeOrigin.BOTH: "changed in Git and in the API",
    }
)

# What an undo asks for comes from a run, so no change of it was made in Git.
UNDO_NOTES = MappingProxyType(dict.fromkeys(ORIGIN_NOTES, ORIGIN_NOTES[ChangeOrigin.REMOTE]))

DRIFT_NOTES = MappingProxyType({**ORIGIN_NOTES, ChangeOrigin.LOCAL: "changed in Git, not applied"})

DRIFT_TITLES = MappingProxyType(
    {
        ChangeOrigin.REMOTE: "Changed in the API, outside Git",
        ChangeOrigin.BOTH: "Changed in Git and in the API",
        ChangeOrigin.LOCAL: "Git is ahead, not applied",
        ChangeOrigin.UNKNOWN: "Of unknown origin",
    }
)

DRIFT_MOVED = MappingProxyType(
    {
        ChangeOrigin.REMOTE: "changed in the API",
        ChangeOrigin.BOTH: "changed in both",
        ChangeOrigin.LOCAL: "ahead in Git",
        ChangeOrigin.UNKNOWN: "of unknown origin",
    }
)

DRIFT_UNKNOWN = (
    "Without a record of what was applied, nobody can tell who moved: keep a ledger, or pass "
    "--base REF."
)
DRIFT_NOT_READ = "{} not read in detail"
HEAL = "To make the API as Git declares:"
HEAL_UNBLOCKED = "Once nothing is blocked, to make the API as Git declares:"
ADOPT = "To take over into Git what the API has:"
ADOPT_MORE = "To take over into Git what the API has (the first {} of {}):"
KEEP = "To keep these, take them out of `deletions` in reconcile.yaml, then pull them:"
KEEP_MORE = (
    "To keep these, take them out of `deletions` in reconcile.yaml, then pull them "
    "(the first {} of {}):"
)
ADOPT_ABSENCE = "To accept that these are gone from the API, take them out of the files:"
ADOPT_ABSENCE_MORE = (
    "To accept that these are gone from the API, take them out of the files (the first {} of {}):"
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
        "replace-not-allowed": (
            "pass --allow-replace; the integration is then deleted and created again"
        ),
        "ledger-unreadable": "no flag lifts it; make the ledger readable",
        "protected": "no flag lifts it; add a tombstone under deletions and remove the file",
        "not-owned": "widen the target's scope in reconcile.yaml, or remove the file",
        "credential-retarget": "give the credential as a reference, so that this write replaces it",
        "missing-credential": "declare the new integration's key, or `key: null` for none",
        "masked-write": "declare the secret as a reference; the API shows only its mask",
        "archived": "restore or delete it in Portkey, or remove the file",
    }
)
LIFT_UNKNOWN = "the diagnostics say more"

STATUS_SYMBOLS = MappingProxyType(
    {Status.APPLIED: "✓", Status.FAILED: "✗", Status.SKIPPED: "○", Status.UNKNOWN: "?"}
)

STATUS_MEANINGS = MappingProxyType(
    {
        Status.APPLIED: "Done",
        Status.FAILED: "Not done",
        Status.SKIPPED: "Not tried",
        Status.UNKNOWN: "Not known whether done",
    }
)

STATUS_ADVICE = MappingProxyType(
    {
        Status.UNKNOWN: (
            "Look first: `reconcile plan` reads the API afresh and shows what is still to do."
        ),
        Status.FAILED: (
            "Mend the causes shown and apply again: it plans afresh and sends nothing twice."
        ),
        Status.SKIPPED: "Apply again to carry out what was not tried.",
    }
)

NOTHING_THERE = "No integrations."
ALL_APPLIED = "Everything in the plan was carried out."
OTHERS_UNKNOWN = "What the other shards did is not known: they left no result here."
NOTHING_TO_APPLY = "There was nothing to carry out."

SECTION_TITLES = MappingProxyType(
    {
        "unverified": (
            "Unverified secrets ({}): nothing proves them in sync, --push-secrets sends them"
        ),
        "undeclared": "Undeclared values ({}): set in the API, in no file, left alone",
        "forgotten": (
            "Forgotten integrations ({}): declared once, in no file now, not pruned on this target"
        ),
        "unmanaged": "Unmanaged integrations ({}): in the API, never declared, left alone",
    }
)
UNMANAGED_NEW_LEDGER = "Integrations in no file ({}): unknown: the ledger is new; --base REF tells"
UNMANAGED_UNREADABLE = "Integrations in no file ({}): unknown: the ledger cannot be read"
LEDGER_UNREACHABLE = "ledger: unreachable"
DECLARE = (
    "To declare them, edit the files (`reconcile get SLUG` shows the values) or rewrite them whole:"
)
DECLARE_MORE = (
    "To declare them, edit the files (`reconcile get SLUG` shows the values) or rewrite them whole "
    "(the first {} of {}):"
)
LINE_TO_ADD = "{}; to declare it, add under {}: - {}"
MORE = "… and {} more; --format json names all"
AND_MORE = "… and {} more"

REDACTED = "(secret)"
UNKNOWN_FIELD = "(not shown: unknown field)"
REDACTED_WITHOUT_NAME = "(secret) value not shown"
UNDO_WARNING = (
    "Git still says otherwise: the next apply of the files reverts this, unless they change too."
)

LOSES = "loses"
LOSES_NOTHING = "nothing but what is re-created"
LOSS_UNKNOWN = "what is lost was not recorded in this plan"
RECREATED = "re-created from the file"

NEXT_APPLY = "To carry it out:"
NEXT_UNDO = "To carry it out, hand over the saved plan:"
NEXT_BLOCKED = (
    "Nothing is applied while an action is blocked: lift the block as shown, "
    "or leave the action out with --exclude SLUG."
)


def named(names: Sequence[str], *, limit: int = LISTED) -> str:
    """Return the first names in one line, and how many more there are."""
    shown = ", ".join(names[:limit])
    more = len(names) - limit
    return f"{shown} and {more} more" if more > 0 else shown


def findings_title(severities: Iterable[Severity]) -> str:
    """Count diagnostics by severity, in one line."""
    counts = Counter(severities)
    named = [f"{counts[s]} {s.value}{'s' * (counts[s] != 1)}" for s in Severity if counts[s]]
    return f"Diagnostics: {', '.join(named)}"

"""HTML of the web page: login, overview, one integration, and history.

The markup is in `templates`. Every value that a template writes is first made visible (control and
bidi characters are escaped, long text is shortened) and then escaped for HTML automatically. There
is no script: a search is a form that the server handles.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from typing import Any, Final
from urllib.parse import urlsplit

from markupsafe import Markup

from reconciler.adapter.ui.comparison import ComparedField, FieldStatus
from reconciler.adapter.ui.overview import Search, choices_of, page_of, statuses
from reconciler.adapter.ui.snapshot import Row, Run, Snapshot, SyncStatus
from reconciler.diagnostics import Diagnostic, Severity
from reconciler.frozen_dataclass import dataclass
from reconciler.planning.actions import Action, ChangeOrigin
from reconciler.views.escape import visible
from reconciler.views.findings import findings_of, severities_of
from reconciler.views.html import palette
from reconciler.views.phrases import UNCOMMITTED, findings_title
from reconciler.views.templating import Templates

MAX_RUNS: Final = 100

_SYNC_SIGNS: Final = {
    SyncStatus.IN_SYNC: "✓",
    SyncStatus.UNDECLARED_ACCESS: "!",
    SyncStatus.UNDECLARED_HOST: "!",
    SyncStatus.DIFFERS: "≠",
    SyncStatus.MISSING: "+",
    SyncStatus.SURPLUS: "−",
    SyncStatus.UNMANAGED: "○",
    SyncStatus.UNKNOWN: "?",
}
_FIELD_MARKS: Final = {
    FieldStatus.SAME: ("✓", "in-sync"),
    FieldStatus.DIFFERS: ("≠", "differs"),
    FieldStatus.UNVERIFIED: ("?", "not-compared"),
    FieldStatus.NOT_COMPARED: ("?", "not-compared"),
    FieldStatus.UNDECLARED: ("○", "not-in-Git"),
}
"""Sign and CSS class of a field's status."""

_FIELD_ORDER: Final = (
    FieldStatus.DIFFERS,
    FieldStatus.UNDECLARED,
    FieldStatus.NOT_COMPARED,
    FieldStatus.UNVERIFIED,
    FieldStatus.SAME,
)
"""The most important status comes first; fields of one status keep their order."""

_ORIGINS: Final = {
    ChangeOrigin.LOCAL: "Git is ahead.",
    ChangeOrigin.REMOTE: "The API moved.",
    ChangeOrigin.BOTH: "Both moved.",
}
_OUTCOME_SIGNS: Final = {"applied": "✓", "failed": "✗", "skipped": "–", "unknown": "?"}


def login_page(*, is_retry: bool = False) -> str:
    """Return the form that asks for a token."""
    return _render("login.html", is_retry=is_retry)


def overview_page(snapshot: Snapshot, search: Search, *, number: int, can_log_out: bool) -> str:
    """Return one page of the integrations, or of those that match a search."""
    target = snapshot.target
    findings = findings_of(snapshot.plan.diagnostics if snapshot.plan else ())
    errors = [item for item in findings if item.severity is Severity.ERROR]
    notes = [item for item in findings if item.severity is not Severity.ERROR]
    return _render(
        "overview.html",
        snapshot=snapshot,
        search=search,
        errors=errors,
        notes=notes,
        notes_title=findings_title(severities_of(notes)),
        # The path of the file is not useful on another machine.
        host="embedded simulator" if target.is_simulator else urlsplit(target.base_url).netloc,
        choices=choices_of(snapshot.rows, search),
        providers=sorted({row.provider for row in snapshot.rows if row.provider}),
        sync_statuses=statuses(),
        page=page_of(snapshot.rows, search, number),
        can_log_out=can_log_out,
    )


def detail_page(
    row: Row,
    fields: Sequence[ComparedField],
    action: Action | None,
    *,
    source: str | None,
    problem: Diagnostic | None,
    can_log_out: bool,
) -> str:
    """Return one integration, declared and observed side by side."""
    return _render(
        "detail.html",
        row=row,
        fields=sorted(fields, key=lambda field: _FIELD_ORDER.index(field.status)),
        action=action,
        origin=_origin(action) if action else "",
        source=source,
        problem=problem,
        can_log_out=can_log_out,
    )


def history_page(runs: Sequence[Run], *, problem: str | None, can_log_out: bool) -> str:
    """Return the latest runs, newest first; `runs` are given oldest first."""
    # The newest runs are selected before they are prepared, because a ledger can contain thousands
    # of runs.
    latest = list(reversed(runs))[:MAX_RUNS]
    return _render(
        "history.html",
        runs=[_past_run(run) for run in latest],
        problem=problem,
        has_earlier_runs=len(runs) > MAX_RUNS,
        can_log_out=can_log_out,
    )


@cache
def stylesheet() -> str:
    """Return the style sheet, dark and light; it loads nothing from elsewhere."""
    file = resources.files("reconciler.adapter.ui") / "static" / "page.css"
    return palette() + file.read_text(encoding="utf-8")


def _origin(action: Action) -> str:
    """Return the sentence about the origin, if it is the same for all changes."""
    origins = {change.origin for change in action.changes}
    return _ORIGINS.get(origins.pop(), "") if len(origins) == 1 else ""


@dataclass(frozen=True, slots=True)
class _Outcome:
    """Outcome of one action of a run."""

    sign: str
    status: str
    action: str
    slug: str
    error: str


@dataclass(frozen=True, slots=True)
class _PastRun:
    """One entry of the timeline; `state` is `open`, `bad` or empty."""

    id: str
    started_at: str
    state: str
    counts: list[tuple[str, str, int]]
    facts: str
    outcomes: list[_Outcome]
    outcome_count: int


def _past_run(run: Run) -> _PastRun:
    summary = run.get("summary") or {}
    outcomes = run.get("outcomes") or []
    state = ""
    if run.get("finished_at") is None:
        state = "open"
    # Skipped actions alone are not bad, because a run that was stopped in time also has them.
    elif summary.get("failed") or summary.get("unknown"):
        state = "bad"
    return _PastRun(
        id=str(run.get("run") or ""),
        started_at=str(run.get("started_at") or ""),
        state=state,
        counts=[
            (sign, status, summary[status])
            for status, sign in _OUTCOME_SIGNS.items()
            if summary.get(status)
        ],
        facts=", ".join(_facts(run)),
        outcomes=[_outcome(outcome) for outcome in outcomes[:MAX_RUNS]],
        outcome_count=len(outcomes),
    )


def _facts(run: Run) -> list[str]:
    facts = []
    if run.get("actor"):
        facts.append(f"by {run['actor']}")
    if run.get("commit"):
        note = UNCOMMITTED if run.get("uncommitted_changes") else ""
        facts.append(f"commit {str(run['commit'])[:12]}{note}")
    if run.get("pull_request"):
        facts.append(f"pull request {run['pull_request']}")
    if not run.get("finished_at"):
        facts.append("not finished")
    return facts


def _outcome(outcome: Mapping[str, Any]) -> _Outcome:
    status = str(outcome.get("status", ""))
    error = outcome.get("error") or {}
    return _Outcome(
        sign=_OUTCOME_SIGNS.get(status, ""),
        status=status,
        action=str(outcome.get("action", "")),
        slug=str(outcome.get("slug", "")),
        error=str(error.get("message", "")),
    )


class _Visible(str):
    """Text that is already made visible but not escaped."""

    __slots__ = ()


def _unabridged(text: str) -> str:
    """Return text made visible without a limit of length."""
    return _Visible(visible(text, limit=None))


def _finalize(value: object) -> str:
    """Return a value made visible; markup is the result of a macro, already escaped."""
    # A second pass would shorten the text and no longer treat it as markup.
    if isinstance(value, Markup | _Visible):
        return value
    return visible(str(value))


def _to_minutes(moment: str) -> str:
    """Return an ISO 8601 time as date, hour and minute."""
    day, _, rest = moment.partition("T")
    return f"{day} {rest[:5]}".strip()


_TEMPLATES = Templates(
    "reconciler.adapter.ui",
    finalize=_finalize,
    filters={"to_minutes": _to_minutes, "unabridged": _unabridged},
    constants={"sync_signs": _SYNC_SIGNS, "field_marks": _FIELD_MARKS},
)


def _render(name: str, **values: object) -> str:
    return _TEMPLATES.render(name, **values)

"""`history RUN` and `history SLUG`: what one run changed, and the history of one integration.

Changes are shown as the plan showed them, so a secret appears as its reference at most. Runs are in
the JSON form of `reconciler.ledger.run_history`.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import field
from types import MappingProxyType
from typing import Any

from reconciler.diagnostics import counted
from reconciler.execution.result import Status
from reconciler.frozen_dataclass import dataclass
from reconciler.ledger.models import RecordedAction
from reconciler.planning.actions import ActionKind, Change, ChangeKind
from reconciler.views import phrases
from reconciler.views.escape import shortened, visible
from reconciler.views.plan_outline import of_change
from reconciler.views.reports import PublicRun, slugs_of
from reconciler.views.sections import CommandContext, first_digits, suggested_command
from reconciler.views.text_layout import TextLayout

Actions = Sequence[RecordedAction]

_MAX_WITH_CHANGES = 20
"""Number of actions of a run whose changes are shown; `--verbose` shows all."""

_UNFINISHED = "unfinished"
_NOT_RECORDED = "value not recorded"
_NOT_CARRIED_OUT = frozenset({Status.SKIPPED.value})
_DELETED_OUTSIDE = "had been deleted outside of runs"
_WITHOUT_DETAILS = "The record of this run has no details."


@dataclass(frozen=True, slots=True)
class RunDetails:
    """One run, its planned actions, and its calls."""

    run: PublicRun
    actions: Actions = ()
    calls: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True, slots=True)
class Life:
    """Runs that concerned one integration, oldest first, with the planned action of each.

    `total` counts the runs before a limit was applied.
    """

    slug: str
    runs: Sequence[PublicRun]
    actions: Mapping[str, Actions] = field(default_factory=lambda: MappingProxyType({}))
    total: int = 0


def with_changes(run: PublicRun, actions: Actions) -> dict[str, Any]:
    """Return a run with the slugs that it acted on and with the changes of each action."""
    # An action without an outcome was cut off by the end of the run, hence `get` below.
    statuses = {outcome["slug"]: outcome["status"] for outcome in run["outcomes"]}
    return {
        **run,
        "slugs": slugs_of(run),
        "changes": [
            {
                "slug": action.slug,
                "action": action.kind.value,
                "status": statuses.get(action.slug),
                "changes": [_as_json(action, change) for change in action.changes],
            }
            for action in actions
        ],
    }


def run_text(
    details: RunDetails,
    *,
    header: str,
    context: CommandContext = CommandContext(),
    verbose: bool = False,
    width: int | None = None,
    color: bool = False,
) -> str:
    """Return one run: who started it and when, then each action with its changes."""
    run = details.run
    page = TextLayout(width=width, color=color)
    page.line(header)
    page.blank()
    page.line((f"Run {visible(str(run['run']))}", "bold"))
    for line in _facts(run, verbose=verbose):
        page.line(line)
    page.blank()
    outcomes = _outcomes_by_slug(run)
    for number, action in enumerate(details.actions):
        outcome = outcomes.get(action.slug)
        _action_line(page, action, outcome)
        # Skipped actions changed nothing, so their changes would be misleading.
        if verbose or (number < _MAX_WITH_CHANGES and not _is_left_out(outcome)):
            _changes(page, action)
        if verbose:
            _calls(page, [call for call in details.calls if call["slug"] == action.slug])
    if not details.actions:
        page.line(_WITHOUT_DETAILS)
    more = len(details.actions) - _MAX_WITH_CHANGES
    if more > 0 and not verbose:
        page.line(
            f"The changes of {counted(more, 'more action')} are not shown; list them with -v."
        )
    # An unknown action counts: it may have been carried out, and undo checks that.
    if run["summary"].get(Status.APPLIED.value) or run["summary"].get(Status.UNKNOWN.value):
        page.blank()
        page.line("To plan the undo of this run:")
        target = (run.get("target") or {}).get("name")
        page.whole(suggested_command(target, "undo", str(run["run"]), context=context), indent=4)
    return page.text()


def life_text(
    life: Life,
    *,
    header: str,
    verbose: bool = False,
    width: int | None = None,
    color: bool = False,
) -> str:
    """Return the history of one integration: each run that concerned it, newest last."""
    page = TextLayout(width=width, color=color)
    page.line(header)
    page.blank()
    page.line((f"Integration {visible(life.slug, limit=None)}", "bold"))
    if life.total > len(life.runs):
        page.line(f"Showing the newest {len(life.runs)} of {counted(life.total, 'run')}.")
    # A create proves a deletion outside of runs only if the integration certainly existed.
    exists: bool | None = None
    for run in life.runs:
        outcome = _outcomes_by_slug(run).get(life.slug)
        for action in life.actions.get(str(run["run"]), ()):
            page.blank()
            page.line((_life_line(run, action, outcome), _style(outcome)))
            # An undo creates what a run deleted, and the list contains the deleting run itself.
            if exists and action.kind is ActionKind.CREATE and not run.get("undoes"):
                page.line(_DELETED_OUTSIDE, indent=4)
            _problem(page, outcome)
            if action.kind is ActionKind.UPDATE or verbose:
                _changes(page, action)
            exists = _exists_after(action, outcome)
    return page.text()


def _as_json(action: RecordedAction, change: Change) -> dict[str, object]:
    """Return a change in the form of a plan; without values if none were recorded."""
    if action.has_values:
        return change.as_json()
    return {"path": change.path, "op": change.op.value, "sensitive": change.sensitive}


def _facts(run: PublicRun, *, verbose: bool) -> Iterator[str]:
    ended = _second(run["finished_at"]) if run["finished_at"] else _UNFINISHED
    yield f"started: {_second(run['started_at'])} · finished: {ended}"
    yield " · ".join(_origins(run, verbose=verbose))
    if run.get("workflow"):
        yield f"workflow: {visible(str(run['workflow']), limit=None)}"
    if run.get("undoes"):
        yield f"undoes run {visible(str(run['undoes']))}"
    if run.get("break_freeze"):
        yield phrases.BROKEN_FREEZE.format(visible(str(run["break_freeze"]), limit=None))
    if run.get("allow_unsoaked"):
        yield phrases.UNSOAKED.format(visible(str(run["allow_unsoaked"]), limit=None))
    policies = [f"{p['name']} {p['verdict']}" for p in run.get("policies") or ()]
    if policies:
        yield visible(phrases.POLICIES.format(", ".join(policies)), limit=None)
    digest = str(run["plan_digest"])
    yield f"digest: {visible(digest if verbose else first_digits(digest))}"
    counts = run["summary"]
    yield ", ".join(f"{counts.get(status.value, 0)} {status.value}" for status in Status) + "."


def _origins(run: PublicRun, *, verbose: bool = False) -> Iterator[str]:
    """Yield the facts about the origin of a run."""
    yield f"by {visible(str(run.get('actor') or 'unknown'))}"
    if run.get("commit"):
        commit = str(run["commit"])
        note = phrases.UNCOMMITTED if run.get("uncommitted_changes") else ""
        yield f"commit {visible(commit if verbose else commit[:9])}{note}"
    if run.get("pull_request"):
        yield f"pull request #{visible(str(run['pull_request']))}"
    # GitHub names the same person for both when a run needs no approval.
    if run.get("approver") and run["approver"] != run.get("actor"):
        yield f"approved by {visible(str(run['approver']))}"


def _minute(time: object) -> str:
    """Return date, hour and minute of an ISO 8601 timestamp."""
    return visible(str(time)[:16].replace("T", " "))


def _second(time: object) -> str:
    """Return an ISO 8601 timestamp without its fraction and zone."""
    return visible(str(time)[:19].replace("T", " "))


def _outcomes_by_slug(run: PublicRun) -> dict[str, Mapping[str, Any]]:
    return {str(outcome["slug"]): outcome for outcome in run["outcomes"]}


def _is_left_out(outcome: Mapping[str, Any] | None) -> bool:
    return outcome is not None and outcome["status"] in _NOT_CARRIED_OUT


def _action_line(
    page: TextLayout, action: RecordedAction, outcome: Mapping[str, Any] | None
) -> None:
    what = f"{phrases.SYMBOLS[action.kind]} {action.kind.value} {visible(action.slug, limit=None)}"
    page.line((f"{what}: {_status(outcome)}", _style(outcome)))
    _problem(page, outcome)


def _life_line(run: PublicRun, action: RecordedAction, outcome: Mapping[str, Any] | None) -> str:
    word = action.kind.value
    if outcome is not None and outcome["status"] == Status.APPLIED:
        word = _PAST[action.kind]
        if any(change.op is ChangeKind.ROTATE for change in action.changes):
            # The value of a secret is not part of the changes, so a rotation is shown separately.
            word += ", secret rotated"
    else:
        word = f"{word}: {_status(outcome)},"
    origins = " · ".join(_origins(run))
    return f"{_minute(run['started_at'])}  {word} {origins} · run {visible(str(run['run']))}"


_PAST = MappingProxyType(
    {
        ActionKind.CREATE: "created",
        ActionKind.UPDATE: "updated",
        ActionKind.REPLACE: "replaced",
        ActionKind.DELETE: "deleted",
    }
)


def _status(outcome: Mapping[str, Any] | None) -> str:
    return visible(str(outcome["status"])) if outcome is not None else _UNFINISHED


def _style(outcome: Mapping[str, Any] | None) -> str:
    return "" if outcome is not None and outcome["status"] == Status.APPLIED else "yellow"


def _problem(page: TextLayout, outcome: Mapping[str, Any] | None) -> None:
    error = outcome.get("error") if outcome is not None else None
    if error:
        page.line(shortened(str(error.get("message", ""))), indent=4)


def _changes(page: TextLayout, action: RecordedAction) -> None:
    for change in action.changes:
        item = of_change(change)
        text = item.text if action.has_values else f"{item.path} ({_NOT_RECORDED})"
        page.line(f"{item.symbol} {text}", indent=4)


def _calls(page: TextLayout, calls: Iterable[Mapping[str, Any]]) -> None:
    for call in calls:
        answer = "no response recorded" if call["ended_at"] is None else call["error"] or "answered"
        request = f", request id {visible(str(call['request_id']))}" if call["request_id"] else ""
        page.line(f"call {visible(call['operation'])}: {shortened(answer)}{request}", indent=4)


def _exists_after(action: RecordedAction, outcome: Mapping[str, Any] | None) -> bool | None:
    """Return whether the integration existed after an action; None if that is not certain."""
    # After a failure, nothing certain is known about the integration.
    if outcome is None or outcome["status"] != Status.APPLIED:
        return None
    return action.kind is not ActionKind.DELETE

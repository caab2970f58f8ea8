"""Outline of a drift report: what differs, on which side it changed, and how to resolve it.

Actions and headers come from `reconciler.views.plan_outline`.
"""

from collections.abc import Iterable, Sequence

from reconciler.diagnostics import counted
from reconciler.domain.identifiers import as_operands
from reconciler.drift.report import DriftReport
from reconciler.drift.retirements import RETIRED, RETIRING, Retirement
from reconciler.frozen_dataclass import dataclass
from reconciler.planning.actions import TOMBSTONE, ActionKind, ChangeOrigin
from reconciler.views import phrases
from reconciler.views.drift_states import counts_of, item_of, state_of, undeclared_grants
from reconciler.views.escape import visible
from reconciler.views.findings import Finding, findings_of
from reconciler.views.phrases import LISTED
from reconciler.views.plan_outline import (
    ActionItem,
    costs_by_slug,
    header_of,
    relevant_diagnostics,
    totals_of,
)
from reconciler.views.sections import (
    CommandContext,
    Section,
    apply_command,
    left_alone,
    lift_advice,
    once_accepted,
    sections_of,
    suggested_command,
)


@dataclass(frozen=True, slots=True)
class StateGroup:
    """Integrations with the same cause; `state` is a value of `DriftState`."""

    title: str
    state: str
    items: tuple[ActionItem, ...]


@dataclass(frozen=True, slots=True)
class Suggestion:
    """Next step: a fixed phrase, followed by a command, slugs, or nothing."""

    text: str
    command: str = ""
    slugs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DriftOutline:
    """Drift report for readers; `summary` has only fixed phrases and numbers.

    `retiring` are the models that retire; a line changes only when another threshold is reached.
    `costs` are the sums of budgets that differ.
    """

    title: str
    header: str
    fingerprint: str
    commit: str
    commit_note: str
    in_sync: bool
    summary: str
    counts: tuple[tuple[str, int], ...]
    groups: tuple[StateGroup, ...]
    note: str
    findings: tuple[Finding, ...]
    sections: tuple[Section, ...]
    left_alone: str
    steps: tuple[Suggestion, ...]
    retiring: tuple[str, ...] = ()
    costs: tuple[str, ...] = ()

    @property
    def items(self) -> tuple[ActionItem, ...]:
        """All differences, by group."""
        return tuple(item for group in self.groups for item in group.items)


def of_report(
    report: DriftReport,
    *,
    ledger: str,
    context: CommandContext = CommandContext(),
    verbose: bool = False,
    is_published: bool = False,
) -> DriftOutline:
    """Return the outline of a report; `ledger` is shared, local or fresh.

    `verbose` lists everything, and adds findings that `validate` shows. A report that
    `is_published` in an issue has no findings on models that retire, because they change each day.
    """
    by_origin = report.by_origin()
    diagnostics = [
        item
        for item in relevant_diagnostics(report.plan, verbose=verbose)
        if not is_published or item.code != RETIRING
    ]
    return DriftOutline(
        title=phrases.DRIFT_TITLE,
        header=header_of(report.target, ledger=ledger),
        fingerprint=report.fingerprint,
        commit=visible(report.plan.commit or ""),
        commit_note=phrases.UNCOMMITTED if report.plan.uncommitted else "",
        in_sync=report.in_sync,
        summary=summary_of(report),
        counts=tuple(_counts(report)),
        groups=tuple(_groups(report)),
        note=phrases.DRIFT_UNKNOWN if by_origin[ChangeOrigin.UNKNOWN] else "",
        findings=findings_of(diagnostics, verbose=verbose),
        sections=sections_of(report.plan, context, whole=verbose),
        left_alone=left_alone(report.plan, lists_undeclared=True),
        steps=tuple(suggestions(report, context=context)),
        retiring=retirements(report),
        costs=totals_of(report.plan.costs, report.target.name, sides=phrases.DRIFT_SIDES),
    )


def retirements(report: DriftReport) -> tuple[str, ...]:
    """Return a line for each model that retires or has retired."""
    return tuple(_retirement(item) for item in report.retiring)


def _retirement(item: Retirement) -> str:
    names = visible(item.model), visible(item.slug, limit=255), item.retires
    if item.threshold == RETIRED:
        return phrases.RETIREMENT_PASSED.format(*names)
    return phrases.RETIREMENT.format(*names, counted(item.threshold, "day"))


def summary_of(report: DriftReport) -> str:
    """Return the report in one sentence: in sync, or the number of differences by origin."""
    counts = report.plan.summary
    unchanged = f"{counts['no_op']} unchanged"
    if report.not_read:
        unchanged += f", {phrases.DRIFT_NOT_READ.format(report.not_read)}"
    grants = undeclared_grants(report)
    granted = f"; {phrases.DRIFT_GRANTS.format(grants)}" if grants else ""
    if report.in_sync:
        return f"In sync: the API matches Git; {unchanged}{granted}."
    parts = [f"{number} {phrases.DRIFT_STATES[state]}" for state, number in counts_of(report)]
    total = len(report.items)
    differ = "1 integration differs" if total == 1 else f"{total} integrations differ"
    blocked = f"; {counts['blocked']} blocked" if counts["blocked"] else ""
    return f"{differ}: {', '.join(parts)}{blocked}; {unchanged}{granted}."


def suggestions(
    report: DriftReport, *, context: CommandContext = CommandContext()
) -> Iterable[Suggestion]:
    """Yield the commands that apply the files or pull the API, and manual edits."""
    if report.in_sync:
        return
    target = report.target.name
    # With the digest, the command applies what this report shows, or nothing.
    apply = apply_command(target, "--expect-digest", report.fingerprint, context=context)
    # First, because one blocked action stops the whole apply.
    if report.plan.blocked:
        yield Suggestion(lift_advice(report.plan))
    yield Suggestion(once_accepted(report.plan, phrases.HEAL), apply)
    to_pull, to_keep, missing = _resolvable_in_files(report)
    if to_pull:
        text = _phrase_for(to_pull, phrases.ADOPT, phrases.ADOPT_MORE)
        operands = as_operands(_first(to_pull))
        pull = suggested_command(target, "pull", *operands, context=context)
        yield Suggestion(text, pull)
    yield from _manual_edits(to_keep, phrases.KEEP, phrases.KEEP_MORE)
    yield from _manual_edits(missing, phrases.ADOPT_ABSENCE, phrases.ADOPT_ABSENCE_MORE)


def _resolvable_in_files(report: DriftReport) -> tuple[list[str], list[str], list[str]]:
    """Return the slugs to pull, those that a tombstone deletes, and those gone from the API."""
    to_pull: list[str] = []
    to_keep: list[str] = []
    missing: list[str] = []
    for item in report.items:
        origin = report.origin(item.slug)
        # If only Git changed, the API has nothing that Git does not have.
        if origin is ChangeOrigin.LOCAL:
            continue
        # A pull skips the slugs under `deletions`, so the entry must be removed first.
        if item.reason.startswith(TOMBSTONE):
            to_keep.append(item.slug)
        # An integration that only the files have cannot be pulled.
        elif item.kind is not ActionKind.CREATE:
            to_pull.append(item.slug)
        # With an unknown origin, it may be new in Git and not exist in the API yet.
        elif origin is not ChangeOrigin.UNKNOWN:
            missing.append(item.slug)
    return to_pull, to_keep, missing


def _manual_edits(slugs: Sequence[str], all_of: str, first_of: str) -> Iterable[Suggestion]:
    """Yield the edits to make in the files, and for which integrations."""
    if slugs:
        yield Suggestion(_phrase_for(slugs, all_of, first_of), slugs=_first(slugs))


def _phrase_for(slugs: Sequence[str], all_of: str, first_of: str) -> str:
    return first_of.format(LISTED, len(slugs)) if len(slugs) > LISTED else all_of


def _first(slugs: Sequence[str]) -> tuple[str, ...]:
    # A slug has at most 255 characters (remote/API.md §1.1) and is not shortened, because it is
    # part of a command.
    return tuple(visible(slug, limit=255) for slug in slugs[:LISTED])


def _groups(report: DriftReport) -> Iterable[StateGroup]:
    costs = costs_by_slug(report.plan.costs, sides=phrases.DRIFT_SIDES)
    for state, number in counts_of(report):
        items = [action for action in report.items if state_of(report, action) is state]
        words = phrases.DRIFT_STATES[state]
        title = f"{words[:1].upper()}{words[1:]} ({number})"
        shown = tuple(item_of(report, item, costs.get(item.slug, ())) for item in items)
        yield StateGroup(title, state.value, shown)


def _counts(report: DriftReport) -> Iterable[tuple[str, int]]:
    """Yield the counts of a chart: the integrations by cause, and the blocked ones."""
    yield from ((state.value, number) for state, number in counts_of(report))
    yield "blocked", report.plan.summary["blocked"]

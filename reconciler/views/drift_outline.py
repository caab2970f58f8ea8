"""What people are told about drift: who moved, what differs, and the two ways to end it.

The counterpart of `reconciler.views.plan_outline`, which makes the plan's part.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from reconciler.drift.report import DriftReport
from reconciler.planning.actions import TOMBSTONE, Action, ActionKind, ChangeKind, ChangeOrigin
from reconciler.views import phrases
from reconciler.views.escape import visible
from reconciler.views.phrases import LISTED
from reconciler.views.plan_outline import (
    ActionItem,
    OutlinedDiagnostic,
    header_of,
    of_action,
    of_diagnostic,
)
from reconciler.views.sections import Section, sections_of
from reconciler.views.suggested_command import CommandContext, apply_command, suggested_command

_ORDER = (ChangeOrigin.REMOTE, ChangeOrigin.BOTH, ChangeOrigin.LOCAL, ChangeOrigin.UNKNOWN)


@dataclass(frozen=True, slots=True)
class OriginGroup:
    """The integrations that the same side has moved, as `moved` says in a few words."""

    title: str
    moved: str
    items: tuple[ActionItem, ...]


@dataclass(frozen=True, slots=True)
class Suggestion:
    """One thing that can be done now: fixed words, then a command, or slugs, or nothing."""

    text: str
    command: str = ""
    slugs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DriftOutline:
    """A drift report as people read it; `summary` has nothing but fixed words and figures."""

    title: str
    header: str
    fingerprint: str
    commit: str
    in_sync: bool
    summary: str
    counts: tuple[tuple[str, int], ...]
    groups: tuple[OriginGroup, ...]
    remark: str
    findings: tuple[OutlinedDiagnostic, ...]
    sections: tuple[Section, ...]
    steps: tuple[Suggestion, ...]

    @property
    def items(self) -> tuple[ActionItem, ...]:
        """Give everything that differs, group by group."""
        return tuple(item for group in self.groups for item in group.items)


def of_report(
    report: DriftReport, *, ledger: str, context: CommandContext = CommandContext()
) -> DriftOutline:
    """Make the outline of a report; `ledger` is shared, local or fresh."""
    by_origin = report.by_origin()
    return DriftOutline(
        title=phrases.DRIFT_TITLE,
        header=header_of(report.target, ledger=ledger),
        fingerprint=report.fingerprint,
        commit=visible(report.plan.commit or ""),
        in_sync=report.in_sync,
        summary=summary_of(report),
        counts=tuple(report.plan.summary.items()),
        groups=tuple(_groups(by_origin)),
        remark=phrases.DRIFT_UNKNOWN if by_origin[ChangeOrigin.UNKNOWN] else "",
        findings=tuple(of_diagnostic(item) for item in report.plan.diagnostics),
        sections=sections_of(report.plan, context),
        steps=tuple(steps_of(report, context=context)),
    )


def summary_of(report: DriftReport) -> str:
    """Say it all in one sentence: in sync, or how many differ and who moved."""
    counts = report.plan.summary
    unchanged = f"{counts['no_op']} unchanged"
    if report.not_read:
        unchanged += f", {phrases.DRIFT_NOT_READ.format(report.not_read)}"
    if report.in_sync:
        return f"In sync: the API is as Git declares; {unchanged}."
    by_origin = report.by_origin()
    moved = [
        f"{len(by_origin[origin])} {phrases.DRIFT_MOVED[origin]}"
        for origin in _ORDER
        if by_origin[origin]
    ]
    total = len(report.items)
    differ = "1 integration differs" if total == 1 else f"{total} integrations differ"
    blocked = f"; {counts['blocked']} blocked" if counts["blocked"] else ""
    return f"{differ}: {', '.join(moved)}{blocked}; {unchanged}."


def steps_of(
    report: DriftReport, *, context: CommandContext = CommandContext()
) -> Iterable[Suggestion]:
    """Name the command that heals, the one that adopts, and what only an editor can do."""
    if report.in_sync:
        return
    target = report.target.name
    heal = apply_command(target, "--expect-digest", report.fingerprint, context=context)
    if report.plan.blocked:
        yield Suggestion(phrases.NEXT_BLOCKED)
    yield Suggestion(phrases.HEAL_UNBLOCKED if report.plan.blocked else phrases.HEAL, heal)
    # Where Git alone has moved there is nothing in the API that Git does not know.
    moved = [item for item in report.items if report.origin(item.slug) is not ChangeOrigin.LOCAL]
    buried = [item.slug for item in moved if item.reason.startswith(TOMBSTONE)]
    there = [i.slug for i in moved if i.kind is not ActionKind.CREATE and i.slug not in buried]
    if there:
        cut = phrases.ADOPT_MORE.format(LISTED, len(there))
        pull = suggested_command(target, "pull", *_first(there), context=context)
        yield Suggestion(cut if len(there) > LISTED else phrases.ADOPT, pull)
    yield from _by_hand(buried, phrases.KEEP, phrases.KEEP_MORE)
    gone = [
        item.slug
        for item in moved
        if item.kind is ActionKind.CREATE and report.origin(item.slug) is not ChangeOrigin.UNKNOWN
    ]
    yield from _by_hand(gone, phrases.ADOPT_ABSENCE, phrases.ADOPT_ABSENCE_MORE)


def _by_hand(slugs: Sequence[str], all_of: str, first_of: str) -> Iterable[Suggestion]:
    """Name what only an editor can do, and to which integrations."""
    if slugs:
        text = first_of.format(LISTED, len(slugs)) if len(slugs) > LISTED else all_of
        yield Suggestion(text, slugs=_first(slugs))


def _first(slugs: Sequence[str]) -> tuple[str, ...]:
    return tuple(visible(slug, limit=255) for slug in slugs[:LISTED])


def _groups(by_origin: Mapping[ChangeOrigin, Sequence[Action]]) -> Iterable[OriginGroup]:
    for origin in _ORDER:
        items = tuple(_item(action) for action in by_origin[origin])
        if items:
            title = f"{phrases.DRIFT_TITLES[origin]} ({len(items)})"
            yield OriginGroup(title, phrases.DRIFT_MOVED[origin], items)


def _item(action: Action) -> ActionItem:
    """Note at each change who made it, unless the group's title says it of all of them."""
    several = (
        len({change.origin for change in action.changes if change.op is not ChangeKind.RESEND}) > 1
    )
    return of_action(action, origins=phrases.DRIFT_NOTES if several else {})

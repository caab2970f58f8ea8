"""Outline of a plan: a small tree of plain, safe text that every format renders.

`visible` is applied here to data from files and the API, so it is one line without control
characters. The view of a format also escapes for that format. Fixed phrases:
`reconciler.views.phrases`.
"""

import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from reconciler.diagnostics import (
    Diagnostic,
    SourceLocation,
    abridged,
    abridged_pair,
    counted,
    named,
)
from reconciler.domain.tree import Json
from reconciler.frozen_dataclass import dataclass
from reconciler.planning.actions import (
    Action,
    ActionKind,
    Change,
    ChangeKind,
    ChangeOrigin,
    Risk,
    is_shown_whole,
)
from reconciler.planning.plan import Plan, PlanTarget
from reconciler.views import phrases
from reconciler.views.escape import look_alike, shortened, spelled_out, visible
from reconciler.views.findings import Finding, findings_of
from reconciler.views.sections import (
    CommandContext,
    Section,
    apply_command,
    is_restated,
    left_alone,
    lift_advice,
    once_accepted,
    policies_line,
    reference,
    removal_notes,
    sections_of,
)
from reconciler.views.usage import used_by

if TYPE_CHECKING:
    from reconciler.planning.costs import Costs
    from reconciler.views.cost_lines import Sides

PLACEHOLDER = "placeholder"
"""Code of the notice that a simulator gets made-up values for unset variables."""


@dataclass(frozen=True, slots=True)
class ChangeItem:
    """Change of one field: `before` is None if the value is added, `after` if it is removed.

    Both are complete. `is_whole` marks values that no view may shorten, such as hosts.
    `is_restated` marks values that a replace restores unchanged. `risk` is empty below
    `credential`. `who` names who made the change, in a drift report with `--who`.
    """

    symbol: str
    path: str
    before: str | None
    after: str | None
    note: str
    risk: str
    is_whole: bool = False
    is_restated: bool = False
    sides: tuple[str, str] | None = None
    who: str = ""

    @property
    def text(self) -> str:
        """Return the change in one line, without its symbol; long values are shortened."""
        before, after = self.before, self.after
        if before is not None and after is not None:
            if not self.is_whole:
                before, after = abridged_pair(before, after)
            # Shown once per line: `(secret) reference A → reference B`.
            after = after.removeprefix(f"{phrases.REDACTED} ")
            values = f"{before} → {after}"
            # Only the references of a secret are known, not the value on each side.
            if self.sides is not None and not before.startswith(phrases.REDACTED):
                values = f"{self.sides[0]} {before}, {self.sides[1]} {after}"
        else:
            value = (after if before is None else before) or ""
            values = value if self.is_whole else abridged(value)
        risk = f" [{self.risk}]" if self.risk else ""
        return f"{self.path}: {values}" + (f" ({self.note})" if self.note else "") + risk


@dataclass(frozen=True, slots=True)
class Block:
    """Guard that blocks an action, and the remedy."""

    code: str
    lift: str


@dataclass(frozen=True, slots=True)
class ActionItem:
    """Action on one integration; `name` is set for a create, a delete and a changed name.

    `notes` summarize what a delete or a replace removes and re-creates. `costs` are the changes of
    budgets and prices. `who` names who made all changes, in a drift report with `--who`.
    """

    slug: str
    name: str | None
    kind: ActionKind
    symbol: str
    word: str
    reason: str
    risk: Risk
    source: str | None
    changes: tuple[ChangeItem, ...]
    blocks: tuple[Block, ...]
    notes: tuple[str, ...] = ()
    drift_state: str = ""
    has_users: bool = False
    costs: tuple[str, ...] = ()
    who: str = ""

    @property
    def all_notes(self) -> tuple[str, ...]:
        """Lines that precede the changes."""
        return (*self.notes, *self.costs)

    @property
    def essential_changes(self) -> tuple[ChangeItem, ...]:
        """Changes without those that only restate what a replace restores."""
        return tuple(change for change in self.changes if not change.is_restated)


@dataclass(frozen=True, slots=True)
class PlanOutline:
    """Plan for readers; `run`, `commit`, `warning`, `next_step` and `command` may be empty.

    `title`, `warning`, `summary` and `next_step` contain only fixed phrases and numbers.
    `left_alone` counts in one line what `sections` list; `has_undeclared_risks` marks undeclared
    values that a short text lists in any case. `costs` are the sums of budgets that change.
    `policies` is empty or one line that names each policy with its verdict.
    """

    title: str
    run: str
    header: str
    digest: str
    commit: str
    commit_note: str
    warning: str
    summary: str
    policies: tuple[str, ...]
    counts: tuple[tuple[str, int], ...]
    actions: tuple[ActionItem, ...]
    findings: tuple[Finding, ...]
    sections: tuple[Section, ...]
    left_alone: str
    has_undeclared_risks: bool
    next_step: str
    command: str
    costs: tuple[str, ...] = ()


def header(*, target: str, base_url: str, ledger: str) -> str:
    """Return the first line of every text output: target, host and ledger state."""
    # Complete, because a shortened host could look like another one.
    host = visible(_host(base_url), limit=None)
    # `show` reads a saved document and no ledger, so there is no state to show.
    state = "" if ledger == phrases.LEDGER_NOT_READ else f" · {ledger_state(ledger)}"
    return f"target {visible(target, limit=None)} · host {host}{state}"


def ledger_state(ledger: str) -> str:
    """Return the part of the header that names the state of the ledger."""
    return f"ledger: {visible(phrases.LEDGER_STATES.get(ledger, ledger))}"


def of_plan(
    plan: Plan, *, ledger: str, context: CommandContext = CommandContext(), verbose: bool = False
) -> PlanOutline:
    """Return the outline of a plan; `ledger` is shared, local, fresh or unreachable.

    `verbose` lists everything, and adds findings that `validate` shows.
    """
    next_step, command = _next_step(plan, context)
    # Grouped once: a plan can have a thousand actions and as many secrets.
    unverified: dict[str, list[str]] = {}
    for secret in plan.unverified:
        unverified.setdefault(secret.slug, []).append(secret.path)
    origins = phrases.ORIGIN_NOTES if plan.run is None else phrases.UNDO_NOTES
    costs = costs_by_slug(plan.costs)
    return PlanOutline(
        title=phrases.PLAN_TITLE if plan.run is None else phrases.UNDO_TITLE,
        run=visible(plan.run or ""),
        header=header_of(plan.target, ledger=ledger),
        digest=plan.digest,
        commit=visible(plan.commit or ""),
        commit_note=phrases.UNCOMMITTED if plan.uncommitted else "",
        warning=phrases.UNDO_WARNING if plan.run is not None else "",
        summary=_summary(plan),
        policies=policies_line(plan),
        counts=tuple(plan.summary.items()),
        actions=tuple(
            replace(
                of_action(action, origins=origins, unverified=unverified.get(action.slug, ())),
                costs=tuple(costs.get(action.slug, ())),
            )
            for action in plan.actions
        ),
        findings=findings_of(relevant_diagnostics(plan, verbose=verbose), verbose=verbose),
        sections=sections_of(plan, context, whole=verbose),
        left_alone=left_alone(plan, lists_undeclared=plan.undeclared_risks),
        has_undeclared_risks=plan.undeclared_risks,
        next_step=next_step,
        command=command,
        costs=totals_of(plan.costs, plan.target.name),
    )


def costs_by_slug(
    costs: "Costs | None", *, sides: "Sides | None" = None
) -> Mapping[str, Sequence[str]]:
    """Return the lines for the budgets and prices of each integration that changes any."""
    if costs is None:
        return {}
    from reconciler.views.cost_lines import lines_by_slug  # noqa: PLC0415  few plans change costs

    return lines_by_slug(costs, sides=sides)


def totals_of(
    costs: "Costs | None", target: str, *, sides: "Sides | None" = None
) -> tuple[str, ...]:
    """Return the lines for the sums of budgets on a target."""
    if costs is None:
        return ()
    from reconciler.views.cost_lines import totals  # noqa: PLC0415  few plans change costs

    return totals(costs, target, sides=sides)


def relevant_diagnostics(plan: Plan, *, verbose: bool) -> Iterable[Diagnostic]:
    """Yield the diagnostics without those on values to send, where none is sent."""
    sends_secrets = any(change.sensitive for action in plan.actions for change in action.changes)
    for item in plan.diagnostics:
        if sends_secrets or verbose or item.code != PLACEHOLDER:
            yield item


def question(plan: Plan) -> str:
    """Return the prompt whether to apply a plan, in one line that summarizes it."""
    where = f"{visible(plan.target.name)} ({visible(_host(plan.target.base_url), limit=None)})"
    return f"{_counts(plan, name_losses=True)}. Apply to {where}?"


def header_of(target: PlanTarget, *, ledger: str) -> str:
    """Return the header line of a target."""
    return header(target=target.name, base_url=target.base_url, ledger=ledger)


def of_action(
    action: Action,
    *,
    origins: Mapping[ChangeOrigin, str] = phrases.ORIGIN_NOTES,
    unverified: Collection[str] = (),
) -> ActionItem:
    """Return the outline of one action; `origins` holds the notes on origins of a change.

    `unverified` are the paths of its secrets that are not known to be in sync.
    """
    blocked = bool(action.blocked_by)
    notes = (*removal_notes(action), *_staging_notes(action))
    # All changes of a create have the same cause, which is shown once.
    if origins is phrases.ORIGIN_NOTES and _was_deleted(action):
        origins, notes = {}, (*notes, phrases.DELETED_NOTE)
    if action.used_by is not None:
        notes = (used_by(action.used_by), *notes)
    return ActionItem(
        slug=visible(action.slug, limit=255),
        name=_name_of(action),
        kind=action.kind,
        symbol=phrases.BLOCKED_SYMBOL if blocked else phrases.SYMBOLS[action.kind],
        word=f"blocked {action.kind.value}" if blocked else action.kind.value,
        reason=shortened(action.reason),
        risk=action.risk,
        source=_place(action.source) if action.source else None,
        changes=tuple(
            of_change(
                change,
                origins=origins,
                unverified=change.path in unverified,
                is_restated=is_restated(action, change),
            )
            for change in action.changes
        ),
        blocks=tuple(
            Block(visible(code), phrases.LIFTS.get(code, phrases.LIFT_UNKNOWN))
            for code in action.blocked_by
        ),
        notes=notes,
        has_users=action.used_by is not None and action.used_by.may_be_used,
    )


def _staging_notes(action: Action) -> tuple[str, ...]:
    """Return the line about the shadow of a staged rotation, with its calls if they are known."""
    if action.staged_by is None:
        return ()
    note = phrases.STAGED_BY.format(visible(action.staged_by, limit=255))
    # A saved plan does not contain calls.
    if action.staging is not None:
        note += f" ({counted(action.staging.count, 'more call')})"
    return (note,)


def _was_deleted(action: Action) -> bool:
    """Return whether the integration of a create was deleted in the API since it was applied."""
    origins = {change.origin for change in action.changes}
    return action.kind is ActionKind.CREATE and origins == {ChangeOrigin.REMOTE}


def _name_of(action: Action) -> str | None:
    """Return the name that the action sets or removes."""
    for change in action.changes:
        # Users know the integration by its name, and its slug may not be meaningful.
        if change.path == "name":
            name = change.before if change.op is ChangeKind.REMOVE else change.after
            return shown(name) if isinstance(name, str) else None
    return None


def of_change(
    change: Change,
    *,
    origins: Mapping[ChangeOrigin, str] = phrases.ORIGIN_NOTES,
    unverified: bool = False,
    is_restated: bool = False,
) -> ChangeItem:
    """Return the outline of one change; a sensitive one shows only references."""
    before, after = _shown_pair(change.before, change.after)
    if change.sensitive:
        hidden = phrases.UNKNOWN_FIELD if change.unknown_field else phrases.REDACTED_WITHOUT_NAME
        before = reference(change.before_reference, hidden)
        after = reference(change.reference, hidden)
    why = phrases.RECREATED_NOTE if is_restated else _why(change, unverified=unverified)
    notes = (why, None if is_restated else origins.get(change.origin))
    # These show the new value; the value before is absent, unknown or the same.
    one_sided = change.op in {ChangeKind.ADD, ChangeKind.ROTATE, ChangeKind.RESEND}
    return ChangeItem(
        symbol=phrases.OP_SYMBOLS[change.op],
        path=visible(change.path, limit=None),
        before=None if one_sided else before,
        after=None if change.op is ChangeKind.REMOVE else after,
        note="; ".join(note for note in notes if note),
        # Only the risks that a reviewer must not overlook; a risk at every line would hide them.
        risk=change.risk.value if change.risk.rank >= Risk.CREDENTIAL.rank else "",
        is_whole=is_shown_whole(change.path, change.before, change.after),
        is_restated=is_restated,
    )


def _why(change: Change, *, unverified: bool) -> str | None:
    """Return the reason why a secret is sent."""
    if change.op is not ChangeKind.ROTATE:
        return phrases.OP_NOTES.get(change.op)
    if change.reference is None:
        return phrases.LITERAL_NOTE
    return phrases.PUSH_NOTE if unverified else phrases.ROTATE_NOTES.get(change.origin)


def shown(value: Json) -> str:
    """Return a value as JSON in one line, unabridged."""
    return visible(json.dumps(value, ensure_ascii=False, sort_keys=True), limit=None)


def _shown_pair(before: Json, after: Json) -> tuple[str, str]:
    """Return both values as text; values that look the same are escaped to ASCII."""
    # Otherwise, a Cyrillic letter in a host name would not look like a change.
    if isinstance(before, str) and isinstance(after, str) and look_alike(before, after):
        return spelled_out(before), spelled_out(after)
    return shown(before), shown(after)


def _place(at: SourceLocation) -> str:
    return f"{visible(at.file, limit=None)}:{at.line}"


def _host(base_url: str) -> str:
    if base_url.startswith("simulator:"):
        return "simulator"
    # Not with urllib, which raises on some texts, and a saved plan can contain any text. User info
    # is refused when a target is read, but a saved plan could contain it, and it must not be shown.
    authority = re.split(r"[/?#]", base_url.partition("://")[2] or base_url, maxsplit=1)[0]
    return authority.rpartition("@")[2]


def _summary(plan: Plan) -> str:
    counts = plan.summary
    unchanged = f"{counts['no_op']} unchanged"
    if plan.in_sync:
        # The plan of an undo was not made from the files.
        why = "the API matches the files" if plan.run is None else "there is nothing to undo"
        return f"No changes: {why}; {unchanged}."
    if not plan.actions:
        return f"No changes found, but the comparison is incomplete; {unchanged}."
    return f"{_counts(plan)}; {unchanged}."


def _counts(plan: Plan, *, name_losses: bool = False) -> str:
    """Return the number of actions by kind; `name_losses` also lists what would be deleted."""
    counts = plan.summary
    parts = []
    for kind in ActionKind:
        if not counts[kind.value]:
            continue
        part = f"{counts[kind.value]} to {kind.value}"
        if name_losses and kind in {ActionKind.REPLACE, ActionKind.DELETE}:
            slugs = [visible(a.slug, limit=255) for a in plan.actions if a.kind is kind]
            part += f" ({named(slugs, limit=phrases.NAMED)})"
        parts.append(part)
    if counts["blocked"]:
        parts.append(f"{counts['blocked']} blocked")
    risk = plan.max_risk.value if plan.max_risk else "none"
    return f"{', '.join(parts)}; highest risk: {risk}"


def _next_step(plan: Plan, context: CommandContext) -> tuple[str, str]:
    if not plan.actions:
        return "", ""
    # No command is shown, because it would be refused.
    if plan.blocked:
        return lift_advice(plan), ""
    if plan.run is not None:
        # An undo has no files to plan from again, so it can only be applied from a saved plan.
        text = phrases.NEXT_UNDO if context.saved_plan else phrases.NEXT_UNDO_UNSAVED
        saved = context.saved_plan or "PLAN"
        return once_accepted(plan, text), apply_command(plan.target.name, saved, context=context)
    arguments = [context.saved_plan] if context.saved_plan is not None else []
    command = apply_command(plan.target.name, *arguments, context=context)
    return once_accepted(plan, phrases.NEXT_APPLY), command

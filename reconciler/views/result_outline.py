"""Outline of the result of a run: applied actions, unapplied actions, and next steps.

Actions and headers come from `reconciler.views.plan_outline`.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from reconciler.diagnostics import counted
from reconciler.execution.result import UNPROVEN_CODES, ActionFailure, ApplyResult, Outcome, Status
from reconciler.frozen_dataclass import dataclass
from reconciler.ledger.models import Anchor
from reconciler.planning.actions import ActionKind
from reconciler.planning.plan import Plan
from reconciler.views import phrases
from reconciler.views.escape import shortened, visible
from reconciler.views.plan_outline import (
    ActionItem,
    ChangeItem,
    costs_by_slug,
    header_of,
    of_action,
    totals_of,
)
from reconciler.views.sections import CommandContext, suggested_command

INTERRUPTED = "interrupted"
"""Code of an action that a request to stop has ended."""


@dataclass(frozen=True, slots=True)
class OutcomeItem:
    """Outcome of one action; `action` is set if the plan is available.

    `costs` are the changes of budgets and prices that it made.
    """

    slug: str
    kind: ActionKind
    status: Status
    symbol: str
    effort: str
    problem: str
    hint: str
    request_ids: tuple[str, ...]
    warnings: tuple[str, ...]
    action: ActionItem | None
    half_done: str = ""
    is_interrupted: bool = False
    costs: tuple[str, ...] = ()

    @property
    def remaining_changes(self) -> tuple[ChangeItem, ...]:
        """Return the changes of an action that was not applied, as far as they are known."""
        if self.action is None or self.status is Status.APPLIED or self.half_done:
            return ()
        return self.action.essential_changes


@dataclass(frozen=True, slots=True)
class NextStep:
    """Advice after an apply; `command` is a command line that follows it."""

    text: str
    command: str = ""


@dataclass(frozen=True, slots=True)
class ResultOutline:
    """Result for readers; `run` is empty if there was nothing to do.

    `half_done` names the integrations of which only a part was written, `not_tried` counts those
    that were never attempted, with the reason; each is a line or empty. `ledger` holds the anchor
    of the ledger, or why the record is incomplete; it may be empty. `overrides` are lines with the
    reasons with which the run overrode rules of its target. `costs` are the sums of budgets that
    the run changed.
    """

    title: str
    run: str
    header: str
    digest: str
    summary: str
    counts: tuple[tuple[str, int], ...]
    outcomes: tuple[OutcomeItem, ...]
    half_done: str
    not_tried: tuple[str, ...]
    next_steps: tuple[NextStep, ...]
    ledger: tuple[str, ...]
    overrides: tuple[str, ...] = ()
    costs: tuple[str, ...] = ()

    @property
    def uncounted(self) -> tuple[OutcomeItem, ...]:
        """Return the outcomes; those not tried are left out if there are many, and counted."""
        if len(self.skipped) <= phrases.NAMED:
            return self.outcomes
        return tuple(item for item in self.outcomes if item.status is not Status.SKIPPED)

    @property
    def skipped(self) -> tuple[OutcomeItem, ...]:
        """Return the outcomes of actions that were not tried."""
        return tuple(item for item in self.outcomes if item.status is Status.SKIPPED)


def of_result(
    result: ApplyResult,
    *,
    ledger: str,
    plan: Plan | None = None,
    context: CommandContext = CommandContext(),
) -> ResultOutline:
    """Return the outline of a result; with the plan, each outcome has its changes."""
    actions = {a.slug: of_action(a) for a in plan.actions} if plan else {}
    counts, costs = result.summary, costs_by_slug(result.costs)
    # A run without actions is not recorded: `history` and `undo` would not know its id.
    is_in_history = bool(result.outcomes)
    return ResultOutline(
        title=phrases.RESULT_TITLE if is_in_history else phrases.RESULT_WITHOUT_RUN_TITLE,
        run=visible(result.run) if is_in_history else "",
        header=header_of(result.target, ledger=ledger),
        digest=visible(result.plan_digest),
        summary=", ".join(f"{number} {status}" for status, number in counts.items()) + ".",
        counts=tuple(counts.items()),
        outcomes=tuple(
            replace(
                of_outcome(outcome, actions.get(outcome.slug)),
                costs=_costs(outcome, costs.get(outcome.slug, ())),
            )
            for outcome in result.outcomes
        ),
        half_done=_half_done(result.outcomes),
        not_tried=tuple(_not_tried(result.outcomes)),
        next_steps=tuple(_next_steps(result, context)),
        ledger=_ledger(result),
        overrides=tuple(_overrides(result)),
        costs=totals_of(result.costs, result.target.name),
    )


def _costs(outcome: Outcome, lines: Sequence[str]) -> tuple[str, ...]:
    if outcome.status is not Status.APPLIED:
        return ()
    # The plan lists all; a result has one line for each other fact about an action.
    more = len(lines) - phrases.LISTED
    end = (phrases.AND_MORE.format(more),) if more > 0 else ()
    return (*lines[: phrases.LISTED], *end)


def _overrides(result: ApplyResult) -> Iterator[str]:
    if result.break_freeze is not None:
        yield phrases.BROKEN_FREEZE.format(shortened(result.break_freeze))
    if result.allow_unsoaked is not None:
        yield phrases.UNSOAKED.format(shortened(result.allow_unsoaked))


def anchor_lines(anchor: Anchor, *, shard: str | None = None) -> tuple[str, ...]:
    """Return the lines to store elsewhere, which can later prove that the ledger is complete."""
    part = f" of shard {shard}" if shard else ""
    head = visible(anchor.head or "none")
    return (
        f"ledger{part}: {counted(anchor.length, 'run')}",
        f"head: {head}",
        f"state: {visible(anchor.state)}",
    )


def _ledger(result: ApplyResult) -> tuple[str, ...]:
    match result.ledger:
        case None:
            return ()
        case ActionFailure(code=code, message=message):
            return (f"ledger: {visible(code)}: {visible(message, 500)}",)
        case Anchor() as anchor:
            return anchor_lines(anchor, shard=result.shard)


def duration(milliseconds: float) -> str:
    """Return a duration such as `81 ms`, `2.3 s` or `4 min 05 s`."""
    if milliseconds < 1000:
        return f"{milliseconds:.0f} ms"
    seconds = milliseconds / 1000
    # From this value on, one decimal would round up to `60.0 s`.
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    # Both parts from one rounded number, so that 119.6 s becomes 2 min 00 s.
    return f"{round(seconds) // 60} min {round(seconds) % 60:02d} s"


def of_outcome(outcome: Outcome, action: ActionItem | None = None) -> OutcomeItem:
    """Return the outline of one outcome."""
    # An action that was never attempted has no duration.
    effort = duration(outcome.duration_ms) if outcome.attempts else ""
    if outcome.attempts > 1:
        effort += f", {outcome.attempts} attempts"
    if outcome.is_probed:
        effort += f", {phrases.PROBED}"
    return OutcomeItem(
        slug=visible(outcome.slug, limit=255),
        kind=outcome.kind,
        status=outcome.status,
        symbol=phrases.STATUS_SYMBOLS[outcome.status],
        effort=effort,
        problem=_problem(outcome),
        hint=shortened(outcome.error.hint) if outcome.error else "",
        request_ids=tuple(visible(item) for item in outcome.request_ids),
        warnings=tuple(shortened(item) for item in outcome.warnings),
        action=action,
        half_done=visible(outcome.half_done),
        is_interrupted=outcome.error is not None and outcome.error.code == INTERRUPTED,
    )


def _problem(outcome: Outcome) -> str:
    error = outcome.error
    if error is None:
        return ""
    status = f" (HTTP {error.http_status})" if error.http_status is not None else ""
    return f"{visible(error.code)}{status}: {shortened(error.message)}"


def _half_done(outcomes: Iterable[Outcome]) -> str:
    # All of them are listed, because each is in a state that neither Git nor the API had before.
    slugs: dict[str, list[str]] = {}
    for outcome in outcomes:
        if outcome.half_done:
            slugs.setdefault(visible(outcome.half_done), []).append(visible(outcome.slug, 255))
    named = [f"{', '.join(names)} ({state})" for state, names in slugs.items()]
    return phrases.HALF_DONE.format("; ".join(named)) if named else ""


def _not_tried(outcomes: Iterable[Outcome]) -> Iterable[str]:
    """Yield a line for each reason why actions were not attempted."""
    slugs: dict[str, list[str]] = {}
    for outcome in outcomes:
        if outcome.status is Status.SKIPPED:
            reason = shortened(outcome.error.message) if outcome.error else ""
            slugs.setdefault(reason, []).append(visible(outcome.slug, limit=255))
    for reason, skipped in slugs.items():
        few = f" ({', '.join(skipped)})" if len(skipped) <= phrases.NAMED else ""
        why = f": {reason}" if reason else ""
        yield f"{phrases.NOT_TRIED.format(len(skipped))}{few}{why}"


def _next_steps(result: ApplyResult, context: CommandContext) -> Iterable[NextStep]:
    # With only some of the shards, it is unknown whether all actions were applied.
    if not result.lacking and (result.complete or not result.outcomes):
        text = phrases.ALL_APPLIED if result.outcomes else phrases.NOTHING_TO_APPLY
        yield NextStep(text)
        return
    # An action that a request to stop has ended needs no correction.
    left = {
        Status.SKIPPED if _is_interrupted(outcome) else outcome.status
        for outcome in result.outcomes
    }
    if Status.FAILED in left:
        left.discard(Status.SKIPPED)  # its advice is a part of that for a failure
    for status, text in phrases.STATUS_ADVICE.items():
        if status in left:
            plans = status is Status.UNKNOWN
            yield NextStep(text, _plan_again(result, context) if plans else "")
    unproven = [o.slug for o in result.outcomes if o.error and o.error.code in UNPROVEN_CODES]
    if unproven:
        yield NextStep(phrases.PROBE_AGAIN, _probe_again(result, unproven, context))
    if result.lacking:
        yield NextStep(phrases.OTHERS_UNKNOWN)


def _is_interrupted(outcome: Outcome) -> bool:
    is_stopped = outcome.error is not None and outcome.error.code == INTERRUPTED
    return is_stopped and outcome.status is Status.FAILED


def _probe_again(result: ApplyResult, slugs: Iterable[str], context: CommandContext) -> str:
    only = [word for slug in slugs for word in ("--only", slug)]
    return suggested_command(result.target.name, "apply", "--probe", *only, context=context)


def _plan_again(result: ApplyResult, context: CommandContext) -> str:
    target = result.target.name
    return suggested_command(target, "plan", *context.plan_options, context=context)

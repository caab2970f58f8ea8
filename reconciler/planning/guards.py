"""Guards: changes that need an explicit permission, as diagnostics.

A guard never changes the plan. It lists the actions that it blocks, and one blocked action blocks
the whole run.

Limits apply to all shards of a run together. Deletes are known from the list alone, so every shard
counts them for all shards. Changes that need details are counted within the shard and compared with
its share of the limit. All shards together therefore never exceed the limit of the run, but a
single shard can exceed its share by chance.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType

from reconciler.diagnostics import Diagnostic, counted, error, named
from reconciler.domain.policy import Limits
from reconciler.domain.schema import any_provider_schema, parse_path
from reconciler.domain.state import LEDGER_UNREADABLE
from reconciler.frozen_dataclass import dataclass
from reconciler.planning.actions import (
    LEFT_OVER,
    Action,
    ActionKind,
    Change,
    ChangeKind,
    Risk,
    decides_host,
)
from reconciler.planning.plan import PlanOptions, Selection

_GAPS_SHOWN = 5

RATIO_COUNTS_FROM = 10
"""Smallest number of owned integrations for which the delete ratio is meaningful."""


NOTHING_REPEATED: Mapping[str, int] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class GuardViolation:
    """Guard that was triggered: its diagnostic and the slugs that it blocks."""

    diagnostic: Diagnostic
    slugs: frozenset[str]


@dataclass(frozen=True, slots=True)
class ChangeCounts:
    """Number of integrations in all shards together.

    They are declared, owned (in scope and existing), or would be deleted.
    """

    declared: int
    owned: int
    deletes: int


def check(
    actions: Iterable[Action],
    *,
    counts: ChangeCounts,
    limits: Limits,
    options: PlanOptions,
    unreadable: Iterable[Diagnostic] = (),
    nameless: int = 0,
    repeated: Mapping[str, int] = NOTHING_REPEATED,
) -> list[GuardViolation]:
    """Apply the guards that check the plan as a whole.

    `unreadable` lists the parts of the last-applied state that could not be read, each with the
    code of its guard; `nameless` counts the rows of the API's list without a readable slug.
    `repeated` is the number of secrets of each slug that an interrupted run may have sent already.
    """
    planned = list(actions)
    # A leftover shadow was never used, so its delete counts against no limit.
    deletes = [
        a for a in planned if a.kind is ActionKind.DELETE and not a.reason.startswith(LEFT_OVER)
    ]
    replaces = [a for a in planned if a.kind is ActionKind.REPLACE]
    findings = [
        _empty(deletes, counts, options),
        _deletes(deletes, counts, limits, options),
        _replaces(replaces, limits, options),
        _counted(
            planned,
            count=lambda action: _credential_changes(action, repeated=repeated.get(action.slug, 0)),
            limit=_first(options.max_credential_changes, limits.credential_changes),
            selection=options.selection,
            code="too-many-credential-changes",
            noun="credential change",
            flag="--max-credential-changes",
        ),
        _counted(
            planned,
            count=_access_removals,
            limit=_first(options.max_access_removals, limits.access_removals),
            selection=options.selection,
            code="too-many-access-removals",
            noun="access removal",
            flag="--max-access-removals",
        ),
        # An update is safe: its integration was read under its own slug.
        _nameless([a for a in planned if a.kind is not ActionKind.UPDATE], nameless),
    ]
    findings += _unread([*deletes, *replaces], list(unreadable))
    return [finding for finding in findings if finding is not None]


def block(actions: Iterable[Action], findings: Iterable[GuardViolation]) -> tuple[Action, ...]:
    """Mark the actions that guards block."""
    fired = list(findings)
    result = []
    for action in actions:
        codes = [f.diagnostic.code for f in fired if action.slug in f.slugs]
        # Calls are kept, because the codes already block the action, and the plan still shows what
        # it would do.
        result.append(replace(action, blocked_by=(*action.blocked_by, *codes)))
    return tuple(result)


def _first(override: int | None, limit: int) -> int:
    # Not `or`, because 0 is a valid limit.
    return limit if override is None else override


def limit_text(limit: int, selection: Selection) -> str:
    """Return the limit of a run, or the share of a shard in it, as a clause."""
    if selection.shard is None:
        return f"the limit is {limit}"
    index, count = selection.shard
    return f"the share of shard {index}/{count} in the limit of {limit} is {selection.share(limit)}"


def _slugs(actions: Iterable[Action]) -> frozenset[str]:
    return frozenset(action.slug for action in actions)


def _unread(removals: list[Action], unreadable: list[Diagnostic]) -> list[GuardViolation]:
    """Block removals while protection and origin are not fully known."""
    if not removals:
        return []
    findings = []
    # One guard for each code, in the order in which the gaps were found.
    for code in dict.fromkeys(gap.code for gap in unreadable):
        gaps = [gap for gap in unreadable if gap.code == code]
        if code == LEDGER_UNREADABLE:  # a replace is declared in full by its file
            held = [action for action in removals if action.kind is ActionKind.DELETE]
        else:
            held = removals
        if not held:
            continue
        reasons = named([gap.summary for gap in gaps], limit=_GAPS_SHOWN, separator="; ")
        summary = (
            f"{counted(len(held), 'integration')} would be deleted or replaced, but it is not "
            f"fully known what Git declares or used to declare: {reasons}"
        )
        found = error(code, summary, hint=gaps[0].hint, at=gaps[0].at)
        findings.append(GuardViolation(found, _slugs(held)))
    return findings


def _nameless(actions: list[Action], rows: int) -> GuardViolation | None:
    """Block actions that depend on all slugs: a row without one may be any integration."""
    if not actions or not rows:
        return None
    return GuardViolation(
        error(
            "unreadable-record",
            f"{counted(len(actions), 'integration')} would be created, deleted or replaced, but "
            f"the API's list has {counted(rows, 'row')} without a readable slug",
            hint="repair the record in the console; `reconcile list` shows what can be read",
        ),
        _slugs(actions),
    )


def _empty(
    deletes: list[Action], counts: ChangeCounts, options: PlanOptions
) -> GuardViolation | None:
    # A folder without any file is usually the wrong folder, even if there are few deletes.
    if counts.declared or not deletes or options.allow_empty:
        return None
    return GuardViolation(
        error(
            "empty-desired-state",
            f"the files declare no integration, but {counts.deletes} would be deleted",
            hint="check --dir; to delete every integration, add --allow-empty",
        ),
        _slugs(deletes),
    )


def _deletes(
    deletes: list[Action], counts: ChangeCounts, limits: Limits, options: PlanOptions
) -> GuardViolation | None:
    count = counts.deletes
    if not deletes:
        return None  # in this shard; the shards with deletes block them
    # A number on the command line replaces both limits, including the ratio.
    if options.max_deletes is not None:
        if count <= options.max_deletes:
            return None
        why = f"--max-deletes allows {options.max_deletes}"
    elif count > limits.deletes:
        why = f"the limit is {limits.deletes}"
    elif counts.owned >= RATIO_COUNTS_FROM and count / counts.owned > limits.delete_ratio:
        why = f"the limit is {limits.delete_ratio * 100:g}% of {counts.owned} owned"
    else:
        return None
    return GuardViolation(
        error(
            "too-many-deletes",
            f"{counted(count, 'integration')} would be deleted, but {why}",
            hint=f"if that is intended, add --max-deletes {count}",
        ),
        _slugs(deletes),
    )


def _replaces(
    replaces: list[Action], limits: Limits, options: PlanOptions
) -> GuardViolation | None:
    whole = options.replaces_allowed(limits)
    # A shard knows its own replaces only, so it gets its share of the limit; deletes are counted
    # over all shards.
    if whole is None or len(replaces) <= options.selection.share(whole):
        return None
    count = counted(len(replaces), "integration")
    if whole == 0:
        return GuardViolation(
            error(
                "replace-not-allowed",
                f"{count} would be replaced (deleted and re-created): "
                + named(sorted(_slugs(replaces)), limit=5),
                hint="an immutable field differs; use a new slug, or allow it with --allow-replace",
            ),
            _slugs(replaces),
        )
    return GuardViolation(
        error(
            "too-many-replaces",
            f"{count} would be replaced (deleted and re-created), "
            f"but {limit_text(whole, options.selection)}",
            hint="raise limits.replaces, or exclude some with --exclude",
        ),
        _slugs(replaces),
    )


def _credential_changes(action: Action, *, repeated: int) -> int:
    """Return the number of credential changes; a resent secret counts if its host changes.

    A secret that an interrupted run announced with the same value has been counted then. If it
    counted again, a run that was killed while it made many calls could not be completed.
    """
    moves = moves_host(action.changes)
    changes = sum(
        change.risk is Risk.CREDENTIAL and (change.op is not ChangeKind.RESEND or moves)
        for change in action.changes
    )
    if moves or action.kind is not ActionKind.UPDATE:
        return changes
    return max(0, changes - repeated)


def _access_removals(action: Action) -> int:
    return sum(change.risk is Risk.ACCESS_REMOVAL for change in action.changes)


def moves_host(changes: Iterable[Change]) -> bool:
    """Return whether any change decides where a credential is sent; an unchanged value does not."""
    schema = any_provider_schema()
    return any(
        change.op is not ChangeKind.RESEND
        # A path that cannot be parsed becomes one unknown field, and an unknown field is a host.
        and decides_host(schema, parse_path(change.path) or (change.path,))
        for change in changes
    )


def _counted(
    actions: list[Action],
    *,
    count: Callable[[Action], int],
    limit: int,
    selection: Selection,
    code: str,
    noun: str,
    flag: str,
) -> GuardViolation | None:
    """Check a limit on changes; creating an integration changes no credential."""
    numbers = {
        action.slug: count(action)
        for action in actions
        # Deletes have a limit of their own, which counts integrations.
        if action.kind in {ActionKind.UPDATE, ActionKind.REPLACE}
    }
    total = sum(numbers.values())
    if total <= selection.share(limit):
        return None
    return GuardViolation(
        error(
            code,
            f"{counted(total, noun)} planned, but {limit_text(limit, selection)}",
            hint=f"if that is intended, add {flag} {selection.limit_for(total)}",
        ),
        frozenset(slug for slug, number in numbers.items() if number),
    )

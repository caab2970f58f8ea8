"""Merge the results of shards into the result that a single run would have had."""

import itertools
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from reconciler.diagnostics import Diagnostic, error
from reconciler.domain.tree import digest
from reconciler.errors import InvalidInput
from reconciler.execution.result import ActionFailure, ApplyResult
from reconciler.ledger.models import Anchor
from reconciler.planning.actions import ActionKind
from reconciler.planning.plan import PlanTarget

if TYPE_CHECKING:
    from reconciler.planning.costs import Costs

_NAMED = 5
"""Maximum number of shards that a message names."""

_ORDER = {kind: rank for rank, kind in enumerate(ActionKind)}


def merge(results: Sequence[ApplyResult]) -> ApplyResult:
    """Merge results of one target into one; its `run` names all runs.

    Shards plan separately, so there is no plan of the whole: the digest is computed from theirs.
    Raises `InvalidInput` for results of different targets, for different numbers of shards, and for
    a shard or a slug that occurs twice. Shards without a result: `missing_shards`.
    """
    problems = _different_targets(results)
    # With different numbers of shards, some slugs always occur twice, so reporting them would not
    # help.
    problems += _inconsistent_shards(results) or _duplicate_slugs(results)
    if problems:
        raise InvalidInput(problems)
    digests = sorted({result.plan_digest for result in results})
    first = results[0].target
    # At most one, because `_different_targets` has refused several.
    organisation = next(iter(_organisations(results)), None)
    outcomes = itertools.chain.from_iterable(result.outcomes for result in results)
    return ApplyResult(
        run="+".join(dict.fromkeys(result.run for result in results)),
        target=PlanTarget(first.name, first.base_url, organisation),
        plan_digest=digests[0] if len(digests) == 1 else digest({"shards": digests}),
        # Sorted, so that the outcomes do not depend on the order in which the files were named.
        outcomes=tuple(sorted(outcomes, key=lambda o: (_ORDER[o.kind], o.slug))),
        shard=results[0].shard if len(results) == 1 else None,
        ledger=_ledger(results),
        break_freeze=_joined(result.break_freeze for result in results),
        allow_unsoaked=_joined(result.allow_unsoaked for result in results),
        # Each verdict once: shards have the same policies, and findings on their own actions.
        policies=tuple(dict.fromkeys(itertools.chain.from_iterable(r.policies for r in results))),
        costs=_costs([result.costs for result in results if result.costs is not None]),
    )


def _costs(parts: "Sequence[Costs]") -> "Costs | None":
    """Return the changes of all shards, without sums: each shard has only its own changes."""
    if len(parts) < 2:
        return parts[0] if parts else None
    return replace(
        parts[0].without_sums,
        budgets=tuple(itertools.chain.from_iterable(part.budgets for part in parts)),
        prices=tuple(itertools.chain.from_iterable(part.prices for part in parts)),
    )


def _joined(reasons: Iterable[str | None]) -> str | None:
    """Return the distinct reasons with which shards overrode a rule."""
    given = [reason for reason in reasons if reason is not None]
    return "; ".join(dict.fromkeys(given)) or None


def _ledger(results: Sequence[ApplyResult]) -> Anchor | ActionFailure | None:
    """Return the first failure, or the end of a single record; shards have no common end."""
    failure = next((r.ledger for r in results if isinstance(r.ledger, ActionFailure)), None)
    return failure or (results[0].ledger if len(results) == 1 else None)


def missing_shards(results: Sequence[ApplyResult]) -> tuple[int, list[str]]:
    """Return how many shards have no result, and the names (`I/N`) of the first of them.

    Without a shard among the results, the number of shards is unknown, so nothing is missing.
    """
    present = {result.shard for result in results if result.shard is not None}
    if not present:
        return 0, []
    # Every shard has the same number of shards, because `merge` refuses others.
    count = int(min(present).partition("/")[2])
    # A file can claim any number of shards, so only as many names as needed are built.
    names = (f"{index}/{count}" for index in range(1, count + 1))
    missing = (name for name in names if name not in present)
    return count - len(present), list(itertools.islice(missing, _NAMED))


def _organisations(results: Sequence[ApplyResult]) -> list[str]:
    """Return the known organisations; a shard that read nothing has no organisation."""
    return sorted({r.target.organisation_id for r in results if r.target.organisation_id})


def _different_targets(results: Sequence[ApplyResult]) -> list[Diagnostic]:
    places = sorted({(r.target.name, r.target.base_url) for r in results})
    organisations = _organisations(results)
    if len(places) > 1:
        named = " and ".join(f"{name} at {url}" for name, url in places[:2])
    elif len(organisations) > 1:
        named = " and ".join(f"organisation {name}" for name in organisations[:2])
    else:
        return []
    hint = "pass only the results of one run's shards"
    return [error("different-targets", f"the results are of {named}", hint=hint)]


def _inconsistent_shards(results: Sequence[ApplyResult]) -> list[Diagnostic]:
    shards = Counter(result.shard for result in results if result.shard is not None)
    counts = sorted({int(shard.partition("/")[2]) for shard in shards})
    if len(counts) > 1:
        numbers = " and ".join(str(count) for count in counts)
        summary = f"the results are of runs with different numbers of shards: {numbers}"
        hint = "pass only the results of one run's shards"
        return [error("different-shards", summary, hint=hint)]
    hint = "pass each file once, and only the last result of a shard that was run again"
    return [
        error("duplicate-outcome", f"shard {shard} occurs in {count} results", hint=hint)
        for shard, count in sorted(shards.items())
        if count > 1
    ]


def _duplicate_slugs(results: Sequence[ApplyResult]) -> list[Diagnostic]:
    outcomes = itertools.chain.from_iterable(result.outcomes for result in results)
    counts = Counter(outcome.slug for outcome in outcomes)
    hint = "pass each file once, and only results with the same number of shards"
    return [
        error("duplicate-outcome", f"{slug} occurs in {count} results", hint=hint)
        for slug, count in sorted(counts.items())
        if count > 1
    ]

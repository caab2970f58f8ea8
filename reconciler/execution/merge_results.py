"""Join the results of shards into the result that one run would have had."""

from collections import Counter
from collections.abc import Sequence
from itertools import islice

from reconciler.diagnostics import Diagnostic, error
from reconciler.domain.rejection import InvalidInput
from reconciler.domain.tree import digest
from reconciler.execution.result import ActionFailure, ApplyResult
from reconciler.ledger.models import Anchor
from reconciler.planning.actions import ActionKind
from reconciler.planning.plan import PlanTarget

_NAMED = 5
"""Shards that a complaint names; a file may speak of any number of them."""

_ORDER = {kind: rank for rank, kind in enumerate(ActionKind)}


def merge(results: Sequence[ApplyResult]) -> ApplyResult:
    """Join results of one target; their runs are named side by side.

    The digest of several is made of theirs: shards plan apart, so no plan of the whole exists.
    Raises `InvalidInput` for results of different targets, for shards that were cut differently and
    for a shard or a slug that stands in two. Which shards are not there: `absent`.
    """
    problems = [*_strangers(results), *(_cut_differently(results) or _twice(results))]
    if problems:
        raise InvalidInput(problems)
    digests = sorted({result.plan_digest for result in results})
    first = results[0].target
    organisation = next(iter(_organisations(results)), None)
    outcomes = (outcome for result in results for outcome in result.outcomes)
    return ApplyResult(
        run="+".join(dict.fromkeys(result.run for result in results)),
        target=PlanTarget(first.name, first.base_url, organisation),
        plan_digest=digests[0] if len(digests) == 1 else digest({"shards": digests}),
        outcomes=tuple(sorted(outcomes, key=lambda o: (_ORDER[o.kind], o.slug))),
        shard=results[0].shard if len(results) == 1 else None,
        ledger=_ledger(results),
    )


def _ledger(results: Sequence[ApplyResult]) -> Anchor | ActionFailure | None:
    """Return the first failure of a record; each shard has a chain of its own, so no end of all."""
    failure = next((r.ledger for r in results if isinstance(r.ledger, ActionFailure)), None)
    return failure or (results[0].ledger if len(results) == 1 else None)


def absent(results: Sequence[ApplyResult]) -> tuple[int, list[str]]:
    """Count the shards of which no result is there, and name the first of them as `I/N`.

    Without any shard among the results nothing tells how many there should be.
    """
    there = {result.shard for result in results if result.shard is not None}
    if not there:
        return 0, []
    count = int(min(there).partition("/")[2])
    shards = (f"{index}/{count}" for index in range(1, count + 1))
    return count - len(there), list(islice((s for s in shards if s not in there), _NAMED))


def _organisations(results: Sequence[ApplyResult]) -> list[str]:
    """Give the organisations that were learned; a shard without a reading may know none."""
    return sorted({r.target.organisation_id for r in results if r.target.organisation_id})


def _strangers(results: Sequence[ApplyResult]) -> list[Diagnostic]:
    places = sorted({(r.target.name, r.target.base_url) for r in results})
    organisations = _organisations(results)
    if len(places) > 1:
        named = " and ".join(f"{name} at {url}" for name, url in places[:2])
    elif len(organisations) > 1:
        named = " and ".join(f"organisation {name}" for name in organisations[:2])
    else:
        return []
    hint = "join only the results of one run's shards"
    return [error("different-targets", f"the results are of {named}", hint=hint)]


def _cut_differently(results: Sequence[ApplyResult]) -> list[Diagnostic]:
    shards = Counter(result.shard for result in results if result.shard is not None)
    counts = sorted({int(shard.partition("/")[2]) for shard in shards})
    if len(counts) > 1:
        summary = f"the results are of shards of {' and of '.join(map(str, counts))}"
        hint = "join only the results of one run's shards"
        return [error("different-shards", summary, hint=hint)]
    hint = "a file was given twice, or a shard was run again: give its last result"
    return [
        error("duplicate-outcome", f"shard {shard} stands in {count} results", hint=hint)
        for shard, count in sorted(shards.items())
        if count > 1
    ]


def _twice(results: Sequence[ApplyResult]) -> list[Diagnostic]:
    counts = Counter(outcome.slug for result in results for outcome in result.outcomes)
    hint = "a file was given twice, or the shards were cut differently"
    return [
        error("duplicate-outcome", f"{slug} stands in {count} results", hint=hint)
        for slug, count in sorted(counts.items())
        if count > 1
    ]

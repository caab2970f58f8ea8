"""Join the results of shards into the result that one run would have had."""

from collections import Counter
from collections.abc import Sequence

from reconciler.diagnostics import Diagnostic, error
from reconciler.domain.rejection import InvalidInput
from reconciler.domain.tree import digest
from reconciler.execution.outcome import ApplyResult
from reconciler.planning.actions import ActionKind
from reconciler.planning.plan import PlanTarget

_ORDER = {kind: rank for rank, kind in enumerate(ActionKind)}


def join(results: Sequence[ApplyResult]) -> ApplyResult:
    """Join results of one target; their runs are named side by side.

    The digest of several is made of theirs: shards plan apart, so no plan of the whole exists.
    Raises `InvalidInput` for results of different targets and for a slug that stands in two.
    """
    problems = [*_strangers(results), *_twice(results)]
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
    )


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


def _twice(results: Sequence[ApplyResult]) -> list[Diagnostic]:
    counts = Counter(outcome.slug for result in results for outcome in result.outcomes)
    hint = "a file was given twice, or the shards were cut differently"
    return [
        error("duplicate-outcome", f"{slug} stands in {count} results", hint=hint)
        for slug, count in sorted(counts.items())
        if count > 1
    ]

"""The results of shards read as the one result that a run of the whole would have had."""

import pytest

from reconciler.domain.rejection import InvalidInput
from reconciler.domain.tree import digest
from reconciler.execution.joining import join
from reconciler.execution.outcome import ApplyResult, Outcome, Status
from reconciler.planning.actions import ActionKind
from reconciler.planning.plan import PlanTarget

HERE = PlanTarget("here", "https://here.example/v1", "org")


def shard(
    *outcomes: Outcome, run: str = "run", target: PlanTarget = HERE, plan: str = "sha256:00"
) -> ApplyResult:
    return ApplyResult(run=run, target=target, plan_digest=plan, outcomes=outcomes)


def outcome(slug: str, kind: ActionKind = ActionKind.UPDATE) -> Outcome:
    return Outcome(slug, kind, Status.APPLIED)


def problems(*results: ApplyResult) -> list[tuple[str, str]]:
    with pytest.raises(InvalidInput) as caught:
        join(results)
    assert all(d.hint for d in caught.value.diagnostics)
    return [(d.code, d.summary) for d in caught.value.diagnostics]


def test_one_result_joined_alone_stays_as_it_is() -> None:
    alone = shard(outcome("alpha"), outcome("beta"))
    assert join([alone]) == alone


def test_outcomes_stand_in_the_order_of_one_run_creates_first_deletes_last() -> None:
    create, update, delete = ActionKind.CREATE, ActionKind.UPDATE, ActionKind.DELETE
    joined = join(
        [
            shard(outcome("a", delete), outcome("z", create), run="one"),
            shard(outcome("m", update), outcome("b", create), run="two"),
        ]
    )
    assert [(o.kind, o.slug) for o in joined.outcomes] == [
        (create, "b"),
        (create, "z"),
        (update, "m"),
        (delete, "a"),
    ]
    assert joined.run == "one+two"


def test_a_run_is_named_once_however_many_of_its_shards_come() -> None:
    assert join([shard(run="one"), shard(run="one")]).run == "one"


def test_several_plans_have_a_digest_of_their_own_whatever_the_order() -> None:
    one, two = shard(plan="sha256:01"), shard(plan="sha256:02")
    assert join([one, two]).plan_digest == join([two, one]).plan_digest
    assert join([one, two]).plan_digest == digest({"shards": ["sha256:01", "sha256:02"]})


def test_a_shard_that_learned_no_organisation_takes_that_of_the_others() -> None:
    nobody = PlanTarget(HERE.name, HERE.base_url, None)
    assert join([shard(target=nobody), shard()]).target == HERE
    assert join([shard(target=nobody)]).target == nobody


def test_results_of_different_targets_are_not_joined() -> None:
    there = PlanTarget("there", "https://there.example/v1", "org")
    elsewhere = PlanTarget("here", "https://other.example/v1", "org")
    named = "the results are of here at https://here.example/v1 and there at"
    assert problems(shard(), shard(target=there)) == [
        ("different-targets", f"{named} https://there.example/v1")
    ]
    assert [code for code, _ in problems(shard(), shard(target=elsewhere))] == ["different-targets"]


def test_results_of_different_organisations_are_not_joined() -> None:
    other = PlanTarget(HERE.name, HERE.base_url, "other")
    assert problems(shard(), shard(target=other)) == [
        ("different-targets", "the results are of organisation org and organisation other")
    ]


def test_a_slug_that_stands_in_several_results_is_named_with_their_number() -> None:
    results = [shard(outcome("beta"), outcome("alpha")), shard(outcome("beta")), shard()]
    assert problems(*results) == [("duplicate-outcome", "beta stands in 2 results")]

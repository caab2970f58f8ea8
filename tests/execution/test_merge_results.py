"""The merged results of shards equal the result of a single run."""

import pytest

from reconciler.domain.tree import digest
from reconciler.errors import InvalidInput
from reconciler.execution.merge_results import merge, missing_shards
from reconciler.execution.result import ApplyResult, Outcome, Status
from reconciler.planning.actions import ActionKind
from reconciler.planning.plan import PlanTarget

HERE = PlanTarget("here", "https://here.example/v1", "org")


def shard(
    *outcomes: Outcome,
    run: str = "run",
    target: PlanTarget = HERE,
    plan: str = "sha256:00",
    part: str | None = None,
) -> ApplyResult:
    return ApplyResult(run=run, target=target, plan_digest=plan, outcomes=outcomes, shard=part)


def parts(*names: str | None) -> list[ApplyResult]:
    return [shard(part=name) for name in names]


def outcome(slug: str, kind: ActionKind = ActionKind.UPDATE) -> Outcome:
    return Outcome(slug, kind, Status.APPLIED)


def problems(*results: ApplyResult) -> list[tuple[str, str, str]]:
    with pytest.raises(InvalidInput) as caught:
        merge(results)
    return [(d.code, d.summary, d.hint) for d in caught.value.diagnostics]


def test_a_single_result_is_unchanged() -> None:
    alone = shard(outcome("alpha"), outcome("beta"))
    assert merge([alone]) == alone


def test_outcomes_are_in_the_order_of_a_single_run() -> None:
    create, update, delete = ActionKind.CREATE, ActionKind.UPDATE, ActionKind.DELETE
    joined = merge(
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


def test_a_run_of_several_shards_is_named_once() -> None:
    assert merge([shard(run="one"), shard(run="one")]).run == "one"


def test_several_plans_have_one_digest_in_any_order() -> None:
    one, two = shard(plan="sha256:01"), shard(plan="sha256:02")
    assert merge([one, two]).plan_digest == merge([two, one]).plan_digest
    assert merge([one, two]).plan_digest == digest({"shards": ["sha256:01", "sha256:02"]})


def test_a_shard_without_an_organisation_gets_that_of_the_others() -> None:
    nobody = PlanTarget(HERE.name, HERE.base_url, None)
    assert merge([shard(target=nobody), shard()]).target == HERE
    assert merge([shard(target=nobody)]).target == nobody


ONE_RUN = "pass only the results of one run's shards"
LAST_RESULT = "pass each file once, and only the last result of a shard that was run again"
GIVEN_TWICE = "pass each file once, and only results with the same number of shards"


def test_results_of_different_targets_are_not_merged() -> None:
    there = PlanTarget("there", "https://there.example/v1", "org")
    elsewhere = PlanTarget("here", "https://other.example/v1", "org")
    named = "the results are of here at https://here.example/v1 and"
    one = ("different-targets", f"{named} there at https://there.example/v1", ONE_RUN)
    assert problems(shard(), shard(target=there)) == [one]
    other = ("different-targets", f"{named} here at https://other.example/v1", ONE_RUN)
    assert problems(shard(), shard(target=elsewhere)) == [other]
    assert problems(shard(), shard(target=there), shard(target=elsewhere)) == [other]


def test_results_of_different_organisations_are_not_merged() -> None:
    other = PlanTarget(HERE.name, HERE.base_url, "other")
    third = PlanTarget(HERE.name, HERE.base_url, "third")
    told = "the results are of organisation org and organisation other"
    problem = ("different-targets", told, ONE_RUN)
    assert problems(shard(), shard(target=other)) == [problem]
    assert problems(shard(), shard(target=third), shard(target=other)) == [problem]


def test_a_slug_in_several_results_is_named_with_their_number() -> None:
    results = [shard(outcome("beta"), outcome("alpha")), shard(outcome("beta")), shard()]
    told = "beta occurs in 2 results"
    assert problems(*results) == [("duplicate-outcome", told, GIVEN_TWICE)]


def test_shards_with_different_totals_are_not_merged_for_one_reason() -> None:
    results = [shard(outcome("alpha"), part=name) for name in ("1/10", "1/3", "2/3")]
    told = "the results are of runs with different numbers of shards: 3 and 10"
    assert problems(*results) == [("different-shards", told, ONE_RUN)]


def test_a_shard_that_is_passed_twice_is_named_instead_of_all_its_slugs() -> None:
    results = [shard(outcome("alpha"), part=name) for name in ("2/3", "1/3", "2/3", "1/3", "2/3")]
    assert problems(*results) == [
        ("duplicate-outcome", "shard 1/3 occurs in 2 results", LAST_RESULT),
        ("duplicate-outcome", "shard 2/3 occurs in 3 results", LAST_RESULT),
    ]


def test_two_results_of_complete_runs_are_not_a_duplicate_shard() -> None:
    assert merge(parts(None, None, "1/2")).shard is None


def test_a_single_shard_stays_a_shard_and_merged_ones_are_not() -> None:
    assert merge(parts("1/3")).shard == "1/3"
    assert merge(parts("1/3", "2/3")).shard is None


@pytest.mark.parametrize(
    ("there", "missing"),
    [
        ([], (0, [])),
        ([None, None], (0, [])),
        (["1/1"], (0, [])),
        (["2/2", "1/2"], (0, [])),
        (["2/3"], (2, ["1/3", "3/3"])),
        ([None, "1/3", "3/3"], (1, ["2/3"])),
        (["3/10", "10/10"], (8, ["1/10", "2/10", "4/10", "5/10", "6/10"])),
    ],
)
def test_missing_shards_are_counted_and_the_first_are_named(
    there: list[str | None], missing: tuple[int, list[str]]
) -> None:
    assert missing_shards(parts(*there)) == missing

"""Shards together equal a complete run: the same actions and the same limits."""

from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from reconciler.domain.policy import Prune
from reconciler.domain.state import Declared, Observed
from reconciler.planning.actions import Action
from reconciler.planning.plan import Plan, PlanOptions, Selection
from reconciler.planning.planner import make_plan
from tests.builders import NOON, declared, desired, observed, state

DELETE_GUARDS = {"empty-desired-state", "too-many-deletes", "protected"}
WORKSPACES = [{"id": "ws-a", "enabled": True}]
MAKERS = {
    "kept": (declared, observed),
    "created": (declared, None),
    "changed": (lambda s: declared(s, description="new"), lambda s: observed(s, description="old")),
    "deleted": (None, observed),
    "replaced": (lambda s: declared(s, ai_provider_id="anthropic"), observed),
    "removed": (lambda s: declared(s, workspaces=[]), lambda s: observed(s, workspaces=WORKSPACES)),
    "entrusted": (
        lambda s: declared(s, configurations={"azure_auth_mode": "entra"}),
        lambda s: observed(s, configurations={"azure_auth_mode": "default"}),
    ),
}


@dataclass(frozen=True)
class Case:
    """The action of each slug, and the limits."""

    fates: dict[str, str]
    limits: dict[str, Any]
    shards: int

    def plan(self, shard: tuple[int, int] | None = None) -> Plan:
        want: list[Declared] = []
        have: list[Observed] = []
        for slug, fate in self.fates.items():
            wanted, existing = MAKERS[fate]
            want += [wanted(slug)] if wanted else []
            have += [existing(slug)] if existing else []
        return make_plan(
            desired=desired(*want, prune=Prune.ALL, limits=self.limits),
            observed=state(*have),
            options=PlanOptions(selection=Selection(shard=shard)),
            created_at=NOON,
        )

    @property
    def parts(self) -> list[Plan]:
        return [self.plan((i, self.shards)) for i in range(1, self.shards + 1)]


def few() -> st.SearchStrategy[int]:
    return st.integers(0, 4)


CASES = st.builds(
    Case,
    st.dictionaries(st.from_regex(r"[a-z]{1,4}", fullmatch=True), st.sampled_from(list(MAKERS))),
    st.fixed_dictionaries(
        {
            "deletes": few(),
            "replaces": few(),
            "credential_changes": few(),
            "access_removals": few(),
            "delete_ratio": st.sampled_from([0.0, 0.3, 1.0]),
        }
    ),
    st.integers(1, 5),
)


def bare(actions: list[Action]) -> list[Action]:
    return sorted((replace(a, blocked_by=()) for a in actions), key=lambda a: a.slug)


@pytest.mark.slow
@given(CASES)
def test_the_actions_of_all_shards_are_those_of_a_complete_run(case: Case) -> None:
    whole, parts = case.plan(), case.parts
    together = [action for part in parts for action in part.actions]
    assert bare(together) == bare(list(whole.actions))
    assert sum(part.no_op for part in parts) == whole.no_op
    assert sorted(s for part in parts for s in part.unmanaged) == list(whole.unmanaged)


@pytest.mark.slow
@given(CASES)
@example(Case(dict.fromkeys("abcdefgh", "deleted"), {"deletes": 3}, 4))
def test_guards_for_deletes_agree_in_every_shard(case: Case) -> None:
    def blocks(plan: Plan) -> dict[str, set[str]]:
        return {a.slug: set(a.blocked_by) & DELETE_GUARDS for a in plan.actions}

    together = {slug: codes for part in case.parts for slug, codes in blocks(part).items()}
    assert together == blocks(case.plan())


@pytest.mark.slow
@given(CASES)
@example(Case(dict.fromkeys("abcdefgh", "removed"), {"access_removals": 4}, 4))
@example(Case(dict.fromkeys("abcdefgh", "replaced"), {"replaces": 2}, 3))
def test_shards_never_exceed_the_limits_of_a_complete_run(case: Case) -> None:
    counted: Counter[str] = Counter()
    for part in case.parts:
        if not part.blocked:
            counted.update(case.fates[action.slug] for action in part.actions)
    assert counted["replaced"] <= case.limits.get("replaces", 0)
    assert counted["removed"] <= case.limits.get("access_removals", 10)
    assert counted["entrusted"] <= case.limits.get("credential_changes", 10)
    assert counted["deleted"] <= case.limits.get("deletes", 3)


@given(st.integers(0, 50), st.integers(1, 9))
def test_the_shares_of_a_limit_sum_up_to_it(limit: int, count: int) -> None:
    shards = [Selection(shard=(i, count)) for i in range(1, count + 1)]
    assert sum(shard.share(limit) for shard in shards) == limit
    assert Selection().share(limit) == limit


@given(st.integers(1, 50), st.integers(1, 9))
def test_the_limit_in_a_hint_is_the_smallest_sufficient_one(needed: int, count: int) -> None:
    for index in range(1, count + 1):
        shard = Selection(shard=(index, count))
        assert shard.share(shard.limit_for(needed)) == needed
        assert shard.share(shard.limit_for(needed) - 1) < needed


def test_a_blocked_shard_names_its_share_and_the_sufficient_limit() -> None:
    slugs = [s for s in map(str, range(100)) if Selection(shard=(2, 3)).includes(s)][:2]
    case = Case(dict.fromkeys(slugs, "removed"), {"access_removals": 4}, 3)
    problem = next(d for d in case.plan((2, 3)).diagnostics if d.code == "too-many-access-removals")
    assert "the share of shard 2/3 in the limit of 4 is 1" in problem.summary
    assert "--max-access-removals 5" in problem.hint


def test_patterns_without_a_match_are_named_in_order() -> None:
    chosen = Selection(only=("b*", "a", "c?", "A"), shard=(1, 2))
    assert chosen.unmatched(["a", "ax", "cc"]) == ("b*", "A")
    assert chosen.unmatched([]) == chosen.only
    assert Selection().unmatched(["a"]) == ()


def test_a_slug_stays_in_its_shard_in_every_version() -> None:
    shards = {
        slug: next(i for i in range(1, 6) if Selection(shard=(i, 5)).includes(slug))
        for slug in ("a", "b", "openai", "anthropic-eu")
    }
    assert shards == {"a": 1, "b": 2, "openai": 1, "anthropic-eu": 2}

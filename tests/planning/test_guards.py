"""Changes that need explicit permission, and deletes of a plan."""

from dataclasses import replace
from typing import Any

import pytest

from reconciler.domain.policy import Prune
from reconciler.domain.state import LastApplied, LastAppliedState, Lifecycle
from reconciler.planning.plan import Plan, PlanOptions, Selection, Unverified
from reconciler.planning.planner import make_plan
from tests.builders import KEY, NOON, changes_of, declared, desired, observed, state


def plan(
    *,
    want: list[Any],
    have: list[Any],
    last_applied: LastAppliedState = LastAppliedState(),
    **more: Any,
) -> Plan:
    options = PlanOptions(**more.pop("options", {}))
    return make_plan(
        desired=desired(*want, **more),
        observed=state(*have),
        last_applied=last_applied,
        options=options,
        created_at=NOON,
    )


def codes(planned: Plan) -> set[str]:
    return {code for action in planned.blocked for code in action.blocked_by}


def many(count: int) -> list[Any]:
    return [observed(f"i-{n}") for n in range(count)]


def test_prune_managed_deletes_only_what_git_used_to_declare() -> None:
    last_applied = LastAppliedState({"once": LastApplied({})})
    planned = plan(
        want=[declared("kept")],
        have=[observed("kept"), observed("once"), observed("never")],
        last_applied=last_applied,
    )
    assert [(a.kind.value, a.slug) for a in planned.actions] == [("delete", "once")]
    assert planned.unmanaged == ("never",)


def test_prune_none_only_lists_forgotten_integrations() -> None:
    last_applied = LastAppliedState({"once": LastApplied({})})
    planned = plan(
        want=[declared("kept")],
        have=[observed("kept"), observed("once")],
        last_applied=last_applied,
        prune=Prune.NONE,
    )
    assert planned.in_sync
    assert planned.forgotten == ("once",)


def test_a_tombstone_deletes_with_every_prune_mode() -> None:
    planned = plan(
        want=[declared("kept")],
        have=[observed("kept"), observed("old")],
        tombstones=("old", "gone"),
        prune=Prune.NONE,
    )
    assert [(a.slug, a.reason) for a in planned.actions] == [("old", "tombstone: contract ended")]


def test_an_empty_desired_state_deletes_nothing_unless_allowed() -> None:
    assert codes(plan(want=[], have=many(2), prune=Prune.ALL)) == {"empty-desired-state"}
    allowed = plan(want=[], have=many(2), prune=Prune.ALL, options={"allow_empty": True})
    assert allowed.blocked == ()


def test_an_empty_desired_state_without_anything_to_delete_is_allowed() -> None:
    assert plan(want=[], have=[]).in_sync


@pytest.mark.parametrize(
    ("deletes", "owned", "flags", "blocked"),
    [
        (3, 9, {}, False),
        (4, 9, {}, True),
        (3, 10, {}, False),
        (4, 100, {"max_deletes": 4}, False),
        (5, 100, {"max_deletes": 4}, True),
        (9, 10, {"max_deletes": 9}, False),
        (1, 100, {"max_deletes": 0}, True),
    ],
)
def test_deletes_are_limited_by_number(
    deletes: int, owned: int, flags: dict[str, int], blocked: bool
) -> None:
    have = many(owned)
    want = [declared(o.slug, name=o.fields["name"]) for o in have[deletes:]]
    planned = plan(want=want, have=have, prune=Prune.ALL, options=flags)
    assert (codes(planned) == {"too-many-deletes"}) is blocked


@pytest.mark.parametrize(
    ("deletes", "owned", "blocked"), [(3, 9, False), (3, 10, False), (4, 10, True)]
)
def test_deletes_are_limited_by_ratio_from_ten_upward(
    deletes: int, owned: int, blocked: bool
) -> None:
    have = many(owned)
    want = [declared(o.slug, name=o.fields["name"]) for o in have[deletes:]]
    planned = plan(
        want=want, have=have, prune=Prune.ALL, limits={"deletes": 100, "delete_ratio": 0.3}
    )
    assert bool(planned.blocked) is blocked


def test_a_replace_is_blocked_until_it_is_allowed() -> None:
    change = {"want": [declared(ai_provider_id="anthropic", key=KEY)], "have": [observed()]}
    planned = plan(**change)
    assert planned.actions[0].kind.value == "replace"
    assert planned.actions[0].risk.value == "replace"
    assert codes(planned) == {"replace-not-allowed"}
    assert plan(**change, options={"allow_replace": True}).blocked == ()


def test_more_replaces_than_a_positive_limit_are_too_many() -> None:
    change = {
        "want": [declared(s, ai_provider_id="anthropic", key=KEY) for s in "abc"],
        "have": [observed(s) for s in "abc"],
    }
    assert codes(plan(**change, limits={"replaces": 2})) == {"too-many-replaces"}
    assert plan(**change, limits={"replaces": 3}).blocked == ()


def test_an_id_in_another_form_is_a_warning_and_not_a_replace() -> None:
    planned = plan(
        want=[declared()], have=[observed(ai_provider_id="de7d7d50-31cd-11ee-b93b-0e06f1aa7f7c")]
    )
    assert planned.in_sync
    assert [d.code for d in planned.diagnostics] == ["id-form"]


def test_credential_changes_and_access_removals_have_limits() -> None:
    want = [declared(configurations={"azure_auth_mode": "entra"}), declared("beta", workspaces=[])]
    have = [
        observed(configurations={"azure_auth_mode": "default"}),
        observed("beta", workspaces=[{"id": w, "enabled": True} for w in "ab"]),
    ]
    limits = {"credential_changes": 0, "access_removals": 1}
    planned = plan(want=want, have=have, limits=limits)
    assert {a.slug: a.blocked_by for a in planned.actions} == {
        "alpha": ("too-many-credential-changes",),
        "beta": ("too-many-access-removals",),
    }
    flags = {"max_credential_changes": 1, "max_access_removals": 2}
    assert plan(want=want, have=have, limits=limits, options=flags).blocked == ()


def test_creates_do_not_count_as_credential_changes() -> None:
    host = {"custom_host": "https://x.example"}
    want = [declared(f"i-{n}", key=KEY, configurations=host) for n in range(12)]
    assert plan(want=want, have=[], limits={"credential_changes": 0}).blocked == ()


def test_protection_survives_the_removal_of_its_own_file() -> None:
    last_applied = LastAppliedState({"vital": LastApplied({}, protected=True)})
    have = [observed("kept"), observed("vital")]
    planned = plan(want=[declared("kept")], have=have, last_applied=last_applied)
    assert codes(planned) == {"protected"}
    buried = plan(
        want=[declared("kept")], have=have, last_applied=last_applied, tombstones=("vital",)
    )
    assert buried.blocked == ()


def test_protection_blocks_a_replace_with_any_flag() -> None:
    vital = declared(ai_provider_id="anthropic", key=KEY, lifecycle=Lifecycle(protected=True))
    planned = plan(want=[vital], have=[observed()], options={"allow_replace": True})
    assert codes(planned) == {"protected"}


def test_integrations_outside_the_scope_are_blocked_and_never_deleted() -> None:
    planned = plan(
        want=[declared("team-a-x", key=KEY), declared("team-b-x", key=KEY)],
        have=[observed("team-b-y")],
        prune=Prune.ALL,
        scope={"slugs": ("team-a-*",)},
    )
    assert {a.slug: a.blocked_by for a in planned.actions} == {
        "team-a-x": (),
        "team-b-x": ("not-owned",),
    }
    assert planned.unmanaged == ()


def test_an_archived_integration_is_blocked() -> None:
    assert codes(plan(want=[declared()], have=[observed(status="archived")])) == {"archived"}


def test_an_archived_integration_is_shown_without_changes_and_with_its_state() -> None:
    past = LastApplied({"name": "Alpha"})
    have = observed(status="archived", last_updated_at=NOON)
    planned = plan(want=[declared()], have=[have], last_applied=LastAppliedState({"alpha": past}))
    (action,) = planned.actions
    assert (action.slug, action.kind.value, action.risk.value) == ("alpha", "update", "restrictive")
    assert (action.reason, action.changes, action.calls) == ("it is archived", (), ())
    assert action.precondition.last_updated_at == NOON
    assert action.source == declared().source
    assert action.subject.observed == have
    assert (action.subject.declared, action.subject.remembered) == (declared(), past)
    assert [d.code for d in planned.diagnostics] == ["archived"]


def test_a_create_without_required_configurations_is_blocked() -> None:
    planned = plan(want=[declared(ai_provider_id="azure-openai")], have=[])
    assert codes(planned) == {"missing-configurations"}


def test_only_and_exclude_apply_to_everything() -> None:
    options = {"selection": Selection(only=("a*",), exclude=("ab",))}
    planned = plan(
        want=[declared("aa"), declared("ab"), declared("b")],
        have=[observed("ac"), observed("c")],
        prune=Prune.ALL,
        options=options,
    )
    assert [(a.kind.value, a.slug) for a in planned.actions] == [("create", "aa"), ("delete", "ac")]


@pytest.mark.parametrize("count", [1, 2, 7])
def test_every_slug_is_in_exactly_one_shard(count: int) -> None:
    shards = [Selection(shard=(i, count)) for i in range(1, count + 1)]
    for number in range(200):
        assert sum(shard.includes(f"slug-{number}") for shard in shards) == 1


def test_a_changed_slug_looks_like_a_rename() -> None:
    last_applied = LastAppliedState({"old": LastApplied({})})
    planned = plan(
        want=[declared("new", name="Same")],
        have=[observed("old", name="Same")],
        last_applied=last_applied,
    )
    assert "looks-like-rename" in {d.code for d in planned.diagnostics}


def test_the_digest_ignores_times_reasons_and_preconditions() -> None:
    def digest(**detail: Any) -> str:
        return plan(
            want=[declared(description="new")], have=[observed(description="old", **detail)]
        ).digest

    assert digest(last_updated_at="2026-01-01T00:00:00.000Z") == digest(last_updated_at=None)


def test_the_digest_is_the_same_with_and_without_the_values() -> None:
    first = plan(want=[declared(description="new")], have=[observed(description="old")])
    blind = replace(first, unverified=(Unverified("alpha", "key", "env:SECRET_KEY"),))
    assert blind.digest == first.digest == first.earlier_digest
    assert blind.has_digest(blind.earlier_digest)
    assert not first.has_digest(blind.earlier_digest)


def test_the_digest_depends_on_the_target() -> None:
    def digest(url: str) -> str:
        want = desired(declared(), base_url=url)
        return make_plan(desired=want, observed=state(), created_at=NOON).digest

    assert digest("http://127.0.0.1:1/v1") != digest("http://127.0.0.1:2/v1")


def test_a_create_lists_its_leaves() -> None:
    planned = plan(want=[declared(tags={"team": "a"}, description="")], have=[])
    assert changes_of(planned) == {
        "ai_provider_id": ("add", None, "openai"),
        "name": ("add", None, "Alpha"),
        "tags.team": ("add", None, "a"),
    }


def test_a_tombstone_and_a_file_outside_the_scope_are_named() -> None:
    planned = plan(
        want=[declared("b-same")],
        have=[observed("b-same"), observed("b-old")],
        tombstones=("b-old",),
        scope={"slugs": ("a-*",)},
    )
    assert planned.in_sync
    assert [(d.code, d.severity.value) for d in planned.diagnostics] == [
        ("not-owned", "warning")
    ] * 2

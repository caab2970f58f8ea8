"""Page and plan agree: a differing field is never shown as equal."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.adapter.ui.comparison import ComparedField, FieldStatus, compare_fields
from reconciler.domain.state import Ignored, Lifecycle
from reconciler.planning.planner import make_plan
from tests.adapter.test_gitops_tools import ALPHA
from tests.adapter.test_page import Site, rows
from tests.builders import KEY, NOON, declared, desired, mask, observed, state

GRANT = b"workspaces: [{id: w-1, enabled: true, usage_limits: [{type: cost, credit_limit: 10}]}]\n"


def granted(site: Site, *workspaces: dict[str, Any], slug: str = "alpha") -> Site:
    body = {"workspaces": [{"enabled": True, **entry} for entry in workspaces]}
    site.here.world.put("PUT", f"/integrations/{slug}/workspaces", body)
    return site


def limit(credit: int, identity: str = "w-1") -> dict[str, Any]:
    return {"id": identity, "usage_limits": [{"type": "cost", "credit_limit": credit}]}


def overview(site: Site) -> dict[str, str]:
    return {row.split()[0]: row for row in rows(site.page())}


def detail(site: Site) -> dict[str, str]:
    return {row.split()[0]: row for row in rows(site.page("/integrations/alpha"))}


@pytest.mark.parametrize(("credit", "text"), [(10, "✓ same"), (5, "≠ differs"), (50, "≠ differs")])
def test_a_limit_is_compared_as_the_plan_compares_it(credit: int, text: str) -> None:
    site = granted(Site(alpha=ALPHA + GRANT).exists("alpha", name="Alpha"), limit(credit))
    shown = detail(site)
    path = "workspaces[w-1].usage_limits.credit_limit"
    assert shown[path] == f"{path} 10 {credit} {text}"
    assert shown["workspaces[w-1].usage_limits.type"].endswith("cost cost ✓ same")


def test_a_workspace_granted_outside_git_is_not_in_sync() -> None:
    site = Site(alpha=ALPHA + GRANT).exists("alpha", name="Alpha")
    granted(site, limit(10))
    assert "✓ in sync" in overview(site)["alpha"]
    site.clock.seconds += 60
    granted(site, {"id": "w-2"})
    assert "! undeclared access" in overview(site)["alpha"]
    assert detail(site)["workspaces[w-2].enabled"].endswith("– true ○ not declared")
    assert "! undeclared access" in site.page("/integrations/alpha").replace("</span>", " ")
    assert len(rows(site.page("/?state=undeclared+access"))) == 1
    assert rows(site.page("/?state=in+sync")) == []


def test_undeclared_access_is_not_in_sync() -> None:
    site = Site(alpha=ALPHA).exists("alpha", name="Alpha")
    assert "✓ in sync" in overview(site)["alpha"]
    site.clock.seconds += 60
    granted(site, {"id": "w-1"})
    assert "! undeclared access" in overview(site)["alpha"]


def test_a_listed_workspace_without_access_is_in_sync() -> None:
    site = Site(alpha=ALPHA + GRANT).exists("alpha", name="Alpha")
    granted(site, limit(10), {"id": "w-2"})
    granted(site, {"id": "w-2", "enabled": False})
    assert "✓ in sync" in overview(site)["alpha"]


@pytest.mark.parametrize(
    ("settings", "standing"),
    [
        ({"custom_host": "https://evil.example/v1"}, "! undeclared host"),
        ({"custom_headers": {"x-route": "evil"}}, "! undeclared host"),
        ({"openai_project": "p-1"}, "✓ in sync"),
    ],
)
def test_a_host_that_no_file_declares_is_not_in_sync(
    settings: dict[str, Any], standing: str
) -> None:
    file = ALPHA + b"configurations: {openai_organization: org-1}\n"
    there = {"openai_organization": "org-1", **settings}
    site = Site(alpha=file).exists("alpha", name="Alpha", configurations=there)
    assert standing in overview(site)["alpha"]


def test_a_change_since_the_overview_is_shown() -> None:
    site = Site(alpha=ALPHA + GRANT).exists("alpha", name="Alpha")
    granted(site, limit(10))
    assert "✓ in sync" in overview(site)["alpha"]
    site.here.world.put("PUT", "/integrations/alpha", {"name": "Moved"})
    assert detail(site)["name"] == "name Alpha Moved ≠ differs"
    assert "≠ differs" in site.page("/integrations/alpha").partition("</h1>")[0].replace(
        "</span>", " "
    )


def test_a_long_host_is_shown_in_full() -> None:
    host = f"https://{'a' * 500}.example/v1"
    file = ALPHA + f"configurations: {{custom_host: '{host}'}}\n".encode()
    site = Site(alpha=file).exists("alpha", name="Alpha")
    assert detail(site)["configurations.custom_host"].split()[1] == host


LIMITS = st.lists(
    st.fixed_dictionaries(
        {"type": st.sampled_from(["cost", "tokens"])},
        optional={"credit_limit": st.integers(1, 3), "alert_threshold": st.integers(1, 2)},
    ),
    max_size=1,
)
WORKSPACES = st.lists(
    st.fixed_dictionaries(
        {"id": st.sampled_from(["w-1", "w-2", "w.3", "w[4]"]), "enabled": st.booleans()},
        optional={
            "usage_limits": LIMITS,
            "rate_limits": st.just([{"type": "requests", "unit": "rpm", "value": 1}]),
        },
    ),
    unique_by=lambda entry: entry["id"],
    max_size=3,
)
MODELS = st.lists(
    st.fixed_dictionaries(
        {"slug": st.sampled_from(["m-1", "m-2"]), "enabled": st.booleans()},
        optional={"is_custom": st.booleans()},
    ),
    unique_by=lambda entry: entry["slug"],
    max_size=2,
)
VALUES = st.one_of(st.none(), st.just(""), st.integers(0, 2), st.sampled_from(["a", "b"]))
SIDE = st.fixed_dictionaries(
    {},
    optional={
        "workspaces": WORKSPACES,
        "models": MODELS,
        "allow_all_models": st.booleans(),
        "description": st.sampled_from(["", "a", "b"]),
        "tags": st.dictionaries(st.sampled_from(["x", "y.z"]), VALUES, max_size=2),
        "configurations": st.dictionaries(
            st.sampled_from(["openai_project", "custom_host"]), VALUES, max_size=2
        ),
        "pricing_adjustments": st.sampled_from([None, {"multiplier": {"default": 1.0}}]),
    },
)


def related(path: str, other: str) -> bool:
    return path == other or path.startswith((f"{other}.", f"{other}["))


@given(SIDE, SIDE)
def test_every_change_of_a_plan_is_shown_as_different(
    wanted: dict[str, Any], there: dict[str, Any]
) -> None:
    mine, theirs = declared(**wanted), observed(**there)
    plan = make_plan(desired=desired(mine), observed=state(theirs), created_at=NOON)
    changed = [change.path for action in plan.actions for change in action.changes]
    found = compare_fields(mine, theirs, changed=changed)
    differing = [pair.path for pair in found if pair.status is FieldStatus.DIFFERS]
    for path in changed:
        assert any(related(path, pair) or related(pair, path) for pair in differing), path
    for pair in found:
        if pair.status is FieldStatus.SAME:
            assert not any(related(pair.path, path) for path in changed)
            assert pair.declared == pair.observed or is_empty_on_one_side(pair)


def test_ignored_and_write_only_fields_are_not_compared() -> None:
    ignoring = Lifecycle(ignore=(Ignored(("description",)),))
    mine = declared(description="mine", create_default_provider=True, lifecycle=ignoring)
    found = {pair.path: pair for pair in compare_fields(mine, observed(description="theirs"))}
    assert found["description"].status is FieldStatus.NOT_COMPARED
    assert found["create_default_provider"].status is FieldStatus.NOT_COMPARED
    assert found["name"].status is FieldStatus.SAME


def test_limits_that_a_plan_does_not_read_are_not_compared() -> None:
    mine, theirs = (
        {"id": "w-1", "enabled": False, "usage_limits": [{"type": kind}]}
        for kind in ("cost", "tokens")
    )
    [*_, found] = compare_fields(declared(workspaces=[mine]), observed(workspaces=[theirs]))
    assert (found.declared, found.observed) == ("cost", "tokens")
    assert found.status is FieldStatus.NOT_COMPARED


def test_a_verified_secret_is_shown_as_equal_although_its_mask_differs() -> None:
    mine, theirs = declared(key=KEY), observed(key=mask())
    found = {pair.path: pair.status for pair in compare_fields(mine, theirs)}
    assert found["key"] is FieldStatus.SAME
    unverified = {
        pair.path: pair.status for pair in compare_fields(mine, theirs, unverified={"key"})
    }
    assert unverified["key"] is FieldStatus.UNVERIFIED


def is_empty_on_one_side(pair: ComparedField) -> bool:
    return bool({pair.declared, pair.observed} & {None, "", "null", "false", "[]", "{}"})

"""`lifecycle.ignore`: a plan neither compares nor changes an ignored value at any path."""

from collections.abc import Iterator
from typing import Any

import pytest

from reconciler.domain.state import Ignored, LastApplied, LastAppliedState, Lifecycle
from reconciler.domain.tree import Path
from reconciler.planning.normalize import normalize
from reconciler.planning.plan import Plan
from reconciler.planning.planner import make_plan
from tests.builders import NOON, changes_of, declared, desired, observed, state

Fields = dict[str, Any]


def plan(want: Fields, have: Fields, past: Fields | None, *ignored: str) -> Plan:
    rules = Lifecycle(ignore=tuple(Ignored(tuple(path.split("/"))) for path in ignored))
    known = {} if past is None else {"alpha": LastApplied(past)}
    return make_plan(
        desired=desired(declared(lifecycle=rules, **want)),
        observed=state(observed(**have)),
        last_applied=LastAppliedState(known),
        created_at=NOON,
    )


def access(*ids: str, **more: Any) -> Fields:
    return {"workspaces": [{"id": id_, "enabled": True, **more} for id_ in ids]}


def models(*slugs: str) -> Fields:
    entries = [{"slug": slug, "enabled": True} for slug in slugs]
    return {"allow_all_models": False, "models": entries}


def limits(amount: int, **more: Any) -> Fields:
    return access("a", usage_limits=[{"type": "cost", "credit_limit": amount, **more}])


ORGANISATION_PATH = "configurations/openai_organization"
SHARED = {"global_workspace_access": {"enabled": True}}
ORGANISATION, BOTH = (
    {"openai_organization": "o"},
    {"openai_organization": "o", "openai_project": "p"},
)


@pytest.mark.parametrize("remembered", [True, False])
@pytest.mark.parametrize(
    ("want", "have", "ignored"),
    [
        (access("a", "b"), access("a", "b"), "workspaces/a"),
        (access("a"), access("a", "c"), "workspaces/a"),
        (access("a"), access("a", "c"), "workspaces/a/enabled"),
        (access("a", "b"), access("b"), "workspaces/a"),
        (access("a", "b"), access("b"), "workspaces/a/enabled"),
        (access("a"), access(), "workspaces/a"),
        (access("a"), access("c"), "workspaces/a"),
        (access("a"), access("c"), "workspaces"),
        (limits(5), limits(6), "workspaces/a/usage_limits"),
        (limits(5), limits(6), "workspaces/a/usage_limits/credit_limit"),
        (limits(5), access("a"), "workspaces/a/usage_limits"),
        (models("m"), models("m", "n"), "models/m"),
        (models("m"), models("m", "n"), "models/m/enabled"),
        (models("m", "n"), models("n"), "models/m"),
        (models("m"), models(), "models/m"),
        ({"tags": {"x": "1"}}, {"tags": {"x": "2", "y": "3"}}, "tags/x"),
        ({"tags": {"x": "1"}}, {"tags": {}}, "tags/x"),
        ({"tags": {}}, {"tags": {"x": "1"}}, "tags/x"),
        ({"tags": {"enabled": "1"}}, {"tags": {"enabled": "2"}}, "tags/enabled"),
        ({"tags": None}, {"tags": {"x": "1"}}, "tags/x"),
        ({"configurations": ORGANISATION}, {"configurations": BOTH}, ORGANISATION_PATH),
        ({"configurations": {}}, {"configurations": ORGANISATION}, ORGANISATION_PATH),
        (
            {"configurations": {"custom_headers": {"X": "1"}}},
            {"configurations": {"custom_headers": {"X": "2", "Y": "3"}}},
            "configurations/custom_headers/X",
        ),
        (
            {"pricing_adjustments": {"multiplier": {"default": 0.8}}},
            {"pricing_adjustments": {"multiplier": {"default": 0.9, "request_token": 1.5}}},
            "pricing_adjustments/multiplier/default",
        ),
        (
            {"global_workspace_access": {"enabled": False}},
            SHARED,
            "global_workspace_access/enabled",
        ),
        ({"global_workspace_access": None}, SHARED, "global_workspace_access/enabled"),
        (SHARED, {"global_workspace_access": None}, "global_workspace_access/enabled"),
        ({"description": ""}, {"description": "by hand"}, "description"),
    ],
)
def test_nothing_changes_if_only_an_ignored_value_differs(
    want: Fields, have: Fields, ignored: str, remembered: bool
) -> None:
    planned = plan(want, have, want if remembered else None, ignored)
    assert planned.actions == ()
    assert ignored.replace("/", ".") not in [item.path for item in planned.undeclared]


@pytest.mark.parametrize(
    ("past", "want", "have", "ignored", "changed"),
    [
        (access("a", "b"), access("a"), access("a", "b"), "workspaces/a", "workspaces[b].enabled"),
        (
            access("a"),
            {"workspaces": []},
            access("a", "c"),
            "workspaces/a",
            "workspaces[c].enabled",
        ),
        (models("m", "n"), models("m"), models("m", "n"), "models/m", "models[n].enabled"),
        (models("m"), {"models": []}, models("m", "n"), "models/m", "models[n].enabled"),
        ({}, {"tags": {}}, {"tags": {"x": "1", "y": "2"}}, "tags/x", "tags.y"),
        (
            {},
            {"configurations": {}},
            {"configurations": BOTH},
            ORGANISATION_PATH,
            "configurations.openai_project",
        ),
        (
            {},
            {"pricing_adjustments": None},
            {"pricing_adjustments": {"multiplier": {"default": 0.8, "request_token": 0.5}}},
            "pricing_adjustments/multiplier/default",
            "pricing_adjustments.multiplier.request_token",
        ),
    ],
)
def test_removals_around_an_ignored_value_are_applied(
    past: Fields, want: Fields, have: Fields, ignored: str, changed: str
) -> None:
    assert list(changes_of(plan(want, have, past, ignored))) == [changed]


def test_access_that_is_ignored_and_no_longer_declared_is_kept() -> None:
    planned = plan(access("b"), access("a", "b"), access("a", "b"), "workspaces/a")
    assert planned.actions == ()
    assert [d.code for d in planned.diagnostics] == []


WANT: Fields = {
    "description": "new",
    "tags": {"x": "1", "y": "2"},
    "configurations": {"openai_organization": "o1", "openai_project": "p1"},
    "pricing_adjustments": {"multiplier": {"default": 0.8, "request_token": 0.5}},
    "global_workspace_access": {
        "enabled": True,
        "rate_limits": [{"type": "requests", "unit": "rpm", "value": 5}],
    },
    **models("m", "n"),
    "workspaces": [
        {"id": "a", "enabled": True, "usage_limits": [{"type": "cost", "credit_limit": 5}]},
        {"id": "b", "enabled": True},
    ],
}
HAVE: Fields = {
    "description": "old",
    "tags": {"x": "3", "z": "4"},
    "configurations": {"openai_organization": "o2", "openai_project": "p2"},
    "pricing_adjustments": {"multiplier": {"default": 0.9, "request_token": 0.6}},
    "global_workspace_access": {
        "enabled": True,
        "rate_limits": [{"type": "requests", "unit": "rpm", "value": 6}],
    },
    **models("n", "q"),
    "workspaces": [
        {"id": "a", "enabled": True, "usage_limits": [{"type": "cost", "credit_limit": 6}]},
        {"id": "d", "enabled": True},
    ],
}
PAST: Fields = {**WANT, **models("m", "n", "q"), **access("a", "b", "d")}


def paths_in(tree: Any, path: Path = ()) -> Iterator[Path]:
    """Yield the paths of all values of a canonical tree."""
    for name, value in tree.items():
        yield (*path, name)
        if isinstance(value, dict):
            yield from paths_in(value, (*path, name))


EVERY_PATH = sorted("/".join(path) for path in paths_in(normalize(WANT)))


def shown(path: str) -> str:
    """Return a path as a plan shows it."""
    steps = path.split("/")
    if steps[0] in {"models", "workspaces"} and len(steps) > 1:
        steps[0:2] = [f"{steps[0]}[{steps[1]}]"]
    return ".".join(steps)


@pytest.mark.parametrize("past", [PAST, WANT, None])
@pytest.mark.parametrize("path", EVERY_PATH)
def test_ignoring_a_path_removes_only_its_changes_from_a_plan(
    path: str, past: Fields | None
) -> None:
    everything = changes_of(plan(WANT, HAVE, past))
    prefix = shown(path)

    def is_ignored(changed: str) -> bool:
        return changed == prefix or changed.startswith((f"{prefix}.", f"{prefix}["))

    expected = {name: change for name, change in everything.items() if not is_ignored(name)}
    assert changes_of(plan(WANT, HAVE, past, path)) == expected

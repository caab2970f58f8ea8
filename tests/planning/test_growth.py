"""The work of a plan is linear in the models and workspaces of an integration.

Work is counted in function calls, which do not depend on the machine.
"""

import sys
from collections.abc import Callable
from typing import Any

import pytest

from reconciler.domain.state import Ignored, LastApplied, LastAppliedState, Lifecycle
from reconciler.planning.plan import Plan
from reconciler.planning.planner import make_plan
from tests.builders import NOON, declared, desired, observed, state

FEW, MANY = 40, 160
TIMES = MANY // FEW
Fields = dict[str, Any]


def models(count: int, *, enabled: bool) -> Fields:
    return {"models": [{"slug": f"m-{i}", "enabled": enabled} for i in range(count)]}


def workspaces(count: int, *, limit: int, kinds: int = 1, uuids: bool = False) -> Fields:
    name = "00000000-0000-4000-8000-{:012d}" if uuids else "ws-{}"
    return {
        "workspaces": [
            {
                "id": name.format(i),
                "enabled": True,
                "usage_limits": [{"type": "cost", "credit_limit": limit + i % kinds}],
            }
            for i in range(count)
        ]
    }


def planned(
    want: Fields, have: Fields, past: Fields, ignored: tuple[str, ...] = ()
) -> Callable[[], Plan]:
    rules = Lifecycle(ignore=tuple(Ignored(("models", slug, "enabled")) for slug in ignored))
    return lambda: make_plan(
        desired=desired(declared(lifecycle=rules, **want)),
        observed=state(observed(**have)),
        last_applied=LastAppliedState({"alpha": LastApplied(past)}),
        created_at=NOON,
    )


CASES: dict[str, Callable[[int], Callable[[], Plan]]] = {
    "models that changed here": lambda n: planned(
        models(n, enabled=False), models(n, enabled=True), models(n, enabled=True)
    ),
    "models that changed there": lambda n: planned(
        models(n, enabled=True), models(n, enabled=False), models(n, enabled=True)
    ),
    "models that left the file": lambda n: planned(
        models(1, enabled=True), models(n, enabled=True), models(n, enabled=True)
    ),
    "models that are ignored one by one": lambda n: planned(
        models(n, enabled=False),
        models(n, enabled=True),
        models(n, enabled=True),
        ignored=tuple(f"m-{i}" for i in range(n)),
    ),
    "models that nobody declares": lambda n: planned(
        models(1, enabled=True), models(n, enabled=True), models(1, enabled=True)
    ),
    "workspaces with other limits": lambda n: planned(
        workspaces(n, limit=5), workspaces(n, limit=6), workspaces(n, limit=6)
    ),
    "workspaces that are revoked": lambda n: planned(
        {"workspaces": []}, workspaces(n, limit=5), workspaces(n, limit=5)
    ),
    "workspaces under UUIDs, all alike": lambda n: planned(
        workspaces(n, limit=5), workspaces(n, limit=5, uuids=True), workspaces(n, limit=5)
    ),
    "workspaces under UUIDs, all different": lambda n: planned(
        workspaces(n, limit=5, kinds=n),
        workspaces(n, limit=5, kinds=n, uuids=True),
        workspaces(n, limit=5, kinds=n),
    ),
    "workspaces under UUIDs that nothing fits": lambda n: planned(
        workspaces(n, limit=5, kinds=n),
        workspaces(n, limit=5 + n, kinds=n, uuids=True),
        workspaces(n, limit=5, kinds=n),
    ),
    "models and workspaces, and nothing remembered": lambda n: planned(
        models(n, enabled=False) | workspaces(n, limit=5),
        models(n, enabled=True) | workspaces(n, limit=6),
        {},
    ),
}


def calls_of(make: Callable[[], Plan]) -> int:
    """Return the number of function calls of planning and of the digest."""
    count = 0

    def note(_frame: object, event: str, _argument: object) -> None:
        nonlocal count
        count += event in {"call", "c_call"}

    make()  # once before, to import modules and fill caches
    before = sys.getprofile()
    sys.setprofile(note)
    try:
        assert make().digest
    finally:
        sys.setprofile(before)
    return count


@pytest.mark.parametrize("name", CASES)
def test_the_work_grows_linearly_with_the_integration(name: str) -> None:
    few, many = (calls_of(CASES[name](count)) for count in (FEW, MANY))
    assert many < few * TIMES * 1.2

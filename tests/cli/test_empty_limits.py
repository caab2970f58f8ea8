"""An empty list of limits removes the limit: in files, in a plan and in requests."""

from pathlib import Path
from typing import Any

import pytest

from reconciler.simulator.switches import Switches
from tests.cli.scene import scene

STRICT = Switches(empty_usage_limits="refuse")
LIMITS: dict[str, Any] = {
    "usage_limits": [{"type": "cost", "credit_limit": 5}],
    "rate_limits": [{"type": "requests", "unit": "rpm", "value": 5}],
}


@pytest.mark.parametrize("empty", [[], None])
@pytest.mark.parametrize("name", sorted(LIMITS))
def test_an_empty_list_removes_a_limit(tmp_path: Path, name: str, empty: Any) -> None:
    with scene(tmp_path, switches=STRICT) as at:
        at.file("alpha", workspaces=[{"id": "ws-a", "enabled": True, **LIMITS}])
        assert at.run("apply", "--yes").code == 0
        at.file("alpha", workspaces=[{"id": "ws-a", "enabled": True, **LIMITS, name: empty}])
        assert at.run("validate").code == 0
        planned = at.run("plan", "--format", "json").json
        (action,) = planned["actions"]
        assert {change["path"] for change in action["changes"]} == {
            f"workspaces[ws-a].{name}.{member}" for member in LIMITS[name][0]
        }
        done = at.run("apply", "--yes")
        assert done.code == 0, done.err
        (stored,) = at.upstream.world.remote.integrations["alpha"]["workspaces"].values()
        assert stored[name] is None
        (other,) = set(LIMITS) - {name}
        assert stored[other] is not None
        assert at.run("plan", "--format", "json").json["actions"] == []


def test_an_empty_list_where_there_is_no_limit_is_in_sync_from_the_first_apply(
    tmp_path: Path,
) -> None:
    empty = {name: [] for name in LIMITS}
    with scene(tmp_path, switches=STRICT) as at:
        at.file(
            "alpha",
            workspaces=[{"id": "ws-a", "enabled": True, **empty}],
            global_workspace_access={"enabled": True, **empty},
        )
        done = at.run("apply", "--yes")
        assert done.code == 0, done.err
        assert at.run("plan", "--format", "json").json["actions"] == []

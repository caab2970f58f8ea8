"""Access that no file lists is seen: the list counts it, and nothing more is read for that."""

from pathlib import Path
from typing import Any

import pytest

from tests.cli.scene import scene


def remarked(document: Any) -> list[str]:
    found: list[Any] = document["diagnostics"]
    return [d["summary"] for d in found if d["code"] == "undeclared-access"]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, ["alpha: 2 workspaces have access, and no file lists workspaces"]),
        ({"lifecycle": {"ignore": [{"path": "workspaces", "reason": "by hand"}]}}, []),
    ],
)
def test_a_plan_counts_workspaces_that_no_file_lists(
    tmp_path: Path, fields: dict[str, Any], said: list[str]
) -> None:
    with scene(tmp_path) as at:
        at.exists("alpha", "closed")
        granted = [{"id": "ws-a", "enabled": True}, {"id": "ws-b", "enabled": True}]
        at.upstream.world.put("PUT", "/integrations/alpha/workspaces", {"workspaces": granted})
        at.file("alpha", **fields)
        at.file("closed")
        done = at.run("plan", "--format", "json")
        assert done.code == 0, done.err
        assert remarked(done.json) == said

"""A selector that matches nothing is told: most often it is a typing error."""

from pathlib import Path
from typing import Any

from tests.cli.project import Here


def told(plan: Any) -> list[str]:
    return [d["summary"] for d in plan["diagnostics"] if d["code"] == "nothing-selected"]


def test_each_pattern_of_only_that_matches_nothing_is_a_warning(tmp_path: Path) -> None:
    project = Here(tmp_path)
    project.integration("alpha")
    plan = project.plan("--only", "alpha", "--only", "zzz", "--exclude", "yyy")
    assert told(plan) == ["`--only zzz` matches no integration, declared or existing"]
    assert [action["slug"] for action in plan["actions"]] == ["alpha"]


def test_what_only_exists_or_is_only_declared_is_matched(tmp_path: Path) -> None:
    project = Here(tmp_path)
    project.integration("alpha")
    project.apply()
    project.remove("alpha")
    project.integration("beta")
    assert told(project.plan("--only", "alp*", "--only", "beta", "--shard", "1/9")) == []

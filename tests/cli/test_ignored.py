"""`lifecycle.ignore` from the file to the API: an apply keeps ignored values."""

from pathlib import Path
from typing import Any

from tests.cli.project import Here


def stored(project: Here) -> Any:
    """Return the integration as stored by the API, with its models and workspaces."""
    done = project.run("get", "alpha", "--format", "json")
    assert done.code == 0, done.err
    return done.json


def test_an_apply_keeps_ignored_values_next_to_those_that_it_writes(tmp_path: Path) -> None:
    project = Here(tmp_path)
    declared: dict[str, Any] = {
        "configurations": {"openai_organization": "o1", "openai_project": "p1"},
        "tags": {"team": "a", "stage": "x"},
        "workspaces": [{"id": "ws-a", "enabled": True}, {"id": "ws-b", "enabled": True}],
    }
    project.integration("alpha", **declared)
    project.apply()
    changed = {
        "configurations": {"openai_organization": "o2", "openai_project": "ignored"},
        "tags": {"team": "ignored", "stage": "y"},
        "workspaces": [{"id": "ws-a", "enabled": False}, {"id": "ws-b", "enabled": True}],
    }
    ignore = ["configurations.openai_project", "tags.team", "workspaces[ws-a]"]
    project.integration("alpha", **changed, lifecycle={"ignore": ignore})
    project.apply()
    after = stored(project)
    text = str(after)
    assert "'openai_organization': 'o2'" in text
    assert "'openai_project': 'p1'" in text
    assert "'team': 'a'" in text
    assert "'stage': 'y'" in text
    assert text.count("'enabled': True") >= 2
    assert project.run("drift").code == 0
    assert project.plan()["actions"] == []

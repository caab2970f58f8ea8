"""Undeclared access is reported from the counts of the list, without further reads."""

from pathlib import Path
from typing import Any

import pytest

from tests.cli.scene import scene


def remarked(document: Any) -> list[str]:
    found: list[Any] = document["diagnostics"]
    return [d["summary"] for d in found if d["code"] == "undeclared-access"]


def commands_in(text: str) -> list[str]:
    lines = (line.strip() for line in text.splitlines())
    return [line for line in lines if line.startswith("reconcile --target")]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, ["alpha: 2 workspaces have access, but no file lists workspaces"]),
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


def test_an_audit_warns_of_an_undeclared_host_and_the_plan_is_applied_without_it(
    tmp_path: Path,
) -> None:
    with scene(tmp_path) as at:
        at.exists("alpha")
        tune = {"slug": "tune", "enabled": True, "is_custom": True, "base_model_slug": "gpt-5"}
        elsewhere = {"configurations": {"custom_host": "https://llm.corp.example"}}
        at.upstream.world.put("PUT", "/integrations/alpha/models", {"models": [tune | elsewhere]})
        at.file("alpha", description="new")
        plain = at.run("plan", "--format", "json").json
        audited = at.run("plan", "--audit", "--format", "json").json
        assert audited["digest"] == plain["digest"]
        assert audited["actions"] == plain["actions"]
        assert [d["code"] for d in audited["diagnostics"]] == ["undeclared-host"]
        assert plain["diagnostics"] == []
        text = at.run("plan", "--audit").out
        assert commands_in(text) == [
            "reconcile --target here pull --force alpha",
            "reconcile --target here apply",
        ]
        saved = at.project.folder / "plan.json"
        assert at.run("plan", "--audit", "--out", saved).code == 0
        assert at.run("apply", saved).code == 0


def test_the_command_in_a_drift_report_declares_undeclared_access(tmp_path: Path) -> None:
    with scene(tmp_path) as at:
        at.exists("alpha")
        tune = {"slug": "tune", "enabled": True, "is_custom": True, "base_model_slug": "gpt-5"}
        elsewhere = {"configurations": {"custom_host": "https://llm.corp.example"}}
        at.upstream.world.put("PUT", "/integrations/alpha/models", {"models": [tune | elsewhere]})
        granted = {"workspaces": [{"id": "ws-a", "enabled": True}]}
        at.upstream.world.put("PUT", "/integrations/alpha/workspaces", granted)
        at.file("alpha")
        before = at.run("drift", "--format", "json").json
        assert {d["code"] for d in before["diagnostics"]} == {
            "undeclared-access",
            "undeclared-host",
        }
        (command,) = commands_in(at.run("drift").out)
        assert at.run(*command.split()[1:]).code == 0
        after = at.run("drift", "--format", "json")
        assert (after.code, after.json["diagnostics"], after.json["undeclared"]) == (0, [], [])

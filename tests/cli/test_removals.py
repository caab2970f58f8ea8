"""A delete and a replace list what is lost, and an approval covers exactly that."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.project import SECOND, Here
from tests.cli.scene import Scene, scene

ACCESS = {
    "workspaces": [
        {
            "id": "ws-a",
            "enabled": True,
            "usage_limits": [{"type": "cost", "credit_limit": 500, "alert_threshold": 400}],
        },
        {"id": "ws-b", "enabled": True},
        {"id": "ws-off", "enabled": False},
    ],
    "global_workspace_access": {"enabled": True},
}
MODELS = {
    "allow_all_models": False,
    "models": [
        {"slug": "gpt-5", "enabled": True},
        {"slug": "gpt-4", "enabled": False},
        {"slug": "tune", "enabled": True, "is_custom": True, "base_model_slug": "gpt-5"},
    ],
}
LOST = {
    "ai_provider_id": "openai",
    "allow_all_models": False,
    "configurations.openai_organization": "org-1",
    "description": "to go",
    "global_workspace_access.enabled": True,
    "key": None,
    "models[gpt-5].enabled": True,
    "models[tune].base_model_slug": "gpt-5",
    "models[tune].enabled": True,
    "models[tune].is_custom": True,
    "name": "Old",
    "workspaces[ws-a].enabled": True,
    "workspaces[ws-a].usage_limits.alert_threshold": 400,
    "workspaces[ws-a].usage_limits.credit_limit": 500,
    "workspaces[ws-a].usage_limits.type": "cost",
    "workspaces[ws-b].enabled": True,
}


@pytest.fixture
def there(tmp_path: Path) -> Iterator[Scene]:
    """Serve an API that has `old`, which no file declares, and `alpha`, which a file declares."""
    with scene(tmp_path) as made:
        made.exists("old", description="to go", configurations={"openai_organization": "org-1"})
        world = made.upstream.world
        world.put("PUT", "/integrations/old/models", MODELS)
        world.put("PUT", "/integrations/old/workspaces", ACCESS)
        made.exists("alpha")
        made.file("alpha", key=...)
        yield made


def action(scene: Scene, slug: str = "old", *options: str) -> Any:
    done = scene.run("plan", "--format", "json", *options)
    assert done.code == 0, done.err
    return next(a for a in done.json["actions"] if a["slug"] == slug)


def reads(scene: Scene, slug: str) -> list[str]:
    asked = [f"{request.method} {request.path}" for request in scene.upstream.requests]
    return [line for line in asked if f"/integrations/{slug}" in line]


def test_a_delete_lists_everything_that_is_lost_and_its_precondition(there: Scene) -> None:
    planned = action(there)
    assert {change["path"]: change["before"] for change in planned["changes"]} == LOST
    assert {change["op"] for change in planned["changes"]} == {"remove"}
    assert [c["path"] for c in planned["changes"] if c["sensitive"]] == ["key"]
    assert all(value is not None for value in planned["precondition"].values())


def test_only_deleted_integrations_are_read_completely_and_once(there: Scene) -> None:
    there.exists("unmanaged")
    there.config(prune="none")
    there.run("plan")
    assert reads(there, "old") == []
    there.config(prune="all")
    there.upstream.requests.clear()
    action(there, "old", "--exclude", "unmanaged")
    paths = [line.partition("/integrations/")[2] for line in reads(there, "old")]
    assert sorted(paths) == ["old", "old/models", "old/workspaces"]
    assert reads(there, "unmanaged") == []


def test_a_delete_describes_what_is_lost(there: Scene) -> None:
    for style in ("text", "markdown", "html"):
        said = " ".join(there.run("plan", "--format", style).out.split())
        assert "Old" in said
        assert (
            "loses: provider openai; 2 workspaces lose access (ws-a, ws-b); every workspace" in said
        )
        assert "2 models (gpt-5, tune); limits of ws-a; 1 secret (key)" in said


def test_names_that_are_lost_are_sorted(there: Scene) -> None:
    entries = [{"id": id_, "enabled": True} for id_ in ("ws-10", "ws-b", "ws-1", "ws-a")]
    there.upstream.world.put("PUT", "/integrations/old/workspaces", {"workspaces": entries})
    said = " ".join(there.run("plan").out.split())
    assert "4 workspaces lose access (ws-1, ws-10, ws-a, ws-b)" in said


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", "/integrations/old", {"description": "another"}),
        ("PUT", "/integrations/old", {"tags": {"team": "search"}}),
        ("PUT", "/integrations/old/models", {"models": [{"slug": "gpt-4", "enabled": True}]}),
        (
            "PUT",
            "/integrations/old/workspaces",
            {"workspaces": [{"id": "ws-c", "enabled": True}]},
        ),
        (
            "PUT",
            "/integrations/old/workspaces",
            {
                "workspaces": [
                    {
                        "id": "ws-b",
                        "enabled": True,
                        "usage_limits": [{"type": "cost", "credit_limit": 9}],
                    }
                ]
            },
        ),
    ],
)
def test_a_delete_that_would_lose_more_is_not_approved(
    there: Scene, method: str, path: str, body: dict[str, Any]
) -> None:
    assert there.run("plan", "--out", "p.json").code == 0
    there.upstream.world.put(method, path, body)
    done = there.run("apply", "p.json", "--format", "json")
    assert done.code == 4
    assert {d["code"] for d in done.json["diagnostics"]} == {"not-approved"}
    assert "old" in there.upstream.world.remote.integrations


def test_a_delete_that_loses_at_most_what_was_approved_is_applied(there: Scene) -> None:
    assert there.run("plan", "--out", "p.json").code == 0
    revoked = {"workspaces": [{"id": "ws-b", "enabled": False}]}
    there.upstream.world.put("PUT", "/integrations/old/workspaces", revoked)
    done = there.run("apply", "p.json")
    assert done.code == 0, done.err
    assert "old" not in there.upstream.world.remote.integrations


def test_a_plan_without_the_losses_of_a_delete_does_not_approve_it(there: Scene) -> None:
    """Release 0.1.0 saved such plans; they can be read and shown."""
    assert there.run("plan", "--out", "p.json").code == 0
    file = there.project.folder / "p.json"
    document = json.loads(file.read_text())
    (old,) = (a for a in document["actions"] if a["slug"] == "old")
    old["changes"], old["precondition"]["fingerprint"] = [], None
    del document["digest"]
    file.write_text(json.dumps({**document, "digest": "sha256:0"}))
    tampered = there.run("show", "p.json")
    assert tampered.code == 4
    document["digest"] = digest_of(document)
    file.write_text(json.dumps(document))
    shown = there.run("show", "p.json")
    assert shown.code == 0
    assert "this plan does not record what is lost" in shown.out
    done = there.run("apply", "p.json", "--format", "json")
    assert done.code == 4
    (found,) = done.json["diagnostics"]
    assert found["code"] == "not-approved"
    assert "does not list the values that would be lost: delete old" in found["summary"]
    assert "plan again" in found["hint"]


def digest_of(document: dict[str, Any]) -> str:
    from reconciler.planning.codec import plan_from
    from reconciler.planning.documents import PlanDocument, validated

    return plan_from(validated(PlanDocument, {"digest": "", **document})).digest


def test_the_digest_of_a_delete_depends_on_what_is_lost(there: Scene) -> None:
    first = there.run("plan", "--format", "json").json["digest"]
    assert there.run("plan", "--format", "json", "--parallelism", "1").json["digest"] == first
    there.upstream.world.put("PUT", "/integrations/old", {"description": "another"})
    assert there.run("plan", "--format", "json").json["digest"] != first


def test_drift_and_plan_describe_a_delete_equally(there: Scene) -> None:
    planned = there.run("plan", "--format", "json").json
    for options in ((), ("--incremental",)):
        report = there.run("drift", "--format", "json", *options).json
        assert report["items"] == planned["actions"]
        assert report["fingerprint"] == planned["digest"]


def replacing(there: Scene) -> Any:
    """Declare another provider for `old`, with some of its fields."""
    there.file(
        "old",
        name="Old",
        ai_provider_id="anthropic",
        models=[{"slug": "claude", "enabled": True}],
        workspaces=[{"id": "ws-b", "enabled": True}],
    )
    return action(there, "old", "--allow-replace")


def test_a_replace_lists_what_is_lost_and_what_is_restored(there: Scene) -> None:
    planned = replacing(there)
    by_op: dict[str, set[str]] = {}
    for change in planned["changes"]:
        by_op.setdefault(change["op"], set()).add(change["path"])
    assert planned["action"] == "replace"
    assert by_op["replace"] == {"ai_provider_id", "models[claude].enabled"}
    assert by_op["resend"] >= {"name", "workspaces[ws-b].enabled"}
    assert by_op["remove"] >= {
        "allow_all_models",
        "configurations.openai_organization",
        "description",
        "global_workspace_access.enabled",
        "models[gpt-5].enabled",
        "models[tune].is_custom",
        "workspaces[ws-a].enabled",
        "workspaces[ws-a].usage_limits.credit_limit",
    }
    paths = [change["path"] for change in planned["changes"]]
    assert len(paths) == len(set(paths))
    assert all(value is not None for value in planned["precondition"].values())
    shown = " ".join(there.run("plan", "--allow-replace").out.split())
    assert "loses: 1 workspace loses access (ws-a); every workspace loses access" in shown
    assert "re-created from the file: ai_provider_id," in shown
    assert "1 workspace (ws-b)" in shown


@pytest.mark.parametrize("withdrawn_by", ["leaving it out", "switching it off"])
def test_a_replace_loses_what_its_file_withdraws(tmp_path: Path, withdrawn_by: str) -> None:
    def file(provider: str, *, is_whole: bool) -> None:
        off = [{"enabled": False}] if withdrawn_by == "switching it off" else []
        second = [{"enabled": True}] if is_whole else off
        project.integration(
            "alpha",
            ai_provider_id=provider,
            models=[{"slug": "m-1", "enabled": True}, *({"slug": "m-2", **s} for s in second)],
            workspaces=[{"id": "ws-1", "enabled": True}, *({"id": "ws-2", **s} for s in second)],
            global_workspace_access={"enabled": is_whole},
        )

    project = Here(tmp_path)
    file("openai", is_whole=True)
    project.apply()
    file("anthropic", is_whole=False)
    for style in ("text", "markdown", "html"):
        shown = " ".join(project.run("plan", "--allow-replace", "--format", style).out.split())
        assert "loses: 1 workspace loses access (ws-2); every workspace loses access" in shown
        assert "1 model (m-2)" in shown
        recreated = shown.partition("re-created from the file: ")[2].partition(" ~ ")[0]
        assert "1 model (m-1)" in recreated
        assert "1 workspace (ws-1)" in recreated


def test_an_integration_to_replace_is_read_once(there: Scene) -> None:
    there.upstream.requests.clear()
    replacing(there)
    paths = [line.partition("/integrations/")[2] for line in reads(there, "old")]
    assert sorted(paths) == ["old", "old/models", "old/workspaces"]


def test_a_replace_that_would_lose_more_is_not_approved(there: Scene) -> None:
    replacing(there)
    assert there.run("plan", "--allow-replace", "--out", "p.json").code == 0
    granted = {"workspaces": [{"id": "ws-c", "enabled": True}]}
    there.upstream.world.put("PUT", "/integrations/old/workspaces", granted)
    done = there.run("apply", "--allow-replace", "p.json", "--format", "json")
    assert done.code == 4
    assert ["workspaces[ws-c].enabled" in d["summary"] for d in done.json["diagnostics"]] == [True]


@pytest.mark.parametrize("told_by", ["ledger", "base"])
def test_the_file_and_the_commit_that_declared_it_last_are_named(
    tmp_path: Path, told_by: str
) -> None:
    project = Here(tmp_path)
    for slug in ("alpha", "beta"):
        project.integration(slug)
    git(tmp_path, "init", "-q", "-b", "main")
    commit = committed(tmp_path)
    project.apply()
    project.remove("beta")
    committed(tmp_path)
    if told_by == "base":
        (tmp_path / ".reconcile" / "ledger.db").unlink()
    (planned,) = project.plan(*(("--base", commit) if told_by == "base" else ()))["actions"]
    assert planned["reason"] == (
        "no longer declared; last declared in desired-state/integrations/beta.yaml:1 "
        f"at commit {commit[:12]}"
    )


def test_a_file_that_an_undo_restored_is_still_named(tmp_path: Path) -> None:
    project = Here(tmp_path)
    for slug in ("alpha", "beta"):
        project.integration(slug, description="one")
    project.apply()
    project.integration("beta", description="two")
    project.apply()
    run = project.run("history", "--format", "json").json["runs"][-1]["run"]
    assert project.run("undo", run, "--out", "undo.json").code == 0
    project.apply("undo.json")
    project.remove("beta")
    (planned,) = project.plan()["actions"]
    assert "last declared in desired-state/integrations/beta.yaml:1" in planned["reason"]


def git(folder: Path, *words: str) -> str:
    identity = ("-c", "user.name=a", "-c", "user.email=a@example.com")
    command = ["git", *identity, *words]
    done = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def committed(folder: Path) -> str:
    git(folder, "add", "desired-state")
    git(folder, "commit", "-q", "-m", "x")
    return git(folder, "rev-parse", "HEAD")


def test_the_digest_is_the_same_without_the_values_of_secrets(there: Scene) -> None:
    replacing(there)
    plans = [
        there.project.run("plan", "--allow-replace", "--format", "json", SECRET_KEY=value).json
        for value in (SECOND, "")
    ]
    assert plans[0]["digest"] == plans[1]["digest"]

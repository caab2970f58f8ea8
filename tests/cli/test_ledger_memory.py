"""Last-applied state in the ledger: pruning, withdrawn entries, protection."""

from pathlib import Path

from tests.cli.project import Here, actions, changes, writes


def test_prune_managed_deletes_only_what_git_declared(tmp_path: Path) -> None:
    project = Here(tmp_path)
    other = project.elsewhere()
    other.integration("theirs")
    other.run("--dir", "somebody-else", "apply", "--yes", "--no-ledger")
    project.integration("alpha")
    project.integration("beta")
    project.apply()
    project.remove("beta")
    plan = project.plan()
    assert actions(plan) == {"beta": "delete"}
    assert plan["unmanaged"] == ["theirs"]
    assert writes(project.apply()) == ["DELETE /integrations/beta"]
    assert project.slugs() == ["alpha", "theirs"]
    other.run("--dir", "somebody-else", "apply", "--yes", "--no-ledger")
    assert actions(project.plan()) == {}


def test_prune_none_lists_forgotten_integrations(tmp_path: Path) -> None:
    project = Here(tmp_path, prune="none")
    project.integration("alpha")
    project.integration("beta")
    project.apply()
    project.remove("beta")
    project.apply()
    plan = project.plan()
    assert (actions(plan), plan["forgotten"]) == ({}, ["beta"])


def test_an_apply_in_sync_records_the_state_without_a_run(tmp_path: Path) -> None:
    project = Here(tmp_path)
    project.integration("alpha")
    project.integration("beta")
    project.apply("--no-ledger")
    project.apply()
    assert project.run("history", "--format", "json").json["runs"] == []
    project.remove("beta")
    assert actions(project.plan()) == {"beta": "delete"}


def test_a_withdrawn_slug_that_another_client_deleted_is_forgotten(tmp_path: Path) -> None:
    project = Here(tmp_path)
    project.integration("alpha")
    project.integration("beta")
    project.apply()
    project.remove("beta")
    other = project.elsewhere()
    other.write("reconcile.yaml", _tombstone("beta"))
    options = ("--no-ledger", "--prune", "none", "--allow-empty")
    other.run("--dir", "somebody-else", "apply", "--yes", *options)
    assert project.slugs() == ["alpha"]
    project.apply()
    other.config(prune="none")
    other.integration("beta")
    other.run("--dir", "somebody-else", "apply", "--yes", "--no-ledger")
    plan = project.plan()
    assert (actions(plan), plan["unmanaged"]) == ({}, ["beta"])


def _tombstone(slug: str) -> str:
    return (
        "version: 1\ndefault_target: here\ntargets:\n  here: {base_url: 'simulator:'}\n"
        f"deletions:\n  - {{slug: {slug}, reason: gone}}\n"
    )


def test_withdrawn_entries_are_removed_and_undeclared_ones_are_kept(
    tmp_path: Path,
) -> None:
    project = Here(tmp_path)
    ours = [{"id": "ws-search", "enabled": True}, {"id": "ws-support", "enabled": True}]
    project.integration("alpha", workspaces=ours)
    project.apply()
    other = project.elsewhere()
    other.integration("alpha", workspaces=[*ours, {"id": "ws-theirs", "enabled": True}])
    other.run("--dir", "somebody-else", "apply", "--yes", "--no-ledger")
    project.integration("alpha", workspaces=ours[:1])
    plan = project.plan()
    assert list(changes(plan)) == [("workspaces[ws-support].enabled", "replace", "local")]
    assert {d["code"] for d in plan["diagnostics"]} >= {"undeclared-access"}
    project.apply()
    assert actions(project.plan()) == {}


def test_a_once_protected_integration_is_kept_after_its_file_is_removed(
    tmp_path: Path,
) -> None:
    project = Here(tmp_path)
    project.integration("alpha")
    project.integration("beta", lifecycle={"protected": True})
    project.apply()
    project.remove("beta")
    done = project.run("-vv", "apply", "--yes", "--format", "json", "--max-deletes", 9)
    assert done.code == 4
    assert [d["code"] for d in done.json["diagnostics"]] == ["protected"]
    assert writes(done) == []
    assert project.slugs() == ["alpha", "beta"]


def test_the_origin_of_a_difference_is_shown(tmp_path: Path) -> None:
    project = Here(tmp_path)
    for slug in ("ahead", "moved", "both"):
        project.integration(slug, description="was")
    project.apply()
    other = project.elsewhere()
    for slug in ("moved", "both"):
        other.integration(slug, description="theirs")
    other.run("--dir", "somebody-else", "apply", "--yes", "--no-ledger")
    for slug in ("ahead", "both"):
        project.integration(slug, description="ours")
    origins = {
        action["slug"]: action["changes"][0]["origin"] for action in project.plan()["actions"]
    }
    assert origins == {"ahead": "local", "moved": "remote", "both": "both"}
    assert "changed in the API" in project.run("drift").out


def test_a_target_of_another_organisation_is_refused(tmp_path: Path) -> None:
    project = Here(tmp_path)
    project.integration("alpha")
    project.apply()
    (project.state / "simulator.db").unlink()
    other = project.elsewhere()
    other.integration("theirs")
    other.run("--dir", "somebody-else", "apply", "--yes", "--no-ledger")
    for command in (("plan",), ("apply", "--yes"), ("drift",)):
        done = project.run("-vv", *command, "--format", "json")
        assert done.code == 4
        assert [d["code"] for d in done.json["diagnostics"]] == ["wrong-target"]
        assert writes(done) == []


def test_a_failed_action_is_not_recorded_as_declared(tmp_path: Path) -> None:
    project = Here(tmp_path)
    project.integration("alpha")
    project.integration("beta", description="was")
    project.apply()
    with Here(tmp_path).serving() as url:  # the same names at another host are another target
        project.config(url, api_key="${env:PORTKEY_API_KEY}", prune="managed")
        assert project.plan(PORTKEY_API_KEY="pk")["summary"]["create"] == 2

"""`undo`: an apply reverted field by field, under the same guards, without secrets."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cli.project import FIRST, SECOND, Here, actions, writes
from tests.end_to_end.harness import Done

pytestmark = pytest.mark.slow

FACTS = {"id", "created_at", "last_updated_at", "target", "kind", "format_version"}
MODELS = [
    {"slug": "gpt-5", "enabled": True},
    {"slug": "ours", "enabled": True, "is_custom": True, "base_model_slug": "gpt-5"},
]
LIMITED = {
    "id": "ws-search",
    "enabled": True,
    "usage_limits": [{"type": "cost", "credit_limit": 500, "periodic_reset": "monthly"}],
    "rate_limits": [{"type": "requests", "unit": "rpm", "value": 60}],
}


def store(project: Here) -> dict[str, Any]:
    """Return the complete store without times and ids; it has masks, but no secret values."""
    found = {}
    for slug in project.slugs():
        record = project.run("get", slug, "--format", "json").json
        record["workspaces"] = sorted(
            (w for w in record.get("workspaces", []) if w["enabled"]), key=lambda w: str(w["id"])
        )
        record["models"] = sorted(record.get("models", []), key=lambda m: str(m["slug"]))
        found[slug] = {k: v for k, v in filled(record).items() if k not in FACTS}
    return found


def filled(value: Any) -> Any:
    """Drop empty values, which are equivalent to absent ones for the API."""
    if isinstance(value, dict):
        found = {name: filled(item) for name, item in value.items()}
        return {name: item for name, item in found.items() if item not in ("", None, {}, [])}
    return [filled(item) for item in value] if isinstance(value, list) else value


def runs(project: Here) -> list[str]:
    return [run["run"] for run in project.run("history", "--format", "json").json["runs"]]


def undo(project: Here, run: str, *options: object, **variables: str) -> Any:
    done = project.run("undo", run, "--out", "undo.json", "--format", "json", *options, **variables)
    assert done.code == 0, done.err or done.out
    return done.json


def carry_out(project: Here, *options: object, **variables: str) -> Done:
    done = project.run("-vv", "apply", "undo.json", *options, **variables)
    assert done.code == 0, done.err or done.out
    return done


def full(project: Here) -> None:
    project.integration(
        "updated",
        description="before",
        configurations={"openai_organization": "org-1", "openai_project": "p-1"},
        pricing_adjustments={"multiplier": {"default": 0.8}},
        tags={"team": "search", "tier": "1"},
        allow_all_models=False,
        models=MODELS,
        workspaces=[LIMITED, {"id": "ws-support", "enabled": True}],
        global_workspace_access={"enabled": False},
    )
    project.integration("deleted", description="to go", models=MODELS, workspaces=[LIMITED])
    project.integration("kept", description="as it is")


def change_everything(project: Here) -> None:
    project.integration(
        "updated",
        name="Another name",
        description="",
        configurations={"openai_organization": "", "openai_project": "p-2"},
        pricing_adjustments=None,
        tags={"team": "sales", "new": "x"},
        allow_all_models=True,
        models=[MODELS[0], {**MODELS[1], "slug": "newer"}],
        workspaces=[{**LIMITED, "rate_limits": None}, {"id": "ws-new", "enabled": True}],
        global_workspace_access={"enabled": True},
    )
    project.remove("deleted")
    project.integration("created")


def test_an_undo_restores_the_store_field_by_field(tmp_path: Path) -> None:
    project = Here(tmp_path)
    full(project)
    project.apply()
    before = store(project)
    change_everything(project)
    project.apply()
    assert store(project) != before
    run = runs(project)[-1]
    plan = undo(project, run)
    assert plan["source"] == {"run": run}
    assert actions(plan) == {"deleted": "create", "updated": "update", "created": "delete"}
    assert {a["reason"] for a in plan["actions"]} == {
        f"run {run} {verb} it" for verb in ("deleted", "changed", "created")
    }
    told = carry_out(project)
    assert store(project) == before
    assert "The files are unchanged" in told.err
    assert undo(project, run)["actions"] == []


def test_the_next_apply_of_the_files_reverts_an_undo(tmp_path: Path) -> None:
    project = Here(tmp_path)
    full(project)
    project.apply()
    change_everything(project)
    project.apply()
    after = store(project)
    undo(project, runs(project)[-1])
    carry_out(project)
    assert actions(project.plan()) == {
        "deleted": "delete",
        "updated": "update",
        "created": "create",
    }
    project.apply()
    assert store(project) == after


def test_an_undo_can_itself_be_undone(tmp_path: Path) -> None:
    project = Here(tmp_path)
    full(project)
    project.apply()
    change_everything(project)
    project.apply()
    after = store(project)
    undo(project, runs(project)[-1])
    carry_out(project)
    undo(project, runs(project)[-1])
    carry_out(project)
    assert store(project) == after
    assert len(runs(project)) == 4
    recorded = project.run("history", "--format", "json").json["runs"]
    assert [run["undoes"] for run in recorded] == [None, None, runs(project)[1], runs(project)[2]]


def test_only_changes_of_the_run_are_undone(tmp_path: Path) -> None:
    project = Here(tmp_path)
    project.integration("alpha", description="one", tags={"a": "1", "b": "1"})
    project.apply()
    project.integration("alpha", description="two", tags={"a": "1", "b": "1"})
    project.apply()
    project.integration("alpha", description="two", tags={"a": "2", "b": "1"})
    project.apply()
    plan = undo(project, runs(project)[1])
    (change,) = plan["actions"][0]["changes"]
    assert (change["path"], change["before"], change["after"]) == ("description", "two", "one")
    assert "changed-later" in {d["code"] for d in plan["diagnostics"]}


def test_an_undo_does_not_report_its_assumptions_about_git(tmp_path: Path) -> None:
    project = Here(tmp_path)
    declared = {
        "configurations": {"custom_host": "https://models.example.com/v1"},
        "allow_all_models": False,
        "models": MODELS,
        "workspaces": [LIMITED],
    }
    project.integration("alpha", description="one", **declared)
    project.apply()
    project.integration("alpha", description="two", **declared)
    project.apply()
    plan = undo(project, runs(project)[-1])
    assert [change["path"] for change in plan["actions"][0]["changes"]] == ["description"]
    assert plan["diagnostics"] == []


def test_an_undo_of_later_changes_by_others_does_not_name_git_as_origin(tmp_path: Path) -> None:
    project = Here(tmp_path)
    for words in ("one", "two"):
        project.integration("alpha", description=words)
        project.apply()
    run = runs(project)[-1]
    project.integration("alpha", description="three")
    project.apply("--no-ledger")
    told = project.run("undo", run)
    assert '"three" → "one" (changed in the API, outside Git)' in " ".join(told.out.split())


def test_an_undo_of_a_reverted_run_reports_nothing_to_undo(tmp_path: Path) -> None:
    project = Here(tmp_path)
    project.integration("alpha", description="one")
    project.apply()
    project.integration("alpha", description="two")
    project.apply()
    changed = runs(project)[-1]
    project.integration("alpha", description="one")
    project.apply()
    told = project.run("undo", changed)
    assert "No changes: there is nothing to undo" in told.out


def test_a_rotated_key_is_named_as_not_restorable(tmp_path: Path) -> None:
    project = Here(tmp_path)
    project.integration("alpha", description="one")
    project.apply()
    project.integration("alpha", description="two")
    project.apply(SECRET_KEY=SECOND)
    plan = undo(project, runs(project)[-1], SECRET_KEY=SECOND)
    assert [c["path"] for c in plan["actions"][0]["changes"]] == ["description"]
    (warning,) = [d for d in plan["diagnostics"] if d["code"] == "credential-not-restored"]
    assert "alpha" in warning["summary"]
    assert "key" in warning["summary"]
    carry_out(project, SECRET_KEY=SECOND)
    assert FIRST not in (project.folder / "undo.json").read_text()


def test_a_run_that_only_rotated_has_nothing_to_undo(tmp_path: Path) -> None:
    project = Here(tmp_path)
    project.integration("alpha")
    project.apply()
    project.apply(SECRET_KEY=SECOND)
    plan = undo(project, runs(project)[-1], SECRET_KEY=SECOND)
    assert plan["actions"] == []
    assert [d["code"] for d in plan["diagnostics"]] == ["credential-not-restored"]


def test_a_reference_is_restored_with_its_value(tmp_path: Path) -> None:
    project = Here(tmp_path, SECRET_OTHER=SECOND)
    project.integration("alpha")
    project.apply()
    before = store(project)
    project.integration("alpha", key="${env:SECRET_OTHER}")
    project.apply()
    plan = undo(project, runs(project)[-1])
    (change,) = plan["actions"][0]["changes"]
    assert (change["reference"], change["before_reference"]) == (
        "env:SECRET_KEY",
        "env:SECRET_OTHER",
    )
    carry_out(project)
    assert store(project) == before
    (back,) = project.plan()["actions"][0]["changes"]
    assert back["reference"] == "env:SECRET_OTHER"


def test_a_host_is_restored_together_with_the_key(tmp_path: Path) -> None:
    project = Here(tmp_path)
    hosts = [
        {"custom_host": f"https://{name}.example.com/v1", "provider_auth_type": "apiKey"}
        for name in ("one", "two")
    ]
    project.integration("alpha", configurations=hosts[0])
    project.apply()
    before = store(project)
    project.integration("alpha", configurations=hosts[1])
    project.apply()
    plan = undo(project, runs(project)[-1])
    assert {c["path"]: c["op"] for c in plan["actions"][0]["changes"]} == {
        "configurations.custom_host": "replace",
        "key": "resend",
    }
    assert plan["diagnostics"] == []  # the run had sent the key unchanged
    carry_out(project)
    assert store(project) == before


def test_restoring_a_deleted_integration_without_a_known_reference_is_blocked(
    tmp_path: Path,
) -> None:
    project = Here(tmp_path, prune="all")
    other = project.elsewhere()
    other.integration("theirs", key="${env:SECRET_KEY}")
    other.run("--dir", "somebody-else", "apply", "--yes", "--no-ledger")
    project.integration("alpha")
    project.apply()
    assert project.slugs() == ["alpha"]
    plan = undo(project, runs(project)[-1], "--only", "theirs")
    (action,) = plan["actions"]
    assert (action["action"], action["blocked_by"]) == ("create", ["credential-unknown"])
    done = project.run("-vv", "apply", "undo.json", "--only", "theirs", "--format", "json")
    assert done.code == 4
    assert [d["code"] for d in done.json["diagnostics"]] == ["credential-unknown"]
    assert writes(done) == []


def test_protection_and_limits_apply_to_an_undo(tmp_path: Path) -> None:
    project = Here(tmp_path)
    project.integration("alpha", lifecycle={"protected": True})
    for number in range(5):
        project.integration(f"n{number}")
    project.apply()
    run = runs(project)[-1]
    plan = undo(project, run)
    blocked = {a["slug"]: a["blocked_by"] for a in plan["actions"]}
    assert blocked["alpha"] == ["protected", "too-many-deletes"]
    assert blocked["n0"] == ["too-many-deletes"]
    done = project.run("-vv", "apply", "undo.json", "--format", "json")
    assert (done.code, writes(done)) == (4, [])
    allowed = ("--max-deletes", 5, "--exclude", "alpha")
    undo(project, run, *allowed)
    carry_out(project, *allowed)
    assert project.slugs() == ["alpha"]


def test_an_undo_that_differs_from_the_approved_one_is_refused(tmp_path: Path) -> None:
    project = Here(tmp_path)
    project.integration("alpha", description="one")
    project.apply()
    project.integration("alpha", description="two")
    project.apply()
    undo(project, runs(project)[-1])
    project.integration("alpha", description="three")
    project.apply()
    done = project.run("-vv", "apply", "undo.json", "--format", "json")
    assert done.code == 4
    assert {d["code"] for d in done.json["diagnostics"]} == {"not-approved"}
    assert writes(done) == []


def test_an_integration_deleted_since_is_not_created_from_partial_records(
    tmp_path: Path,
) -> None:
    project = Here(tmp_path)
    project.integration("alpha", description="one")
    project.integration("beta")
    project.apply()
    project.integration("alpha", description="two")
    project.apply()
    project.remove("alpha")
    project.apply()
    plan = undo(project, runs(project)[1])
    assert plan["actions"][0]["blocked_by"] == ["deleted-since"]
    undo(project, runs(project)[2])
    carry_out(project)
    assert project.run("get", "alpha", "--format", "json").json["description"] == "two"


def test_failed_actions_of_a_run_are_not_undone(tmp_path: Path) -> None:
    project = Here(tmp_path)
    project.integration("good", description="one")
    project.integration("gone")
    project.apply()
    project.integration("good", description="two")
    project.integration("broken", key=None)
    project.remove("gone")
    assert project.run("apply", "--yes").code == 5
    plan = undo(project, runs(project)[-1])
    assert actions(plan) == {"good": "update"}


@pytest.mark.parametrize("options", [(), ("--format", "json")])
def test_an_unknown_run_is_bad_input(tmp_path: Path, options: tuple[str, ...]) -> None:
    project = Here(tmp_path)
    project.integration("alpha")
    project.apply()
    done = project.run("undo", "nonsense", *options)
    assert done.code == 3
    assert "unknown-run" in done.out + done.err


def test_without_a_ledger_there_is_nothing_to_undo(tmp_path: Path) -> None:
    done = Here(tmp_path).run("undo", "nonsense")
    assert done.code == 4
    assert "no-ledger" in done.err


def test_a_run_on_another_target_is_refused(tmp_path: Path) -> None:
    project = Here(tmp_path)
    project.integration("alpha")
    project.apply()
    run = runs(project)[-1]
    project.write("reconcile.yaml", "version: 1\ntargets:\n  other: {base_url: 'simulator:'}\n")
    done = project.run("undo", run, "--target", "other", "--format", "json")
    assert done.code == 4
    assert [d["code"] for d in done.json["diagnostics"]] == ["wrong-target"]


def test_an_undo_is_applied_alone(tmp_path: Path) -> None:
    project = Here(tmp_path)
    project.integration("alpha")
    project.apply()
    undo(project, runs(project)[-1])
    project.integration("alpha", description="new")
    project.run("plan", "--out", "plan.json")
    done = project.run("apply", "undo.json", "plan.json")
    assert done.code == 3
    assert "undo-alone" in done.err


def edited(project: Here, *options: object) -> Any:
    done = project.run("undo", runs(project)[-1], "--edit-files", "--format", "json", *options)
    assert done.code == 0, done.err or done.out
    return done.json


def test_edited_files_declare_the_earlier_state(tmp_path: Path) -> None:
    project = Here(tmp_path)
    full(project)
    project.apply()
    before = store(project)
    change_everything(project)
    project.apply()
    files = edited(project)
    assert files["changed"] == ["integrations/updated.yaml"]
    assert files["new"] == ["integrations/deleted.yaml"]
    assert files["removed"] == ["integrations/created.yaml"]
    assert store(project) != before
    project.apply()
    after = store(project)
    # An undeclared tag is not removed; reverting the commit would not remove it either.
    assert after["updated"]["tags"].pop("new") == "x"
    assert after == before


def test_only_lines_of_the_run_change_and_comments_are_kept(tmp_path: Path) -> None:
    project = Here(tmp_path)
    text = (
        "# ours\nslug: alpha\nname: Alpha  # shown\nai_provider_id: openai\n"
        "key: ${env:SECRET_KEY}\ndescription: one\ntags:\n  team: search  # who\n"
    )
    path = project.write("integrations/alpha.yaml", text)
    project.apply()
    path.write_text(text.replace("one", "two"))
    project.apply()
    path.write_text(path.read_text().replace("team: search", "team: sales"))
    edited(project)
    assert path.read_text() == text.replace("team: search", "team: sales")


def test_a_reference_is_restored_in_the_file(tmp_path: Path) -> None:
    project = Here(tmp_path, SECRET_OTHER=SECOND)
    project.integration("alpha")
    project.apply()
    project.integration("alpha", key="${env:SECRET_OTHER}")
    project.apply()
    edited(project)
    assert "${env:SECRET_KEY}" in (project.files / "integrations/alpha.yaml").read_text()
    assert "SECRET_OTHER" not in (project.files / "integrations/alpha.yaml").read_text()


def test_a_file_with_several_documents_is_not_edited(tmp_path: Path) -> None:
    project = Here(tmp_path)
    one = "slug: {0}\nname: {0}\nai_provider_id: openai\nkey: ${{env:SECRET_KEY}}\n"
    project.write("integrations/both.yaml", one.format("one"))
    project.apply()
    project.write("integrations/both.yaml", one.format("one") + "---\n" + one.format("two"))
    project.apply()
    files = edited(project)
    assert (files["changed"], files["removed"]) == ([], [])
    assert "shared-file" in {d["code"] for d in files["diagnostics"]}


def test_values_that_no_file_declares_are_named_and_not_added(tmp_path: Path) -> None:
    project = Here(tmp_path, prune="none")
    project.integration("alpha", description="one")
    project.integration("beta")
    project.apply()
    project.integration("alpha", description="two")
    project.apply()
    project.remove("alpha")
    files = edited(project)
    assert (files["changed"], files["new"]) == ([], [])
    assert "not-declared" in {d["code"] for d in files["diagnostics"]}


def test_editing_files_saves_no_plan(tmp_path: Path) -> None:
    project = Here(tmp_path)
    project.integration("alpha")
    project.apply()
    run = runs(project)[-1]
    assert project.run("undo", run, "--edit-files", "--out", "plan.json").code == 3
    project.remove("alpha")
    text = project.run("undo", run, "--edit-files").out
    assert text.splitlines()[0].startswith("target here")
    assert "No file needs a change." in text


def model(slug: str, **settings: str) -> dict[str, Any]:
    """Custom model whose configuration no schema describes, so that it can hold secrets."""
    extra = {"configurations": settings} if settings else {}
    custom = {"is_custom": True, "base_model_slug": "gpt-4o", "enabled": True}
    return {"slug": slug, **custom, **extra}


KEPT = {"keep": "${env:SECRET_KEY}"}
TOKEN = {**KEPT, "token": "${env:SECRET_KEY}"}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (TOKEN, {**TOKEN, "token": "${env:SECRET_OTHER}"}),
        (TOKEN, {"keep": "${env:SECRET_OTHER}", "token": "${env:SECRET_OTHER}"}),
        (KEPT, TOKEN),
        ({}, TOKEN),
    ],
)
def test_an_undo_restores_references_inside_models(
    tmp_path: Path, before: dict[str, str], after: dict[str, str]
) -> None:
    project = Here(tmp_path, SECRET_OTHER=SECOND)
    project.integration("alpha", models=[model("first"), model("second", **before)])
    project.apply()
    was = store(project)
    path = project.integration("alpha", models=[model("first"), model("second", **after)])
    project.apply()
    run = runs(project)[-1]
    files = edited(project)
    assert files["diagnostics"] == []
    models = yaml.safe_load(path.read_text())["models"]
    assert models == [model("first"), model("second", **before)]
    # The same undo through the API does not change the other models.
    undo(project, run)
    carry_out(project)
    assert store(project) == was

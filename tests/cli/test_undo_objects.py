"""Undo and prune change only objects that runs have created, not others with the same slugs."""

from pathlib import Path
from typing import Any

import pytest

from tests.cli.project import SECOND, Here, actions
from tests.cli.test_undo import carry_out, runs, store, undo
from tests.end_to_end.test_base import git

pytestmark = pytest.mark.slow

LIMITS = {"deletes": 9, "delete_ratio": 1, "replaces": 9, "access_removals": 9}
HEADERS = {"X-Team": "search", "Authorization": "${env:SECRET_KEY}"}


def codes(plan: Any) -> list[str]:
    return [d["code"] for d in plan["diagnostics"]]


def taken_over(project: Here, slug: str, **fields: Any) -> str:
    """As another client, delete an integration and create another one with its slug."""
    there = project.elsewhere()
    configure(there, slug, prune="none")
    apply_there(there, "--allow-empty")
    configure(there, prune="none")
    there.integration(slug, name="THEIRS", **fields)
    apply_there(there)
    return identity(project, slug)


def apply_there(project: Here, *options: str) -> None:
    done = project.run("--dir", "somebody-else", "apply", "--yes", "--no-ledger", *options)
    assert done.code == 0, done.err


def configure(project: Here, *buried: str, prune: str = "managed") -> None:
    """Write reconcile.yaml with wide limits and a tombstone for each of these slugs."""
    here = {"base_url": "simulator:", "prune": prune, "limits": LIMITS}
    tombstones = [{"slug": slug, "reason": "to go"} for slug in buried]
    document = {"version": 1, "default_target": "here", "targets": {"here": here}}
    project.write("reconcile.yaml", {**document, "deletions": tombstones})


def commit(project: Here) -> None:
    git(project.folder, "add", "desired-state")
    git(project.folder, "commit", "-q", "--allow-empty", "-m", "a change")


def identity(project: Here, slug: str) -> str:
    return str(project.run("get", slug, "--format", "json").json["id"])


@pytest.fixture
def project(tmp_path: Path) -> Here:
    found = Here(tmp_path)
    configure(found)
    return found


def test_an_undo_of_a_create_keeps_an_integration_that_another_client_created_since(
    project: Here,
) -> None:
    project.integration("new")
    project.apply()
    theirs = taken_over(project, "new")
    plan = undo(project, runs(project)[-1])
    assert (plan["actions"], codes(plan)) == ([], ["another-object"])
    carry_out(project)
    assert identity(project, "new") == theirs


def test_an_undo_of_a_create_deletes_an_integration_that_a_later_run_created_again(
    project: Here,
) -> None:
    project.integration("new")
    project.apply()
    created = runs(project)[-1]
    project.integration("new", workspace_id="ws-one")
    project.apply("--allow-replace")
    plan = undo(project, created)
    assert actions(plan) == {"new": "delete"}
    assert codes(plan) == ["changed-later"]


@pytest.mark.parametrize("how", ["update", "delete", "replace"])
def test_an_undo_changes_no_object_that_the_run_never_saw(project: Here, how: str) -> None:
    project.integration("alpha", description="one")
    project.apply()
    if how == "delete":
        project.remove("alpha")
        project.apply("--allow-empty")
        there = project.elsewhere()
        there.integration("alpha", name="THEIRS")
        apply_there(there)
    else:
        more = {} if how == "update" else {"workspace_id": "ws-one"}
        project.integration("alpha", description="two", **more)
        project.apply("--allow-replace")
        taken_over(project, "alpha")
    before = store(project)
    plan = undo(project, runs(project)[-1])
    (action,) = plan["actions"]
    assert "another-object" in action["blocked_by"]
    assert "another-object" in codes(plan)
    refused = project.run("apply", "undo.json")
    assert refused.code == 4, refused.err
    assert store(project) == before


def test_prune_managed_deletes_no_other_object_under_a_withdrawn_slug(project: Here) -> None:
    project.integration("kept")
    project.integration("gone")
    project.apply()
    theirs = taken_over(project, "gone")
    project.remove("gone")
    for _ in range(2):  # an apply must not lose its record either
        plan = project.plan()
        assert (plan["actions"], codes(plan)) == ([], ["another-object"])
        assert plan["unmanaged"] == ["gone"]
        project.apply()
    assert identity(project, "gone") == theirs
    configure(project, "gone")
    plan = project.plan()
    assert (actions(plan), codes(plan)) == ({"gone": "delete"}, ["another-object"])


def test_a_declared_slug_of_another_object_is_reported_and_adopted(project: Here) -> None:
    project.integration("alpha")
    project.apply()
    taken_over(project, "alpha")
    assert set(codes(project.plan())) == {"another-object", "maybe-sent"}
    project.apply()
    again = project.plan()
    assert (again["actions"], again["unverified"], codes(again)) == ([], [], [])
    project.remove("alpha")
    project.integration("other")
    assert actions(project.plan()) == {"alpha": "delete", "other": "create"}


@pytest.mark.parametrize("before", [None, "ws-one"])
@pytest.mark.parametrize("after", [None, "ws-one", "ws-two"])
def test_a_replace_between_scopes_is_undone(
    project: Here, before: str | None, after: str | None
) -> None:
    if before == after:
        after = "ws-two"
    project.integration("alpha", workspace_id=before)
    project.apply()
    was = store(project)
    project.integration("alpha", workspace_id=after)
    project.apply("--allow-replace")
    plan = undo(project, runs(project)[-1])
    assert actions(plan) == {"alpha": "replace"}
    carry_out(project, "--allow-replace")
    assert store(project) == was


def test_a_replace_of_the_provider_is_undone_with_all_fields(project: Here) -> None:
    project.integration(
        "alpha",
        description="one",
        configurations={"openai_project": "p"},
        workspaces=[{"id": "ws-one", "enabled": True}],
    )
    project.apply()
    was = store(project)
    project.integration("alpha", ai_provider_id="anthropic", tags={"team": "a"})
    project.apply("--allow-replace")
    undo(project, runs(project)[-1])
    carry_out(project, "--allow-replace")
    assert store(project) == was


def test_an_added_header_is_removed_and_the_others_are_kept(project: Here) -> None:
    plain = {"openai_project": "p", "custom_headers": {"X-Team": "search"}}
    project.integration("alpha", configurations=plain)
    project.apply()
    was = store(project)
    project.integration("alpha", configurations={**plain, "custom_headers": HEADERS})
    project.apply()
    plan = undo(project, runs(project)[-1])
    assert [(c["path"].rpartition(".")[2], c["op"]) for c in plan["actions"][0]["changes"]] == [
        ("Authorization", "remove"),
        ("X-Team", "resend"),
    ]
    assert codes(plan) == []
    carry_out(project)
    assert store(project) == was
    assert SECOND not in (project.folder / "undo.json").read_text()


def test_an_added_key_cannot_be_removed_and_is_named(project: Here) -> None:
    mapped = {"secret_mappings": [{"target_field": "key", "secret_reference_id": "ref"}]}
    project.integration("alpha", key=None, **mapped)
    project.apply()
    project.integration("alpha", secret_mappings=[])
    project.apply()
    plan = undo(project, runs(project)[-1])
    assert [c["path"] for c in plan["actions"][0]["changes"]] == [
        "secret_mappings[key].secret_reference_id"
    ]
    assert codes(plan) == ["key-kept"]


def test_a_removed_header_is_restored_by_its_reference_and_a_literal_is_named(
    project: Here,
) -> None:
    project.integration("alpha", configurations={"custom_headers": HEADERS})
    project.apply()
    project.integration("alpha", configurations={"custom_headers": {}})
    project.apply()
    plan = undo(project, runs(project)[-1])
    assert [(c["path"], c["op"]) for c in plan["actions"][0]["changes"]] == [
        ("configurations.custom_headers.Authorization", "add")
    ]
    (lost,) = [d for d in plan["diagnostics"] if d["code"] == "credential-not-restored"]
    assert "configurations.custom_headers.X-Team" in lost["summary"]
    assert "it is not restored" in lost["summary"]


def test_an_undo_of_a_delete_is_not_refused_over_a_literal_header(project: Here) -> None:
    project.integration("alpha", configurations={"openai_project": "p", "custom_headers": HEADERS})
    project.apply()
    was = store(project)
    project.remove("alpha")
    project.apply("--allow-empty")
    plan = undo(project, runs(project)[-1])
    assert [(a["action"], a["blocked_by"]) for a in plan["actions"]] == [("create", [])]
    (lost,) = [d for d in plan["diagnostics"] if d["code"] == "credential-not-restored"]
    assert "configurations.custom_headers.X-Team" in lost["summary"]
    carry_out(project)
    del was["alpha"]["configurations"]["custom_headers"]["X-Team"]
    assert store(project) == was


def test_a_literal_header_is_restored_from_the_commit_of_an_earlier_run(
    project: Here,
) -> None:
    git(project.folder, "init", "-q")
    project.integration("alpha", configurations={"custom_headers": HEADERS})
    commit(project)
    project.apply()
    was = store(project)
    project.remove("alpha")
    commit(project)
    project.apply("--allow-empty")
    plan = undo(project, runs(project)[-1])
    assert codes(plan) == []
    carry_out(project)
    assert store(project) == was


def test_a_value_that_has_changed_since_is_named(project: Here) -> None:
    project.integration("alpha")
    project.apply()
    project.remove("alpha")
    project.apply("--allow-empty")
    plan = undo(project, runs(project)[-1], SECRET_KEY=SECOND)
    (found,) = [d for d in plan["diagnostics"] if d["code"] == "credential-not-restored"]
    assert "key" in found["summary"]
    assert "another value before the run" in found["summary"]
    assert codes(undo(project, runs(project)[-1])) == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("description", "words"),
        ("tags", {"team": "a"}),
        ("pricing_adjustments", {"multiplier": {"default": 0.8}}),
        ("configurations", {"openai_project": "p"}),
        ("allow_all_models", False),
        ("workspaces", [{"id": "ws-one", "enabled": True}]),
        ("global_workspace_access", {"enabled": True}),
        (
            "secret_mappings",
            [{"target_field": "configurations.openai_project", "secret_reference_id": "ref"}],
        ),
    ],
)
@pytest.mark.parametrize("empty", [None, ...], ids=["null", "absent"])
def test_a_field_that_was_null_or_absent_is_restored_as_such(
    project: Here, field: str, value: Any, empty: Any
) -> None:
    project.integration("alpha", **({} if empty is ... else {field: empty}))
    project.apply()
    was = store(project)
    project.integration("alpha", **{field: value})
    project.apply()
    assert store(project) != was
    undo(project, runs(project)[-1])
    carry_out(project)
    assert store(project) == was


@pytest.mark.parametrize("headers", [{"X-Team": "search"}, {}, ...])
def test_edited_files_lose_added_values_and_regain_removed_ones(
    project: Here, headers: Any
) -> None:
    few = {"openai_project": "p", **({} if headers is ... else {"custom_headers": headers})}
    many = {"openai_project": "p", "custom_headers": {**HEADERS, "X-Team": "search"}}
    if headers != {"X-Team": "search"}:
        many["custom_headers"] = {"Authorization": "${env:SECRET_KEY}"}
    project.integration("alpha", configurations=few)
    project.integration("beta", configurations=many, workspace_id="ws-one")
    project.apply()
    project.integration("alpha", configurations=many)
    project.integration("beta", configurations=few, workspace_id=None)
    project.apply("--allow-replace")
    edited = project.run("undo", runs(project)[-1], "--edit-files")
    assert edited.code == 0, edited.err
    rendered = project.run("render", "--format", "json").json["integrations"]
    told = {item["slug"]: item["fields"]["configurations"] for item in rendered}
    assert told["alpha"].get("custom_headers", {}).keys() == few.get("custom_headers", {}).keys()
    assert told["beta"]["custom_headers"].keys() == many["custom_headers"].keys()
    assert actions(project.plan())["beta"] == "replace"

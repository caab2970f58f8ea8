"""The main job from end to end: a fresh clone, an edit, a plan, an apply, an empty plan."""

import hashlib
import json
from pathlib import Path

import pytest

from tests.end_to_end.harness import INSTALLED, SECRET, Project

pytestmark = pytest.mark.slow


def test_the_first_command_of_the_readme_creates_the_examples_and_is_idempotent(
    tmp_path: Path,
) -> None:
    project = Project.with_examples(tmp_path)
    assert (
        "To apply this plan, run:\n    reconcile --target simulator apply"
        in project.run("plan").out
    )
    first = project.run("apply", "--yes", command=INSTALLED)
    assert first.code == 0, first.err
    assert "4 applied, 0 failed" in first.out
    assert "To apply this plan" not in first.err
    second = project.run("apply", "--yes", command=INSTALLED)
    assert second.code == 0, second.err
    assert "0 applied" in second.out
    assert "No changes" in second.err


def test_an_edit_is_planned_and_applied_and_then_in_sync(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.config()
    project.integration("alpha", description="before")
    project.integration("beta")
    assert project.run("apply", "--yes").code == 0
    project.integration("alpha", description="after")
    (project.files / "integrations/beta.yaml").unlink()

    plan = project.run("plan", "--format", "json", "--detailed-exitcode")
    assert plan.code == 2
    actions = {action["slug"]: action for action in plan.json["actions"]}
    assert {slug: action["action"] for slug, action in actions.items()} == {
        "alpha": "update",
        "beta": "delete",
    }
    (change,) = actions["alpha"]["changes"]
    assert (change["path"], change["before"], change["after"]) == ("description", "before", "after")
    assert actions["alpha"]["source"]["file"].endswith("integrations/alpha.yaml")

    assert project.run("apply", "--yes").code == 0
    again = project.run("plan", "--format", "json", "--detailed-exitcode")
    assert (again.code, again.json["actions"]) == (0, [])


def test_the_same_steps_over_http(tmp_path: Path) -> None:
    project = Project(tmp_path, PORTKEY_API_KEY="pk-canary-http")
    with project.serving() as url:
        project.config(url, api_key="${env:PORTKEY_API_KEY}")
        project.integration("alpha")
        applied = project.run("apply", "--yes", "--format", "json")
        assert applied.json["summary"]["applied"] == 1
        assert project.run("plan", "--detailed-exitcode").code == 0
        shown = project.run("get", "alpha", "--format", "json")
        assert shown.json["name"] == "Alpha"
        listed = project.run("list", "--format", "json")
        assert [item["slug"] for item in listed.json["integrations"]] == ["alpha"]
        everything = "".join(d.out + d.err for d in (applied, shown, listed))
    assert SECRET not in everything
    assert "pk-canary-http" not in everything


def test_a_saved_plan_approves_only_what_it_contains(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.config()
    project.integration("alpha")
    assert project.run("plan", "--out", "plan.json").code == 0
    assert "alpha" in project.run("show", "plan.json", "--format", "markdown").out
    project.integration("beta")
    refused = project.run("apply", "plan.json", "--format", "json")
    assert refused.code == 4
    assert refused.json["exit_code"] == 4
    assert {d["code"] for d in refused.json["diagnostics"]} == {"not-approved"}
    assert refused.json["plan"]["summary"]["create"] == 2
    assert project.run("apply", "plan.json", "--exclude", "beta").code == 0
    slugs = [i["slug"] for i in project.run("list", "--format", "json").json["integrations"]]
    assert slugs == ["alpha"]


def test_a_saved_result_is_shown_again(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.config()
    project.integration("alpha")
    (tmp_path / "result.json").write_text(project.run("apply", "--yes", "--format", "json").out)
    assert "1 applied" in project.run("show", "result.json").out
    shown = project.run("show", "result.json", "--format", "json")
    assert shown.json == json.loads((tmp_path / "result.json").read_text())
    assert "alpha" in project.run("show", "result.json", "--format", "markdown").out


def test_an_edited_plan_is_refused(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.config()
    project.integration("alpha")
    project.run("plan", "--out", "plan.json")
    saved = tmp_path / "plan.json"
    saved.write_text(saved.read_text().replace('"alpha"', '"omega"'))
    done = project.run("apply", "plan.json", "--format", "json")
    assert done.code == 4
    assert [d["code"] for d in done.json["diagnostics"]] == ["tampered-plan"]


def test_without_a_terminal_and_without_yes_nothing_is_written(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.config()
    project.integration("alpha")
    done = project.run("apply")
    assert done.code == 3
    assert "--yes" in done.err
    assert project.run("list", "--format", "json").json["integrations"] == []


@pytest.mark.parametrize("options", [(), ("--format", "json")])
def test_a_plan_does_not_depend_on_locale_time_zone_or_hash_seed(
    tmp_path: Path, options: tuple[str, ...]
) -> None:
    project = Project(tmp_path)
    project.config()
    for slug in ("alpha", "beta", "gamma"):
        project.integration(slug, tags={"z": "1", "a": "ü"})
    texts = [
        project.run("plan", *options, **variables).out
        for variables in (
            {"PYTHONHASHSEED": "1", "TZ": "Asia/Tokyo", "LC_ALL": "C"},
            {"PYTHONHASHSEED": "2", "TZ": "UTC", "LC_ALL": "de_DE.ISO-8859-1"},
        )
    ]
    first, second = (
        [line for line in text.splitlines() if '"created_at"' not in line] for text in texts
    )
    assert first == second
    assert "ü" in texts[0] or "\\u00fc" in texts[0]


def test_reading_commands_do_not_change_the_simulator(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.config()
    project.integration("alpha")
    project.run("apply", "--yes")
    project.integration("alpha", description="new")
    before = project.run("get", "alpha").out
    for command in (("plan",), ("list",), ("validate",), ("plan", "--out", "p.json")):
        assert project.run(*command).code == 0
    after = project.run("get", "alpha").out
    assert hashlib.sha256(before.encode()).digest() == hashlib.sha256(after.encode()).digest()

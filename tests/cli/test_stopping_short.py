"""What a command says and hands over when it stops before the first write."""

from pathlib import Path

from tests.cli.project import Here


def a_project(folder: Path) -> Here:
    project = Here(folder)
    project.integration("alpha")
    return project


def test_without_a_terminal_the_error_document_holds_the_plan(tmp_path: Path) -> None:
    done = a_project(tmp_path).run("apply", "--format", "json")
    assert (done.code, done.json["kind"]) == (3, "error")
    assert done.json["diagnostics"][0]["code"] == "no-terminal"
    assert [action["slug"] for action in done.json["plan"]["actions"]] == ["alpha"]


def test_a_guard_is_told_once(tmp_path: Path) -> None:
    project = a_project(tmp_path)
    assert project.run("apply", "--yes").code == 0
    project.integration("alpha", ai_provider_id="anthropic")
    done = project.run("apply", "--yes")
    assert done.code == 4
    assert done.err.count("error[replace-not-allowed]") == 1
    assert "! blocked replace alpha" in done.err


def test_a_reference_outside_the_allow_list_is_found_where_it_stands(tmp_path: Path) -> None:
    project = a_project(tmp_path)
    live = {"base_url": "simulator:", "environment": "live"}
    project.write("reconcile.yaml", {"version": 1, "targets": {"there": live}})
    project.write("environments/live/a.yaml", "alpha:\n  key: ${env:OTHER_KEY}\n")
    done = project.run("validate", "--format", "json")
    assert [
        (found["code"], found["file"], found["line"], found["column"])
        for found in done.json["diagnostics"]
    ] == [("secret-not-allowed", "desired-state/environments/live/a.yaml", 2, 8)]

"""Output of a command that stops before the first write."""

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


def test_a_guard_is_reported_once(tmp_path: Path) -> None:
    project = a_project(tmp_path)
    assert project.run("apply", "--yes").code == 0
    project.integration("alpha", ai_provider_id="anthropic")
    done = project.run("apply", "--yes")
    assert done.code == 4
    assert done.err.count("error[replace-not-allowed]") == 1
    assert "! blocked replace alpha" in done.err


def test_a_reference_outside_the_allow_list_is_reported_at_its_line(tmp_path: Path) -> None:
    project = a_project(tmp_path)
    live = {"base_url": "simulator:", "environment": "live"}
    project.write("reconcile.yaml", {"version": 1, "targets": {"there": live}})
    project.write("environments/live/a.yaml", "alpha:\n  key: ${env:OTHER_KEY}\n")
    done = project.run("validate", "--format", "json")
    assert [
        (found["code"], found["file"], found["line"], found["column"])
        for found in done.json["diagnostics"]
    ] == [("secret-not-allowed", "desired-state/environments/live/a.yaml", 2, 8)]


def test_a_misspelt_command_gets_a_suggestion(tmp_path: Path) -> None:
    done = a_project(tmp_path).run("plna")
    assert done.code == 3
    assert "no such command 'plna'. Did you mean `plan`?" in done.err
    assert "id you mean" not in a_project(tmp_path).run("zzzzzz").err


def test_a_ledger_whose_folder_cannot_be_created_is_refused_with_a_remedy(tmp_path: Path) -> None:
    project = a_project(tmp_path)
    live = {"base_url": "http://127.0.0.1:1/v1", "api_key": "${env:PORTKEY_API_KEY}"}
    project.config(**live)
    project.state.write_text("in the way")
    done = project.run("apply", "--yes", "--format", "json", PORTKEY_API_KEY="pk-canary")
    (problem,) = done.json["diagnostics"]
    assert (done.code, problem["code"]) == (4, "ledger-unreachable")
    assert "--no-ledger" in problem["hint"]


def test_the_message_for_a_file_that_is_not_a_plan_explains_why(tmp_path: Path) -> None:
    project = a_project(tmp_path)
    (tmp_path / "plan.json").write_text('{"kind":')
    said = project.run("show", "plan.json").err
    assert "plan.json: not valid JSON at line 1, column 9" in said
    missing = project.run("show", "none.json", "--format", "json").json["diagnostics"]
    assert [(found["code"], bool(found["hint"])) for found in missing] == [("cannot-read", True)]


def test_a_pushed_secret_is_not_described_as_contradicted(tmp_path: Path) -> None:
    project = a_project(tmp_path)
    project.apply()
    (project.state / "ledger.db").unlink()
    (project.state / "ledger.key").unlink(missing_ok=True)
    planned = project.run("plan", "--push-secrets").out
    assert "(rotate: unverified, sent because of --push-secrets)" in " ".join(planned.split())


def test_the_plan_and_the_error_are_separated(tmp_path: Path) -> None:
    done = a_project(tmp_path).run("apply")
    assert "\n\nerror[no-terminal]" in done.err

"""Wording of options and saved files."""

from pathlib import Path

import pytest

from tests.cli.project import Here


@pytest.mark.parametrize("style", ["text", "json", "markdown", "html"])
def test_a_saved_drift_report_is_shown_in_every_format(tmp_path: Path, style: str) -> None:
    project = Here(tmp_path)
    project.integration("alpha")
    report = project.run("drift", "--format", "json")
    assert report.code == 2
    (tmp_path / "drift.json").write_text(report.out)
    shown = project.run("show", "drift.json", "--format", style)
    assert shown.code == 0, shown.err
    assert "alpha" in shown.out
    assert style != "json" or shown.out == report.out


def test_an_empty_base_is_a_usage_error_with_a_hint(tmp_path: Path) -> None:
    project = Here(tmp_path)
    project.integration("alpha")
    done = project.run("plan", "--base", "")
    assert done.code == 3
    assert "name a commit or omit the option" in done.err


def test_the_help_of_limits_names_what_they_limit(tmp_path: Path) -> None:
    said = " ".join(Here(tmp_path).run("plan", "--help").out.split())
    assert "of them" not in said


def test_a_missing_environment_has_a_hint(tmp_path: Path) -> None:
    project = Here(tmp_path)
    project.config(environment="nowhere")
    project.integration("alpha")
    found = project.run("validate", "--format", "json").json["diagnostics"]
    hints = {d["code"]: d["hint"] for d in found}
    assert "remove `environment` from" in hints["missing-environment"]


@pytest.mark.parametrize(
    "reference",
    ["${env:SECRET_X:-canary77}", "${env:SECRET-canary77}", "${vault:a/b#c:-canary77}"],
)
def test_a_reference_with_a_default_is_an_error_that_does_not_show_it(
    tmp_path: Path, reference: str
) -> None:
    project = Here(tmp_path)
    project.integration("alpha", key=reference)
    for command in ("validate", "plan", "render"):
        done = project.run(command)
        assert done.code == 3
        assert "invalid-reference" in done.out + done.err
        assert "is not supported" in " ".join((done.out + done.err).split())
        assert "canary77" not in done.out + done.err


def test_null_in_place_of_a_string_has_a_hint(tmp_path: Path) -> None:
    project = Here(tmp_path)
    project.integration("alpha", name=None)
    found = project.run("validate", "--format", "json").json["diagnostics"]
    assert [(d["code"], "set a value" in d["hint"]) for d in found] == [("wrong-type", True)]


def test_an_undo_lists_nothing_that_no_file_declares(tmp_path: Path) -> None:
    project = Here(tmp_path)
    project.integration("alpha", description="one", tags={"team": "search"})
    project.apply()
    project.integration("alpha", description="two")
    project.apply()
    run = project.run("history", "--format", "json").json["runs"][-1]["run"]
    plan = project.run("undo", run, "--format", "json").json
    assert [action["slug"] for action in plan["actions"]] == ["alpha"]
    assert plan["undeclared"] == []


def test_a_location_is_never_wrapped(tmp_path: Path) -> None:
    project = Here(tmp_path)
    deep = "a-long-folder-name/" * 5
    project.integration("alpha").rename(project.files / "integrations" / "moved.yaml")
    place = project.files / "integrations" / deep
    place.mkdir(parents=True)
    (project.files / "integrations" / "moved.yaml").rename(place / "alpha.yaml")
    said = project.run("plan", "--no-color").out
    assert f"source: desired-state/integrations/{deep}alpha.yaml:1\n" in said


def test_a_saved_plan_is_shown_without_a_ledger_state(tmp_path: Path) -> None:
    project = Here(tmp_path)
    project.integration("alpha")
    assert project.run("plan", "--out", "plan.json").code == 0
    for style in ("text", "markdown", "html"):
        shown = project.run("show", "plan.json", "--format", style).out
        assert "host simulator" in shown
        assert "ledger:" not in shown


def test_a_missing_file_of_a_secret_has_a_hint(tmp_path: Path) -> None:
    project = Here(tmp_path, RECONCILE_ALLOWED_SECRETS="file:absent")
    project.integration("alpha", key="${file:absent}")
    done = project.run("plan", "--require-secrets")
    assert done.code == 3
    assert "hint: create the file, or correct the path in the reference" in done.out + done.err


def test_validate_states_that_there_are_no_integrations(tmp_path: Path) -> None:
    project = Here(tmp_path)
    assert "no integration is declared" in project.run("validate").out
    project.integration("alpha")
    assert "no integration is declared" not in project.run("validate").out

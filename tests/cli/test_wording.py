"""What options and saved files say of themselves."""

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


def test_an_empty_base_is_a_wrong_command_line_that_says_what_to_do(tmp_path: Path) -> None:
    project = Here(tmp_path)
    project.integration("alpha")
    done = project.run("plan", "--base", "")
    assert done.code == 3
    assert "name a commit, or leave the option out" in done.err


def test_the_help_of_limits_names_what_they_limit(tmp_path: Path) -> None:
    said = " ".join(Here(tmp_path).run("plan", "--help").out.split())
    assert "of them" not in said


def test_a_missing_environment_has_a_hint(tmp_path: Path) -> None:
    project = Here(tmp_path)
    project.config(environment="nowhere")
    project.integration("alpha")
    found = project.run("validate", "--format", "json").json["diagnostics"]
    hints = {d["code"]: d["hint"] for d in found}
    assert "take `environment` off" in hints["missing-environment"]

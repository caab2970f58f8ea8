"""An `apply` that plan or drift suggests is accepted now, or the text before it states why not."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.cli.project import Here
from tests.cli.test_change_windows import FROZEN, OVER, REASON, frozen
from tests.cli.test_costs import raised
from tests.cli.test_promotion import on, staged
from tests.cli.test_usage import graph

STYLES = ("text", "markdown", "html")
OPENS = "9000-01-02T00:00:00Z"


def unwrapped(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize(
    ("command", "purpose"), [("plan", "apply this plan"), ("drift", "make the API match Git")]
)
def test_a_closed_window_is_shown_before_the_command(
    tmp_path: Path, command: str, purpose: str, style: str
) -> None:
    project = frozen(tmp_path)
    shown = unwrapped(project.run(command, "--format", style).out)
    assert f"Once the target accepts changes (from {OPENS}), to {purpose}, run:" in shown
    assert "frozen until the end of 9000-01-01" in shown
    project.config(freeze=OVER)
    assert f"To {purpose}, run:" in unwrapped(project.run(command, "--format", style).out)


def test_a_freeze_without_an_end_is_reported(tmp_path: Path) -> None:
    project = frozen(tmp_path, freeze={**FROZEN, "until": "9999-12-31"})
    shown = unwrapped(project.run("drift").out)
    assert "Once the target accepts changes, to make the API match Git, run:" in shown


def test_the_note_on_a_saved_plan_also_shows_it(tmp_path: Path) -> None:
    done = frozen(tmp_path).run("plan", "--format", "json", "--out", "p.json")
    expected = f"once the target accepts changes (from {OPENS}), to apply exactly this plan, run: "
    assert f"saved the plan; {expected}" in unwrapped(done.err)


def test_the_report_has_the_opening_and_shows_it_again(tmp_path: Path) -> None:
    project = frozen(tmp_path)
    done = project.run("drift", "--format", "json")
    report = done.json
    assert report["opens_at"] == OPENS
    assert [d["code"] for d in report["diagnostics"]].count("outside-window") == 1
    assert report["fingerprint"] == project.plan()["digest"]
    schema = project.run("schema", "--kind", "drift").json
    jsonschema.Draft202012Validator(schema).validate(report)
    (tmp_path / "drift.json").write_text(done.out)
    shown = project.run("show", "drift.json")
    assert f"(from {OPENS})" in unwrapped(shown.out), shown.err


def test_content_that_has_not_soaked_is_shown_before_the_command(tmp_path: Path) -> None:
    made = staged(tmp_path)
    done = on(made, "production", "drift", "--format", "json")
    report = done.json
    assert "soaked_at" in report
    shown = unwrapped(on(made, "production", "drift").out)
    expected = f"Once the content has soaked (from {report['soaked_at']}), to make the API match"
    assert expected in shown
    assert "not-soaked" in shown
    assert "Once the content has soaked (from 2" in unwrapped(on(made, "production", "plan").out)


def test_drift_reads_the_usage_like_a_plan(tmp_path: Path) -> None:
    with graph(tmp_path) as scene:
        report = scene.run("drift", "--format", "json").json
        plan = scene.run("plan", "--format", "json").json

        def blocks(document: Any, key: str) -> list[tuple[str, Any, bool]]:
            return [(a["slug"], a["blocked_by"], "used_by" in a) for a in document[key]]

        assert ("openai-main", ["in-use"], True) in blocks(report, "items")
        assert blocks(report, "items") == blocks(plan, "actions")
        assert report["fingerprint"] == plan["digest"]
        shown = unwrapped(scene.run("drift").out)
        assert "Once no action is blocked, to make the API match Git, run:" in shown
        assert "used by 3 providers in 2 workspaces" in shown
        assert "--allow-used" in shown
        allowed = unwrapped(scene.run("drift", "--allow-used").out)
        assert "apply --allow-used --expect-digest" in allowed
        assert "Once" not in allowed


def test_a_budget_beyond_its_limit_is_shown_before_the_command(tmp_path: Path) -> None:
    project = raised(tmp_path, budget_total=5000)
    shown = unwrapped(project.run("drift").out)
    assert "Once no action is blocked, to make the API match Git, run:" in shown
    assert "budget-exceeded" in shown
    allowed = unwrapped(project.run("drift", "--allow-budget").out)
    assert "apply --allow-budget --expect-digest" in allowed


def test_several_conditions_are_named_together(tmp_path: Path) -> None:
    project: Here = raised(tmp_path, budget_total=5000)
    project.config(limits={"budget_total": 5000}, freeze=FROZEN)
    shown = unwrapped(project.run("drift").out)
    both = f"no action is blocked and the target accepts changes (from {OPENS})"
    assert f"Once {both}, to make the API match Git, run:" in shown


def test_the_command_that_drift_suggests_is_accepted(tmp_path: Path) -> None:
    project = frozen(tmp_path)
    digest = json.loads(project.run("drift", "--format", "json").out)["fingerprint"]
    assert project.run("apply", "--expect-digest", digest).code == 4
    done = project.run("apply", "--expect-digest", digest, "--break-freeze", REASON)
    assert done.code == 0, done.err

"""Budgets and prices through the commands: every view, the limits, and what lifts them."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.cli.project import Here, writes
from tests.end_to_end.harness import Done

BUDGET = "budget of ws-support 500 → 2,000 per month"
SUM = "sum of budgets on here 4,200 → 5,700 per month"
MULTIPLIER = "multiplier 0.8 → 1.0 raises the reported cost of 14 models by 25 %"
LINES = (BUDGET, SUM, MULTIPLIER)


def access(workspace: str, amount: Any) -> dict[str, Any]:
    limit = {"type": "cost", "credit_limit": amount, "periodic_reset": "monthly"}
    limits = [limit] if amount is not None else []
    return {"id": workspace, "enabled": True, "usage_limits": limits}


def declare(project: Here, amount: Any, multiplier: float = 0.8) -> None:
    """Write two integrations; the first has a budget of this amount and 14 models."""
    project.integration(
        "alpha",
        workspaces=[access("ws-support", amount), access("ws-search", 700)],
        pricing_adjustments={"multiplier": {"default": multiplier}},
        allow_all_models=False,
        models=[{"slug": f"m-{number}", "enabled": True} for number in range(14)],
    )
    project.integration("beta", workspaces=[access("ws-search", 3000)])


def raised(folder: Path, amount: Any = 2000, multiplier: float = 1.0, **limits: Any) -> Here:
    """Return a project whose next plan raises a budget of 500 and a multiplier of 0.8."""
    project = Here(folder)
    declare(project, 500)
    project.apply()
    project.config(limits=limits)
    declare(project, amount, multiplier)
    return project


def unwrapped(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize("style", ["text", "markdown", "html"])
def test_a_plan_names_what_changes_in_money(tmp_path: Path, style: str) -> None:
    done = raised(tmp_path).run("plan", "--format", style)
    assert done.code == 0, done.err
    shown = unwrapped(done.out)
    assert [line for line in LINES if line not in shown] == []


def test_a_saved_plan_says_the_same_and_conforms_to_its_schema(tmp_path: Path) -> None:
    project = raised(tmp_path)
    planned = project.plan("--out", "plan.json")
    costs = planned["costs"]
    assert costs["totals"] == [
        {"unit": "cost", "period": "monthly", "before": "4200", "after": "5700"}
    ]
    [price] = costs["prices"]
    assert (price["before"], price["after"], price["percent"], price["models"]) == (
        *("0.8", "1", "25"),
        14,
    )
    jsonschema.Draft202012Validator(project.run("schema", "--kind", "plan").json).validate(planned)
    saved = unwrapped(project.run("show", "plan.json").out)
    assert [line for line in LINES if line not in saved] == []


def test_a_change_without_money_has_no_costs(tmp_path: Path) -> None:
    project = Here(tmp_path)
    project.integration("alpha", description="new", workspaces=[access("ws-a", None)])
    assert "costs" not in project.plan()


def refused(project: Here, *options: str) -> Done:
    done = project.run("-vv", "apply", "--yes", *options)
    assert (done.code, writes(done)) == (4, [])
    assert "error[budget-exceeded]" in done.err
    return done


def test_a_total_beyond_its_limit_is_refused_until_it_is_allowed(tmp_path: Path) -> None:
    project = raised(tmp_path, budget_total=5000)
    done = refused(project)
    assert (
        "the budgets on here would add up to 5,700 per month, but the limit is 5,000"
        in unwrapped(done.err)
    )
    planned = project.plan()
    assert [a["blocked_by"] for a in planned["actions"]] == [["budget-exceeded"]]
    assert project.plan("--allow-budget")["digest"] == planned["digest"]
    assert project.apply("--allow-budget").code == 0
    assert project.plan()["actions"] == []


def test_the_limits_of_the_issue_admit_its_example(tmp_path: Path) -> None:
    assert raised(tmp_path, budget_total=6000, budget_increase=0.5).apply().code == 0


def test_an_increase_beyond_its_limit_is_refused(tmp_path: Path) -> None:
    project = raised(tmp_path, budget_increase=0.3)
    assert "would rise by 35.7 % from 4,200 to 5,700 per month" in unwrapped(refused(project).err)


def test_a_removed_budget_is_an_increase_without_bound(tmp_path: Path) -> None:
    project = raised(tmp_path, amount=None, budget_total=10**9)
    done = refused(project)
    assert "ws-support on alpha would spend without a budget" in done.err
    shown = unwrapped(project.run("plan").out)
    assert "budget of ws-support 500 per month → unlimited" in shown
    assert "without a budget on here: 0 → 1 workspaces" in shown


def test_an_undo_that_raises_a_budget_is_guarded_too(tmp_path: Path) -> None:
    project = raised(tmp_path, amount=100)
    done = project.apply("--format", "json")
    run = json.loads(done.out)["run"]
    project.config(limits={"budget_increase": 0})
    undo = project.run("undo", run, "--out", "undo.json", "--format", "json").json
    [budget] = undo["costs"]["budgets"]
    assert (budget["before"]["amount"], budget["after"]["amount"]) == ("100", "500")
    # The run changed one integration of two, so their sum is not known.
    assert undo["costs"]["totals"] == []
    assert undo["actions"][0]["blocked_by"] == ["budget-exceeded"]


@pytest.mark.parametrize(
    ("limits", "code", "said"),
    [
        ({"budget_total": "6000"}, "wrong-type", "must be a number, not a string"),
        ({"budget_total": -1}, "invalid-value", "must be at least 0"),
        ({"budget_increase": True}, "wrong-type", "must be a number, not true or false"),
        ({"budget_totals": 1}, "unknown-field", "did you mean `budget_total`?"),
    ],
)
def test_a_wrong_limit_is_reported_where_it_stands(
    tmp_path: Path, limits: dict[str, Any], code: str, said: str
) -> None:
    project = Here(tmp_path)
    project.config(limits=limits)
    done = project.run("validate")
    assert done.code == 3
    assert f"error[{code}]" in done.out
    assert said in done.out
    [name] = limits
    line = next(
        number
        for number, text in enumerate((project.files / "reconcile.yaml").read_text().split("\n"), 1)
        if name in text
    )
    assert f"reconcile.yaml:{line}:" in done.out

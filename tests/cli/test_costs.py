"""Budgets and prices in commands: every view, the limits, and the options that lift them."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from reconciler.simulator.faults import Fault, FaultKind
from tests.cli.project import Here, writes
from tests.cli.scene import Scene
from tests.end_to_end.harness import Done
from tests.end_to_end.upstream import serving

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
def test_a_plan_shows_changes_in_money(tmp_path: Path, style: str) -> None:
    done = raised(tmp_path).run("plan", "--format", style)
    assert done.code == 0, done.err
    shown = unwrapped(done.out)
    assert [line for line in LINES if line not in shown] == []


def test_a_saved_plan_shows_the_same_and_conforms_to_its_schema(tmp_path: Path) -> None:
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


def test_the_documented_limits_allow_the_documented_example(tmp_path: Path) -> None:
    assert raised(tmp_path, budget_total=6000, budget_increase=0.5).apply().code == 0


def test_an_increase_beyond_its_limit_is_refused(tmp_path: Path) -> None:
    project = raised(tmp_path, budget_increase=0.3)
    assert "would rise by 35.7 % from 4,200 to 5,700 per month" in unwrapped(refused(project).err)


def test_a_removed_budget_is_an_unlimited_increase(tmp_path: Path) -> None:
    project = raised(tmp_path, amount=None, budget_total=10**9)
    done = refused(project)
    assert "ws-support on alpha would spend without a budget" in done.err
    shown = unwrapped(project.run("plan").out)
    assert "budget of ws-support 500 per month → unlimited" in shown
    assert "workspace grants without a budget on here: 0 → 1" in shown


def test_an_undo_that_raises_a_budget_is_guarded_too(tmp_path: Path) -> None:
    project = raised(tmp_path, amount=100)
    done = project.apply("--format", "json")
    run = json.loads(done.out)["run"]
    project.config(limits={"budget_increase": 0})
    undo = project.run("undo", run, "--out", "undo.json", "--format", "json").json
    [budget] = undo["costs"]["budgets"]
    assert (budget["before"]["amount"], budget["after"]["amount"]) == ("100", "500")
    # The run changed one of two integrations, so the sum of budgets is not known.
    assert undo["costs"]["totals"] == []
    assert undo["actions"][0]["blocked_by"] == ["budget-exceeded"]


@pytest.mark.parametrize(
    ("limits", "code", "said"),
    [
        ({"budget_total": "6000"}, "wrong-type", "must be a number, not a string"),
        ({"budget_total": -1}, "invalid-value", "must be at least 0"),
        ({"budget_increase": True}, "wrong-type", "must be a number, not true or false"),
        ({"budget_increase": 50}, "invalid-value", "is above 1, which means 100 percent"),
        ({"budget_increase": 1.5}, "invalid-value", "write `0.5` or `50%` for 50 percent"),
        ({"budget_increase": 10**15}, "invalid-value", "is above 1"),
        ({"budget_increase": "50"}, "invalid-value", "must be a ratio from 0 to 1, or a percent"),
        ({"budget_increase": "-5%"}, "invalid-value", "or a percentage"),
        ({"budget_increase": -0.5}, "invalid-value", "must be at least 0"),
        ({"delete_ratio": 30}, "invalid-value", "write `0.3` or `30%` for 30 percent"),
        ({"delete_ratio": "30"}, "invalid-value", "must be a ratio from 0 to 1, or a percentage"),
        ({"delete_ratio": "101%"}, "invalid-value", "must be at most 1"),
        ({"budget_totals": 1}, "unknown-field", "did you mean `budget_total`?"),
    ],
)
def test_a_wrong_limit_is_reported_at_its_line(
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


@pytest.mark.parametrize(
    ("increase", "is_refused"),
    [("30%", True), ("35.7 %", True), ("36%", False), ("200%", False), (1, False)],
)
def test_an_increase_can_be_a_percentage(
    tmp_path: Path, increase: str | int, is_refused: bool
) -> None:
    planned = raised(tmp_path, budget_increase=increase).plan()
    assert [bool(a["blocked_by"]) for a in planned["actions"]] == [is_refused]


def test_a_percentage_needs_no_quotes_and_conforms_to_the_schema(tmp_path: Path) -> None:
    project = Here(tmp_path)
    project.write(
        "reconcile.yaml",
        'version: 1\ntargets:\n  here:\n    base_url: "simulator:"\n'
        "    limits: {budget_increase: 50%, delete_ratio: 30 %}\n",
    )
    assert project.run("validate").code == 0
    schema = project.run("schema", "--kind", "config").json
    found = jsonschema.Draft202012Validator(schema)

    def conforms(increase: object) -> bool:
        limits = {"budget_increase": increase, "delete_ratio": "12.5%"}
        target = {"base_url": "simulator:", "limits": limits}
        return bool(found.is_valid({"version": 1, "targets": {"here": target}}))

    assert [conforms(value) for value in ("50%", "5000 %", 0.5, 1)] == [True] * 4
    assert [conforms(value) for value in ("50", "%", 50, 1.01, -1)] == [False] * 5


# -- drift and results -------------------------------------------------------------------

DRIFT = (
    "budget of ws-support: in the API 2,000, in Git 500 per month",
    "sum of budgets on here: in the API 5,700, in Git 4,200 per month",
    "multiplier: in the API 1.0, in Git 0.8; in the API the reported cost of 14 models",
)


def raised_in_the_api(folder: Path) -> Here:
    """Return a project in which another client raised a budget of 500 and a multiplier of 0.8."""
    project = Here(folder)
    declare(project, 500)
    project.apply()
    other = project.elsewhere()
    declare(other, 2000, 1.0)
    other.run("--dir", other.files, "apply", "--yes", "--no-ledger")
    return project


@pytest.mark.parametrize("style", ["text", "markdown", "html"])
def test_drift_of_a_budget_is_shown_in_money(tmp_path: Path, style: str) -> None:
    done = raised_in_the_api(tmp_path).run("drift", "--format", style)
    assert done.code == 2, done.err
    shown = unwrapped(done.out)
    assert [line for line in DRIFT if line not in shown] == []


def test_the_drift_document_has_the_costs_and_shows_them_again(tmp_path: Path) -> None:
    project = raised_in_the_api(tmp_path)
    document = project.run("drift", "--format", "json").json
    [budget] = document["costs"]["budgets"]
    assert (budget["before"]["amount"], budget["after"]["amount"]) == ("2000", "500")
    schema = project.run("schema", "--kind", "drift").json
    jsonschema.Draft202012Validator(schema).validate(document)
    (tmp_path / "drift.json").write_text(json.dumps(document))
    summary = tmp_path / "summary.md"
    project.run(
        *("report", "github", "--drift", "drift.json", "--environment", "production"),
        GITHUB_STEP_SUMMARY=str(summary),
    )
    assert DRIFT[1] in unwrapped(summary.read_text())


def test_drift_without_money_has_no_costs(tmp_path: Path) -> None:
    project = Here(tmp_path)
    project.integration("alpha")
    project.apply()
    project.integration("alpha", description="new")
    document = project.run("drift", "--format", "json").json
    assert (document["in_sync"], "costs" in document) == (False, False)


def test_a_result_shows_changes_in_money(tmp_path: Path) -> None:
    project = raised(tmp_path)
    done = project.apply("--format", "json")
    schema = project.run("schema", "--kind", "result").json
    jsonschema.Draft202012Validator(schema).validate(done.json)
    assert done.json["costs"]["totals"] == [
        {"unit": "cost", "period": "monthly", "before": "4200", "after": "5700"}
    ]
    (tmp_path / "result.json").write_text(done.out)
    for style in ("text", "markdown", "html"):
        shown = unwrapped(project.run("show", "result.json", "--format", style).out)
        assert [line for line in LINES if line not in shown] == []
    merged = project.run("merge-results", "result.json", "--format", "json")
    assert merged.json["costs"] == done.json["costs"]
    assert "costs" not in project.run("apply", "--yes", "--format", "json").json


def test_a_result_counts_only_what_was_applied(tmp_path: Path) -> None:
    path = "/integrations/beta/workspaces"
    refused = Fault(kind=FaultKind.STATUS, method="PUT", path=path, status=400, times=-1)
    with serving(refused) as upstream:
        made = Scene(Here(tmp_path, PORTKEY_API_KEY="pk-canary"), upstream)
        made.config()
        made.exists("alpha", "beta")
        for slug in ("alpha", "beta"):
            made.file(slug, workspaces=[access("ws-support", 500)])
        done = made.run("apply", "--yes", "--format", "json")
    assert done.code == 5, done.err
    assert [budget["slug"] for budget in done.json["costs"]["budgets"]] == ["alpha"]
    # The planned sum was not reached.
    assert done.json["costs"]["totals"] == []


def test_merged_results_have_the_changes_of_all_shards_without_sums(tmp_path: Path) -> None:
    project = Here(tmp_path)
    slugs = [f"team-{number}" for number in range(6)]
    for slug in slugs:
        project.integration(slug, workspaces=[access("ws-support", 500)])
    for number in (1, 2):
        done = project.apply("--shard", f"{number}/2", "--format", "json")
        assert done.json["costs"]["budgets"]
        (tmp_path / f"{number}.json").write_text(done.out)
    merged = project.run("merge-results", "1.json", "2.json", "--format", "json").json
    assert sorted(budget["slug"] for budget in merged["costs"]["budgets"]) == slugs
    assert merged["costs"]["totals"] == []

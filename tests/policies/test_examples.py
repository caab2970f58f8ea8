"""Example rules: each one reports exactly its own findings.

An engine that pip installs runs them; `test_conftest` runs them with the real conftest.
"""

import json
import os
import subprocess
import sys
from typing import Any

import pytest
from regopy import Interpreter

from tests.policies.examples import CASES, FOLDER, RULES, Case, plan


def evaluated(rule: str, document: dict[str, Any]) -> dict[str, list[Any]]:
    """Return what a rule denies and warns about."""
    engine = Interpreter()
    engine.add_module(rule, (FOLDER / f"rules/{rule}.rego").read_text(encoding="utf-8"))
    engine.set_input(document)
    found = json.loads(str(engine.query("x := data.main")))["bindings"]["x"]
    return {key: found.get(key, []) for key in ("deny", "warn")}


def slugs(found: list[Any]) -> list[str | None]:
    return sorted(item["slug"] if isinstance(item, dict) else None for item in found)


def test_there_are_ten_rules_and_each_has_a_case() -> None:
    assert len(RULES) == 10
    assert [case.rule for case in CASES] == RULES


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.rule)
def test_a_rule_finds_its_violations(case: Case) -> None:
    found = evaluated(case.rule, case.bad)
    assert slugs(found["warn" if case.warns else "deny"]) == list(case.slugs)
    assert found["deny" if case.warns else "warn"] == []


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.rule)
def test_a_rule_has_no_other_findings(case: Case) -> None:
    assert evaluated(case.rule, case.good) == {"deny": [], "warn": []}
    assert evaluated(case.rule, plan()) == {"deny": [], "warn": []}


def total(before: str, after: str, *, period: str = "monthly") -> dict[str, str]:
    return {"unit": "cost", "period": period, "before": before, "after": after}


def costing(*totals: dict[str, str]) -> dict[str, Any]:
    return {**plan(), "costs": {"budgets": [], "totals": list(totals), "prices": []}}


@pytest.mark.parametrize(
    ("document", "status"),
    [
        (plan(), 0),
        (costing(total("0", "900")), 0),
        (costing(total("100", "150")), 0),
        # Floats would give a rounding error here: 0.1 + 0.05 exceeds 0.15.
        (costing(total("0.1", "0.15")), 0),
        (costing(total("100", "150.01")), 1),
        # Sums of different periods are not added.
        (costing(total("1000", "1000"), total("10", "20", period="weekly")), 1),
    ],
)
def test_the_program_denies_budgets_that_grow_too_fast(
    document: dict[str, Any], status: int
) -> None:
    done = subprocess.run(
        [sys.executable, FOLDER / "budget_growth"],
        input=json.dumps(document),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (status, "")
    assert ("growth of more than 50%" in done.stdout) == bool(status)


def test_the_program_can_be_executed() -> None:
    assert os.access(FOLDER / "budget_growth", os.X_OK)

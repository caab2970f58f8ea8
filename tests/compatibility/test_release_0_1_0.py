"""Files that release 0.1.0 wrote can still be read: plans, results, a drift report and a ledger.

The files in `release_0_1_0` were written by 0.1.0 and never change. The ledger holds three applies:
the first of five integrations, an update, and its undo. Then another client changed `azure` and
created `unmanaged`, and the drift report and `plan.json` were saved. The plan creates, updates
(including keyed lists), rotates a key, replaces and deletes.
"""

import gzip
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.cli.project import FIRST, Here, actions

SAVED = Path(__file__).with_name("release_0_1_0")
PLANS = ("plan", "undo")
RESULTS = ("result-first", "result-second", "result-undone")
REPORTS = (*PLANS, *RESULTS, "drift")
PLANNED = {
    "azure": "update",
    "created": "create",
    "to-delete": "delete",
    "to-replace": "replace",
    "to-rotate": "update",
    "to-update": "update",
}


@pytest.fixture
def project(tmp_path: Path) -> Here:
    """Return a project with the files of 0.1.0 and a changed value of SECRET_OTHER."""
    made = Here(tmp_path, SECRET_KEY=FIRST, SECRET_OTHER="sk-rotated-9f8e7d6c5b4a")
    shutil.copytree(SAVED / "desired-state", made.files, dirs_exist_ok=True)
    for file in SAVED.glob("*.json"):
        shutil.copy(file, made.folder)
    made.state.mkdir()
    shutil.copy(SAVED / "ledger.db.pepper", made.state)
    for name in ("ledger.db", "simulator.db"):
        (made.state / name).write_bytes(gzip.decompress((SAVED / f"{name}.gz").read_bytes()))
    return made


def saved(name: str) -> Any:
    return json.loads((SAVED / f"{name}.json").read_text())


def missing(before: Any, after: Any, at: str = "") -> list[str]:
    """Return the places where `after` lacks or changes a value that `before` has."""
    if isinstance(before, dict) and isinstance(after, dict):
        inside = ((f"{at}.{name}", before[name], after.get(name)) for name in before)
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        inside = ((f"{at}[{n}]", before[n], after[n]) for n in range(len(before)))
    else:
        return [] if before == after else [at]
    return [place for path, one, other in inside for place in missing(one, other, path)]


@pytest.mark.parametrize("name", REPORTS)
def test_a_saved_report_is_shown_in_full(project: Here, name: str) -> None:
    shown = project.run("show", f"{name}.json", "--format", "json")
    assert shown.code == 0, shown.err
    assert missing(saved(name), shown.json) == []


@pytest.mark.parametrize("form", ["text", "markdown", "html"])
@pytest.mark.parametrize("name", REPORTS)
def test_a_saved_report_is_shown_as_text(project: Here, name: str, form: str) -> None:
    shown = project.run("show", f"{name}.json", "--format", form)
    assert shown.code == 0, shown.err
    slugs = {action["slug"] for action in saved(name).get("actions", [])}
    assert {slug for slug in slugs if slug not in shown.out} == set()


def test_a_saved_plan_is_applied_or_refused_with_a_reason(project: Here) -> None:
    before = project.run("list", "--format", "json").json["integrations"]
    done = project.run("apply", "plan.json", "--yes", "--allow-replace", "--format", "json")
    after = project.run("list", "--format", "json").json["integrations"]
    if done.code == 0:
        assert {o["slug"]: o["status"] for o in done.json["outcomes"]} == dict.fromkeys(
            PLANNED, "applied"
        )
        assert [item["slug"] for item in after] == [
            *("azure", "created", "to-replace", "to-rotate", "to-update", "unmanaged")
        ]
    else:
        assert done.code in {3, 4}, done.err
        assert done.json["diagnostics"][0]["severity"] == "error"
        assert after == before


def test_files_and_ledger_give_the_actions_that_0_1_0_planned(project: Here) -> None:
    planned = project.plan("--allow-replace")
    assert actions(planned) == PLANNED
    before = {action["slug"]: action["changes"] for action in saved("plan")["actions"]}
    now = {action["slug"]: action["changes"] for action in planned["actions"]}
    kept = [slug for slug in before if slug != "to-delete"]
    differing = {s: [c["path"] for c in now[s] if c["op"] != "resend"] for s in kept}
    assert differing == {s: [c["path"] for c in before[s]] for s in kept}
    # Later versions also list what is deleted, and what a replace sends again.
    assert {c["op"] for c in now["to-delete"]} == {"remove"}
    assert {c["path"] for c in now["to-replace"] if c["op"] == "resend"} == {"key", "name"}


def test_the_fingerprints_of_the_ledger_show_which_key_has_changed(project: Here) -> None:
    with_key = {
        action["slug"]
        for action in project.plan("--allow-replace")["actions"]
        for change in action["changes"]
        if change["path"] == "key" and action["action"] == "update"
    }
    assert with_key == {"to-rotate"}


def test_the_runs_of_the_ledger_are_listed_and_their_chain_is_valid(project: Here) -> None:
    runs = project.run("history", "--format", "json").json["runs"]
    assert {run["run"] for run in runs} == {saved(name)["run"] for name in RESULTS}
    verified = project.run("history", "--verify")
    assert verified.code == 0, verified.err


@pytest.mark.parametrize(
    ("run", "restored"),
    [("result-undone", {"to-replace", "to-update"}), ("result-second", set())],
    ids=["the newest run", "a run that was undone"],
)
def test_a_run_of_the_ledger_can_be_undone(project: Here, run: str, restored: set[str]) -> None:
    done = project.run("undo", saved(run)["run"], "--format", "json")
    assert done.code == 0, done.err
    assert set(actions(done.json)) == restored


def test_a_saved_result_is_merged(project: Here) -> None:
    merged = project.run("merge-results", "result-first.json", "--format", "json")
    assert merged.code == 0, merged.err
    assert missing(saved("result-first")["outcomes"], merged.json["outcomes"]) == []

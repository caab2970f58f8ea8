"""`history`: past runs, and detection of changed records."""

import json
import sqlite3
from pathlib import Path

import pytest

from reconciler.ledger.location import TargetKey
from reconciler.ledger.store import open_ledger
from tests.cli.project import Here, built_once
from tests.end_to_end.harness import Done
from tests.ledger.builders import record_run


@built_once
def two_runs(folder: Path) -> Here:
    project = Here(folder)
    project.integration("alpha")
    project.apply(GITHUB_ACTOR="ada", GITHUB_SHA="c0ffee0123456789")
    project.integration("beta")
    project.apply(GITHUB_ACTOR="grace")
    return project


def history(project: Here, *options: str) -> Done:
    return project.run("history", "--format", "json", *options)


def test_runs_are_listed_oldest_first_with_their_outcomes(tmp_path: Path) -> None:
    done = history(two_runs(tmp_path))
    assert (done.code, done.json["kind"], done.json["format_version"]) == (0, "history", "1")
    first, second = done.json["runs"]
    assert [o["slug"] for o in first["outcomes"]] == ["alpha"]
    assert [o["slug"] for o in second["outcomes"]] == ["beta"]
    assert first["finished_at"] <= second["started_at"]
    assert first["plan_digest"].startswith("sha256:")
    assert (first["actor"], first["commit"]) == ("ada", "c0ffee0123456789")
    assert second["target"] == {
        "name": "here",
        "base_url": "simulator:",
        "organisation_id": second["target"]["organisation_id"],
    }


def test_the_text_is_a_table_under_the_target(tmp_path: Path) -> None:
    lines = two_runs(tmp_path).run("history").out.splitlines()
    assert lines[0].startswith("target here")
    assert lines[0].endswith("ledger: local")
    assert lines[2].split() == ["run", "started", "by", "commit", "result", "integrations"]
    assert [("ada" in lines[3], "c0ffee012" in lines[3]), "grace" in lines[4]] == [
        (True, True),
        True,
    ]
    assert lines[3].endswith("1 applied  alpha")


def test_without_a_ledger_there_are_no_runs_and_no_ledger_is_created(tmp_path: Path) -> None:
    project = Here(tmp_path)
    assert history(project, "--verify").json["runs"] == []
    assert "No runs." in project.run("history").out
    assert not (project.state / "ledger.db").exists()


@pytest.mark.parametrize(("since", "count"), [("2001-01-01", 2), ("1h", 2), ("2999-01-01", 0)])
def test_since_leaves_out_older_runs(tmp_path: Path, since: str, count: int) -> None:
    assert len(history(two_runs(tmp_path), "--since", since).json["runs"]) == count


@pytest.mark.parametrize("since", ["yesterday", "7", "2026-13-01", "d"])
def test_a_since_that_is_not_a_time_is_bad_input(tmp_path: Path, since: str) -> None:
    assert Here(tmp_path).run("history", "--since", since).code == 3


def test_only_the_runs_of_the_target_are_listed(tmp_path: Path) -> None:
    project = two_runs(tmp_path)
    project.write(
        "reconcile.yaml",
        "version: 1\ntargets:\n  here: {base_url: 'simulator:'}\n  other: {base_url: 'simulator:'}",
    )
    assert len(history(project, "--target", "here").json["runs"]) == 2
    assert history(project, "--target", "other").json["runs"] == []


def change(project: Here, statement: str) -> None:
    with sqlite3.connect(project.state / "ledger.db") as connection:
        connection.execute(statement)
    connection.close()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE runs SET facts = replace(facts, 'ada', 'eve')",
        "UPDATE outcomes SET document = replace(document, 'applied', 'failed')",
        "UPDATE runs SET plan_digest = 'sha256:0' WHERE id = 1",
        "DELETE FROM pre_images WHERE slug = 'alpha'",
    ],
)
def test_verify_names_a_run_whose_record_was_changed(tmp_path: Path, statement: str) -> None:
    project = two_runs(tmp_path)
    run = history(project).json["runs"][0]["run"]
    assert history(project, "--verify").json["verified"] is True
    change(project, statement)
    done = history(project, "--verify")
    assert done.code == 1
    assert done.json["verified"] is False
    assert any(run in d["summary"] for d in done.json["diagnostics"])
    told = project.run("history", "--verify")
    assert told.code == 1
    assert "ledger-altered" in told.err
    assert project.run("history").code == 0


def test_verify_names_the_run_after_a_deleted_one(tmp_path: Path) -> None:
    project = two_runs(tmp_path)
    second = history(project).json["runs"][1]["run"]
    change(project, "DELETE FROM runs WHERE id = 1")
    (problem,) = history(project, "--verify").json["diagnostics"]
    assert second in problem["summary"]


def test_a_partly_failed_run_is_marked(tmp_path: Path) -> None:
    project = Here(tmp_path)
    project.integration("alpha", key=None)
    project.integration("beta")
    done = project.run("apply", "--yes")
    assert done.code == 5, done.err
    text = project.run("history").out
    assert "1 applied, 1 failed" in text
    assert "failed: create alpha: " in text
    (run,) = history(project).json["runs"]
    assert [o["status"] for o in run["outcomes"]] == ["failed", "applied"]
    project.remove("alpha")
    assert project.plan()["actions"] == []


def test_the_result_holds_the_anchor_that_history_shows(tmp_path: Path) -> None:
    project = Here(tmp_path)
    project.integration("alpha")
    first = project.apply("--format", "json").json["ledger"]
    assert (first["length"], first["head"]) == (1, history(project).json["runs"][0]["hash"])
    again = project.apply("--format", "json").json["ledger"]
    assert again == first
    project.integration("beta")
    text = project.apply().out
    (anchor,) = history(project).json["anchors"]
    assert anchor["length"] == 2
    for line in ("ledger: 2 runs", f"head: {anchor['head']}", f"state: {anchor['state']}"):
        assert line in text.splitlines()
        assert line in project.run("history").out.splitlines()


def test_the_anchor_is_logged_and_in_the_summary_of_a_job(tmp_path: Path) -> None:
    project = Here(tmp_path)
    project.integration("alpha")
    done = project.run("--log-format", "json", "apply", "--yes", "--format", "json")
    end = done.json["ledger"]
    (logged,) = [line for line in map(json.loads, done.err.splitlines()) if "head" in line]
    assert (logged["event"], logged["head"], logged["state"]) == (
        "ledger_anchored",
        end["head"],
        end["state"],
    )
    (tmp_path / "result.json").write_text(done.out)
    for style in ("markdown", "html", "text"):
        assert end["head"] in project.run("show", "result.json", "--format", style).out


def test_without_a_ledger_the_result_has_no_anchor(tmp_path: Path) -> None:
    project = Here(tmp_path)
    project.integration("alpha")
    assert "ledger" not in project.apply("--no-ledger", "--format", "json").json


@pytest.mark.slow
def test_the_newest_fifty_runs_are_listed_by_default(tmp_path: Path) -> None:
    project = two_runs(tmp_path)
    key = TargetKey.of(name="here", base_url="simulator:", organisation=None)
    with open_ledger(None, path=project.state / "ledger.db", pepper=None) as ledger:
        for number in range(60):
            record_run(ledger, f"r-{number:02}", "alpha", key=key)
    document = history(project).json
    assert (len(document["runs"]), document["total"]) == (50, 62)
    assert document["runs"][-1]["run"] == "r-59"
    assert document["runs"][0]["run"] == "r-10"
    assert "the newest 50 of 62 runs" in project.run("history").out
    assert [run["run"] for run in history(project, "--limit", "2").json["runs"]] == ["r-58", "r-59"]
    assert len(history(project, "--all").json["runs"]) == 62
    assert len(history(project, "--since", "2001-01-01").json["runs"]) == 62
    assert len(history(project, "--since", "2001-01-01", "--limit", "3").json["runs"]) == 3
    verified = history(project, "--verify", "--limit", "1").json
    assert (verified["verified"], len(verified["runs"])) == (True, 1)


@pytest.mark.parametrize(
    "options", [("--limit", "0"), ("--limit", "2", "--all"), ("--expect-head", "sha256:0")]
)
def test_contradictory_options_are_bad_input(tmp_path: Path, options: tuple[str, ...]) -> None:
    assert history(two_runs(tmp_path), *options).code == 3


def test_an_external_head_is_searched_in_the_chain(tmp_path: Path) -> None:
    project = two_runs(tmp_path)
    head = history(project).json["anchors"][0]["head"]
    assert history(project, "--verify", "--expect-head", head).code == 0
    done = history(project, "--verify", "--expect-head", "sha256:" + "0" * 64)
    assert (done.code, done.json["verified"]) == (1, False)
    (project.state / "ledger.db").unlink()
    assert history(project, "--verify", "--expect-head", head).code == 4


@pytest.mark.slow
@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("UPDATE meta SET value = '0'", "version 0, which no release has written"),
        ("DROP TABLE calls", "table calls is missing"),
        ("DROP TABLE meta", "table meta is missing"),
        ("ALTER TABLE secrets DROP COLUMN mask_agreed", "secrets has no column mask_agreed"),
        ("", "is an empty file"),
    ],
)
@pytest.mark.parametrize("command", ["plan", "history", "apply --yes", "drift", "undo r-1"])
def test_a_damaged_ledger_is_reported_and_never_replaced(
    tmp_path: Path, command: str, statement: str, message: str
) -> None:
    project = two_runs(tmp_path)
    file = project.state / "ledger.db"
    if statement:
        change(project, statement)
    else:
        file.write_bytes(b"")
    damaged = file.read_bytes()
    done = project.run(*command.split(), "--format", "json")
    said = json.dumps(done.json["diagnostics"])
    assert message in said
    assert "internal error" not in said
    assert done.code == {"plan": 0, "drift": 1}.get(command, 4)
    assert file.read_bytes() == damaged


COPIED = """
WITH RECURSIVE n(i) AS (SELECT 3 UNION ALL SELECT i + 1 FROM n WHERE i < 250)
INSERT INTO runs (id, target, run, started_at, finished_at, plan_digest, facts, summary)
SELECT i, target + (i % 3 = 0), 'r-' || i, started_at, finished_at, plan_digest, facts, summary
FROM runs, n WHERE runs.id = 1
"""
OF_RUNS = """
INSERT INTO {table} (run, slug, document)
SELECT runs.id, slug, document FROM {table}, runs WHERE {table}.run = 1 AND runs.id > 2
"""


def many_runs(folder: Path) -> Here:
    """Return a project with 250 runs, every third of which is on another target."""
    project = two_runs(folder)
    change(project, "INSERT INTO targets VALUES (2, 'other', 'simulator:', '')")
    change(project, COPIED)
    for table in ("outcomes", "pre_images"):
        change(project, OF_RUNS.format(table=table))
    return project


def test_a_long_history_is_complete_and_in_order(tmp_path: Path) -> None:
    project = many_runs(tmp_path)
    expected = [f"r-{number}" for number in range(3, 251) if number % 3]
    done = history(project, "--all")
    runs = done.json["runs"]
    assert [run["run"] for run in runs][2:] == expected
    assert done.json["total"] == len(runs)
    # Each has its own actions and outcomes, from whichever page it was read.
    shapes = {(run["slugs"][0], len(run["outcomes"]), len(run["changes"])) for run in runs[2:]}
    assert shapes == {("alpha", 1, 1)}
    assert done.out == json.dumps(done.json, indent=2, sort_keys=True) + "\n"
    limited = history(project, "--limit", "120").json["runs"]
    assert limited == runs[-120:]
    before = history(project, "--before", expected[130], "--all").json["runs"]
    assert before == runs[: 2 + 130]
    of_slug = history(project, "alpha", "--all").json["runs"]
    assert [run["run"] for run in of_slug if run["run"] in expected] == expected


def test_the_output_of_a_history_damaged_at_its_end_is_one_document(tmp_path: Path) -> None:
    project = many_runs(tmp_path)
    change(project, "UPDATE pre_images SET document = '[' WHERE run = 250")
    done = history(project, "--all")
    assert (done.code, done.json["kind"]) == (4, "error")
    assert history(project, "--before", "r-250", "--all").code == 0

"""A ledger that exists but cannot be read: nothing counts as in sync, and nothing is deleted."""

import os
import re
import sqlite3
import subprocess
from pathlib import Path

import pytest

from tests.cli.project import Here, built_once
from tests.cli.scene import Scene, scene
from tests.end_to_end.harness import COMMAND, Done

DOWN = "postgresql://me:canary@127.0.0.1:1/ledger"
KINDS = ["down", "garbage", "folder", "cut", "dangling link", "too new", "no table"]


def make_unreadable(project: Here, how: str) -> None:
    """Make the ledger of a project unreadable."""
    ledger = project.state / "ledger.db"
    for log in project.state.glob("ledger.db-*"):
        log.unlink()
    match how:
        case "down":
            project.environment["RECONCILE_LEDGER_URL"] = DOWN
        case "garbage":
            ledger.write_bytes(b"this is no database " * 500)
        case "folder":
            ledger.unlink()
            ledger.mkdir()
        case "cut":
            ledger.write_bytes(ledger.read_bytes()[:5000])
        case "dangling link":  # points to a volume that is not mounted
            ledger.unlink()
            ledger.symlink_to(project.folder / "not-mounted" / "ledger.db")
        case "too new":
            edit(ledger, "UPDATE meta SET value = '999' WHERE name = 'schema_version'")
        case "no table":
            edit(ledger, "DROP TABLE declared")


def edit(ledger: Path, statement: str) -> None:
    connection = sqlite3.connect(ledger)
    connection.execute(statement)
    connection.commit()
    connection.close()


@built_once
def withdrawn(folder: Path) -> Here:
    """Return a project in which Git has withdrawn `beta`, which only the ledger knows."""
    project = Here(folder)
    for slug in ("alpha", "beta"):
        project.integration(slug)
    project.apply()
    project.remove("beta")
    return project


def codes(done: Done) -> list[str]:
    return [d["code"] for d in done.json["diagnostics"]]


@pytest.mark.parametrize("how", KINDS)
def test_drift_fails_without_further_requests(tmp_path: Path, how: str) -> None:
    project = withdrawn(tmp_path)
    make_unreadable(project, how)
    done = project.run("-vv", "drift", "--format", "json")
    assert (done.code, done.json["kind"], done.json["exit_code"]) == (1, "error", 1)
    assert codes(done)[0] == "ledger-unreadable"
    assert done.json["diagnostics"][0]["hint"]
    # The first page of the list is requested while the ledger is opened; its response is not used.
    assert re.findall(r"(?:GET|POST|PUT|DELETE) \S+", done.err) in ([], ["GET /integrations:"])
    told = project.run("drift")
    assert told.code == 1
    assert "In sync" not in told.out + told.err
    assert "canary" not in done.out + done.err + told.out + told.err


@pytest.mark.slow
@pytest.mark.parametrize("place", ["file", "folder"])
def test_a_ledger_of_another_user_does_not_count_as_missing(tmp_path: Path, place: str) -> None:
    project = withdrawn(tmp_path)
    folder = tmp_path / "ledger"
    folder.mkdir()
    for file in project.state.glob("ledger.db*"):
        file.rename(folder / file.name)
    private = folder if place == "folder" else folder / "ledger.db"
    private.chmod(0)
    url = f"sqlite:///{folder / 'ledger.db'}"
    try:
        drift = without_privileges(project, "drift", RECONCILE_LEDGER_URL=url)
        plan = without_privileges(project, "plan", RECONCILE_LEDGER_URL=url)
    finally:
        private.chmod(0o700)
    assert (drift.code, drift.out) == (1, "")
    assert "Permission denied" in drift.err
    assert "--no-ledger" not in drift.err, "only an apply has that option"
    assert plan.code == 0
    assert plan.out.splitlines()[0].endswith("ledger: unreachable")
    assert "No changes: " not in plan.out
    assert "--no-ledger" not in plan.out


def without_privileges(project: Here, *words: str, **variables: str) -> Done:
    """Run the real process without these capabilities, with which root reads every file."""
    dropped = "-dac_override,-dac_read_search"
    setpriv = ("setpriv", f"--bounding-set={dropped}", f"--inh-caps={dropped}")
    done = subprocess.run(
        [*(setpriv if os.getuid() == 0 else ()), *COMMAND, *words],
        cwd=project.folder,
        env={**project.environment, **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    return Done(done.returncode, done.stdout, done.stderr)


def test_a_blocked_delete_names_no_option_that_would_not_lift_it(tmp_path: Path) -> None:
    with scene(tmp_path) as at:
        at.exists("alpha", "beta")
        at.file("alpha")
        assert at.run("apply", "--yes", "--exclude", "beta").code == 0
        make_unreadable(at.project, "down")
        for words in (("plan",), ("apply", "--yes", "--no-ledger")):
            done = at.run(*words)
            assert "ledger-unreadable" in done.out + done.err
            assert "--no-ledger" not in done.out + done.err
        refused = at.run("apply", "--yes")
        assert refused.code == 4
        assert "apply with --no-ledger" in refused.err


@pytest.mark.parametrize("how", KINDS)
def test_a_plan_names_what_it_could_not_check(tmp_path: Path, how: str) -> None:
    project = withdrawn(tmp_path)
    make_unreadable(project, how)
    done = project.run("plan", "--detailed-exitcode")
    assert done.code == 1
    assert done.out.splitlines()[0].endswith("ledger: unreachable")
    assert "No changes: " not in done.out
    assert "never declared" not in done.out
    assert "unknown whether declared before" in done.out
    plan = project.plan()
    (found,) = [d for d in plan["diagnostics"] if d["code"] == "not-judged"]
    assert "beta" in found["summary"]
    assert plan["unmanaged"] == ["beta"]


@pytest.mark.parametrize("how", ["down", "garbage"])
@pytest.mark.parametrize("cause", ["tombstone", "prune all"])
def test_a_delete_is_blocked_whatever_its_cause(tmp_path: Path, how: str, cause: str) -> None:
    with scene(tmp_path) as at:
        at.exists("alpha", "beta")
        at.file("alpha")
        ask_for_the_delete(at, cause)
        assert at.run("apply", "--yes", "--exclude", "beta").code == 0
        make_unreadable(at.project, how)
        plan = at.project.plan()
        blocked = {a["slug"]: a["blocked_by"] for a in plan["actions"] if a["action"] == "delete"}
        assert blocked == {"beta": ["ledger-unreadable"]}
        assert any(
            (d["code"], d["severity"]) == ("ledger-unreadable", "error")
            for d in plan["diagnostics"]
        )
        refused = at.run("apply", "--yes", "--no-ledger")
        assert refused.code == 4
        assert "ledger-unreadable" in refused.err
        assert at.upstream.world.remote.integrations.keys() >= {"beta"}


def ask_for_the_delete(at: Scene, cause: str) -> None:
    if cause == "prune all":
        at.config(prune="all")
    else:
        at.project.write(
            "reconcile.yaml",
            {
                "version": 1,
                "default_target": "here",
                "deletions": [{"slug": "beta", "reason": "old"}],
                "targets": {
                    "here": {"base_url": at.upstream.url, "api_key": "${env:PORTKEY_API_KEY}"}
                },
            },
        )


def test_the_metrics_show_an_unreachable_ledger(tmp_path: Path) -> None:
    project = withdrawn(tmp_path)
    file = tmp_path / "metrics.prom"

    def metrics(*words: str) -> str:
        project.run(*words, "--metrics-file", str(file))
        return file.read_text()

    assert 'reconcile_ledger_readable{command="drift",target="here"} 1' in metrics("drift")
    make_unreadable(project, "down")
    assert 'reconcile_in_sync{command="plan",target="here"} 0' in metrics("plan")
    for command in ("plan", "drift", "apply --yes"):
        lines = metrics(*command.split()).splitlines()
        (line,) = [line for line in lines if line.startswith("reconcile_ledger_readable")]
        assert float(line.rsplit(maxsplit=1)[-1]) == 0


def test_a_new_ledger_in_git_does_not_know_what_was_declared(tmp_path: Path) -> None:
    project = withdrawn(tmp_path)
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", "desired-state")
    git(tmp_path, "-c", "user.name=a", "-c", "user.email=a@x", "commit", "-qm", "base")
    (project.state / "ledger.db").unlink()
    done = project.run("plan")
    assert "never declared" not in done.out
    assert "unknown whether declared before" in done.out
    (found,) = [d for d in project.plan()["diagnostics"] if d["code"] == "ledger-new"]
    assert "beta" in found["summary"]
    assert "--base" in found["hint"]
    based = project.run("plan", "--base", "HEAD")
    assert "unknown whether declared" not in based.out
    assert "never declared" in based.out


def git(folder: Path, *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=folder, check=True, env={"PATH": "/usr/bin:/bin"})

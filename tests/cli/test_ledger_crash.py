"""Ledger on disk after a run was killed: intent of the current call, and completed calls."""

import json
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cli.project import Here, writes
from tests.end_to_end.harness import COMMAND, SECRET

pytestmark = pytest.mark.slow

KEY = {"PORTKEY_API_KEY": "pk-canary-crash"}


@contextmanager
def served(folder: Path, *faults: dict[str, object]) -> Iterator[Here]:
    """Serve an API with scripted faults, and return a project that uses it."""
    script = folder / "faults.json"
    script.write_text(json.dumps(list(faults)))
    project = Here(folder, **KEY)
    with project.serving("--fault", script) as url:
        project.config(url, api_key="${env:PORTKEY_API_KEY}", prune="managed")
        yield project


@contextmanager
def applying(project: Here, *, unanswered: str) -> Iterator[int]:
    """Start an apply, wait until the ledger has the intent of this call, and finally kill it."""
    process = subprocess.Popen(
        [*COMMAND, "apply", "--yes", "--parallelism", "1"],
        cwd=project.folder,
        env=project.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while unanswered not in open_calls(project):
            assert process.poll() is None, "the apply ended before it could be killed"
        yield process.pid
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait(timeout=20)


def kill_apply_while(project: Here, *, unanswered: str) -> None:
    with applying(project, unanswered=unanswered):
        pass


def open_calls(project: Here) -> list[str]:
    if not (project.state / "ledger.db").exists():
        return []
    done = project.run("history", "--format", "json")
    runs = done.json.get("runs", [])
    return [call["slug"] for run in runs for call in run["unanswered"]]


def test_a_killed_run_leaves_its_intent_and_outcomes_and_the_next_run_finishes(
    tmp_path: Path,
) -> None:
    hang = {"kind": "hang", "method": "POST", "skip": 1}
    with served(tmp_path, hang) as project:
        project.integration("alpha")
        project.integration("beta")
        kill_apply_while(project, unanswered="beta")
        (run,) = project.run("history", "--format", "json").json["runs"]
        assert run["finished_at"] is None
        assert run["unanswered"] == [{"slug": "beta", "operation": "create-integration"}]
        assert [o["slug"] for o in run["outcomes"] if o["status"] == "applied"] == ["alpha"]
        assert "unfinished" in project.run("history").out
        plan = project.plan()
        assert [a["slug"] for a in plan["actions"]] == ["beta"]
        assert plan["unverified"] == []
        done = project.apply()
        assert writes(done) == ["POST /integrations"]
        assert project.plan()["actions"] == []
        assert project.run("history", "--verify").code == 0
        for path in project.state.glob("ledger.db*"):
            assert SECRET.encode() not in path.read_bytes()


def test_the_changes_of_a_killed_run_can_be_undone(tmp_path: Path) -> None:
    hang = {"kind": "hang", "method": "PUT", "skip": 1}
    with served(tmp_path, hang) as project:
        project.integration("alpha", description="one")
        project.integration("beta", description="one")
        project.apply()
        project.integration("alpha", description="two")
        project.integration("beta", description="two")
        kill_apply_while(project, unanswered="beta")
        run = project.run("history", "--format", "json").json["runs"][-1]["run"]
        plan = project.run("undo", run, "--out", "undo.json", "--format", "json").json
        assert {a["slug"]: a["changes"][0]["after"] for a in plan["actions"]} == {"alpha": "one"}
        assert project.run("apply", "undo.json").code == 0
        for slug in ("alpha", "beta"):
            shown = project.run("get", slug, "--format", "json").json
            assert shown["description"] == "one"


def test_the_second_of_two_concurrent_applies_names_the_holder_of_the_lock(tmp_path: Path) -> None:
    with served(tmp_path, {"kind": "hang", "method": "POST"}) as project:
        project.integration("alpha")
        with applying(project, unanswered="alpha") as pid:
            done = project.run("-vv", "apply", "--yes", "--format", "json")
        assert done.code == 4
        (problem,) = done.json["diagnostics"]
        assert problem["code"] == "locked"
        (run,) = project.run("history", "--format", "json").json["runs"]
        assert f"process {pid} on " in problem["summary"]
        assert run["run"] in problem["summary"]
        assert run["started_at"][:10] in problem["summary"]
        assert writes(project.apply()) == ["POST /integrations"]

"""A missing, broken or locked ledger: the commands that it stops, and those that continue."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cli.project import Here, writes
from tests.end_to_end.harness import ROOT, Done

HOLD = """
import sys
from pathlib import Path
from reconciler.ledger.models import Holder
from reconciler.ledger.lock import file_lock
from reconciler.ledger.models import TargetKey
key = TargetKey.of(name="here", base_url=sys.argv[2], organisation=None)
holder = Holder(4711, "build-7", "2026-11-23T12:00:00Z", "run-9", "ada")
with file_lock(Path(sys.argv[1]), key, holder):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def somebody_holding_the_lock(
    folder: Path, base_url: str = "simulator:"
) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder), base_url],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdin is not None
    try:
        assert process.stdout.readline() == "held\n"
        yield process
    finally:
        process.kill()
        process.wait(timeout=10)
        process.stdout.close()
        process.stdin.close()


def project_in(folder: Path) -> Here:
    project = Here(folder)
    project.integration("alpha")
    return project


def codes(done: Done) -> list[str]:
    return [d["code"] for d in done.json["diagnostics"] if d["severity"] == "error"]


@pytest.mark.slow
@pytest.mark.parametrize("options", [(), ("--no-ledger",)])
def test_a_second_apply_names_the_holder_and_the_age_of_the_lock(
    tmp_path: Path, options: tuple[str, ...]
) -> None:
    project = project_in(tmp_path)
    with somebody_holding_the_lock(project.state):
        done = project.run("-vv", "apply", "--yes", *options, "--format", "json")
        assert done.code == 4
        assert codes(done) == ["locked"]
        assert writes(done) == []
        assert "GET" not in done.err
        (found,) = done.json["diagnostics"]
        for word in ("4711", "build-7", "2026-11-23T12:00:00Z", "run-9", "ada"):
            assert word in found["summary"]
        assert project.run("plan").code == 0


@pytest.mark.slow
def test_the_lock_of_a_dead_run_is_taken_over(tmp_path: Path) -> None:
    project = project_in(tmp_path)
    with somebody_holding_the_lock(project.state) as process:
        process.send_signal(signal.SIGKILL)
        process.wait(timeout=10)
        assert len(writes(project.apply())) == 1


def damage(project: Here, how: str) -> None:
    ledger = project.state / "ledger.db"
    for log in project.state.glob("ledger.db-*"):
        log.unlink()
    if how == "garbage":
        ledger.write_bytes(b"this is no database " * 500)
    elif how == "folder":
        ledger.unlink()
        ledger.mkdir()
    else:
        ledger.write_bytes(ledger.read_bytes()[:5000])


@pytest.mark.parametrize("how", ["garbage", "folder", "cut"])
def test_a_read_only_ledger_stops_an_apply_but_not_a_plan(tmp_path: Path, how: str) -> None:
    project = project_in(tmp_path)
    project.apply()
    damage(project, how)
    project.integration("alpha", description="new")
    plan = project.plan()
    assert plan["summary"]["update"] == 1
    assert any(d["code"].startswith("ledger-") for d in plan["diagnostics"])
    refused = project.run("-vv", "apply", "--yes", "--format", "json")
    assert refused.code == 4
    assert writes(refused) == []
    (problem,) = refused.json["diagnostics"]
    assert problem["code"].startswith("ledger-")
    assert problem["hint"]
    assert len(writes(project.apply("--no-ledger"))) == 1
    assert project.plan()["actions"] == []


def test_an_unusable_address_of_a_ledger_is_bad_input_and_shows_no_password(
    tmp_path: Path,
) -> None:
    project = project_in(tmp_path)
    done = project.run("plan", RECONCILE_LEDGER_URL="mysql://me:canary@db/ledger")
    assert done.code == 3
    assert "ledger-url" in done.err
    assert "canary" not in done.err + done.out


def test_an_unreachable_shared_ledger_is_a_warning_for_a_plan_and_stops_an_apply(
    tmp_path: Path,
) -> None:
    project = project_in(tmp_path)
    url = "postgresql://me:canary@127.0.0.1:1/ledger"
    plan = project.run("plan", RECONCILE_LEDGER_URL=url)
    assert plan.code == 0
    assert plan.out.splitlines()[0].endswith("ledger: unreachable")
    assert "ledger-unreachable" in plan.out
    done = project.run("-vv", "apply", "--yes", RECONCILE_LEDGER_URL=url)
    assert done.code == 4
    assert writes(done) == []
    assert "canary" not in plan.out + plan.err + done.out + done.err


def test_another_ledger_file_is_used_independently_of_the_desired_state_folder(
    tmp_path: Path,
) -> None:
    project = project_in(tmp_path)
    elsewhere = tmp_path / "books" / "mine.db"
    project.apply(RECONCILE_LEDGER_URL=f"sqlite:///{elsewhere}")
    assert elsewhere.exists()
    assert not (project.state / "ledger.db").exists()
    assert project.plan(RECONCILE_LEDGER_URL=f"sqlite:///{elsewhere}")["unverified"] == []


def test_facts_about_the_ci_job_are_recorded(tmp_path: Path) -> None:
    project = project_in(tmp_path)
    project.apply(
        GITHUB_ACTOR="ada",
        GITHUB_SHA="c0ffee",
        GITHUB_REF="refs/pull/17/merge",
        GITHUB_SERVER_URL="https://github.example",
        GITHUB_REPOSITORY="team/gateway",
        GITHUB_RUN_ID="99",
    )
    (run,) = project.run("history", "--format", "json").json["runs"]
    assert run["target"]["name"] == "here"
    assert (run["actor"], run["commit"], run["pull_request"]) == ("ada", "c0ffee", "17")
    assert run["workflow"] == "https://github.example/team/gateway/actions/runs/99"
    assert run["summary"] == {"applied": 1, "failed": 0, "skipped": 0, "unknown": 0}
    assert json.dumps(run).count("sk-") == 0

"""`doctor`: checks of change windows, catalogues, probes and promotions."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from reconciler.simulator.switches import Switches
from tests.cli.project import Here
from tests.cli.scene import scene
from tests.cli.test_catalogue import pinned
from tests.cli.test_change_windows import FROZEN, OVER, frozen
from tests.cli.test_probe import probing
from tests.cli.test_promotion import HOURS, age, config, on, staged
from tests.end_to_end.harness import Done, Project

FEATURES = {"policies", "windows", "catalogue", "credential-probe", "promotion"}


def checks(done: Done) -> dict[str, Any]:
    return {check["name"]: check for check in done.json["checks"]}


def check(project: Here, name: str, *options: str, **variables: str) -> Any:
    """Return one check; unless ok, it must have a hint, and a failure sets the exit code."""
    done = project.run(*options, "doctor", "--format", "json", **variables)
    found = checks(done)[name]
    assert (found["status"] == "ok") == (found["hint"] == "")
    assert (done.code == 1) == any(c["status"] == "fail" for c in done.json["checks"])
    return found


def test_a_target_without_the_settings_has_none_of_the_checks(tmp_path: Path) -> None:
    project = Here(tmp_path)
    project.integration("alpha")
    assert not FEATURES & checks(project.run("doctor", "--format", "json")).keys()


# -- change times ------------------------------------------------------------------------


def test_a_freeze_is_named_with_its_end(tmp_path: Path) -> None:
    found = check(frozen(tmp_path), "windows")
    assert found["status"] == "ok"
    assert found["summary"].startswith("no apply is accepted now: ")
    assert "frozen until the end of 9000-01-01 (UTC): year-end trading" in found["summary"]
    assert "accepted again from Thu 9000-01-02 00:00 +00:00 (UTC)" in found["summary"]


def test_an_open_window_is_named(tmp_path: Path) -> None:
    windows = [{"allow": "00:00-24:00", "zone": "Europe/Berlin"}]
    found = check(frozen(tmp_path, freeze=OVER, windows=windows), "windows")
    assert found["summary"] == "an apply is accepted now"


def test_a_window_for_some_risks_does_not_affect_others(tmp_path: Path) -> None:
    closed = {"allow": "Mon 00:00-00:01", "zone": "Pacific/Kiritimati", "risks": ["delete"]}
    found = check(frozen(tmp_path, freeze=OVER, windows=[closed]), "windows")
    assert found["summary"].startswith("not every apply is accepted now: changes of risk delete ")


def test_missing_time_zone_data_is_a_failure_with_a_hint(tmp_path: Path) -> None:
    windows = [{"allow": "Mon 09:00-10:00", "zone": "Europe/Berlin"}]
    project = frozen(tmp_path, freeze=FROZEN, windows=windows)
    start = "import sys; sys.modules['tzdata'] = None; from reconciler.cli.main import main; main()"
    command = (sys.executable, "-c", start)
    done = Project.run(project, "doctor", "--format", "json", command=command, PYTHONTZPATH="")
    found = checks(done)["config"]
    assert (done.code, found["status"]) == (1, "fail")
    assert "no time zone database" in found["summary"]
    assert "pip install tzdata" in found["hint"]


# -- catalogue ---------------------------------------------------------------------------


def git(folder: Path, *words: str, date: str = "2026-11-01T00:00:00Z") -> None:
    names = ("-c", "user.name=a", "-c", "user.email=a@example.org")
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(folder), "GIT_COMMITTER_DATE": date}
    subprocess.run(["git", *names, *words], cwd=folder, check=True, env=environment)


def committed(project: Here, date: str) -> None:
    git(project.folder, "init", "-q")
    git(project.folder, "add", "desired-state")
    git(project.folder, "commit", "-q", "-m", "pin", date=date)


def test_a_catalogue_matches_its_digest_and_its_age_is_that_of_its_commit(tmp_path: Path) -> None:
    project = pinned(tmp_path, gpt_5=None)
    assert check(project, "catalogue")["summary"].endswith("its age is unknown")
    committed(project, "2020-01-01T00:00:00Z")
    found = check(project, "catalogue")
    assert found["status"] == "warn"
    assert "catalogue.json matches its digest, committed " in found["summary"]
    assert "reconcile catalogue update" in found["hint"]


def test_a_new_catalogue_is_ok(tmp_path: Path) -> None:
    project = pinned(tmp_path, gpt_5=None)
    committed(project, "2099-01-01T00:00:00Z")  # the clock is ahead
    found = check(project, "catalogue")
    assert (found["status"], found["summary"].endswith("committed 0 days ago")) == ("ok", True)


def test_the_age_is_unknown_in_a_shallow_clone_and_after_an_edit(tmp_path: Path) -> None:
    project = pinned(tmp_path / "origin", gpt_5=None)
    committed(project, "2020-01-01T00:00:00Z")
    git(tmp_path, "clone", "-q", "--depth", "1", f"file://{tmp_path}/origin", "clone")
    clone = Here.__new__(Here)
    clone.folder, clone.files = tmp_path / "clone", tmp_path / "clone/desired-state"
    clone.environment = project.environment
    assert "age is unknown" in check(clone, "catalogue")["summary"]


def test_a_catalogue_with_another_digest_is_a_failure(tmp_path: Path) -> None:
    project = pinned(tmp_path, gpt_5=None)
    with (project.files / "catalogue.json").open("a") as file:
        file.write(" ")
    found = check(project, "catalogue")
    assert found["status"] == "fail"
    assert "does not match its digest" in found["summary"]


# -- probe -------------------------------------------------------------------------------


def test_a_probe_is_checked_but_not_run(tmp_path: Path) -> None:
    project = probing(tmp_path, f"touch {tmp_path}/ran")
    assert check(project, "credential-probe")["status"] == "ok"
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("rules", "variables", "said"),
    [
        ({}, {"RECONCILE_ALLOWED_PROBES": ""}, "is not allowed in this environment"),
        ({"variables": ["SECRET_PROBE"]}, {}, "needs variables that are not set: SECRET_PROBE"),
    ],
)
def test_a_probe_that_cannot_run_is_a_failure(
    tmp_path: Path, rules: dict[str, Any], variables: dict[str, str], said: str
) -> None:
    found = check(probing(tmp_path, **rules), "credential-probe", **variables)
    assert (found["status"], said in found["summary"]) == ("fail", True), found


def test_a_probe_whose_program_is_missing_is_a_failure(tmp_path: Path) -> None:
    project = probing(tmp_path)
    (tmp_path / "alive").unlink()
    assert "is not installed" in check(project, "credential-probe")["summary"]


def test_doctor_checks_whether_the_gateway_accepts_its_key(tmp_path: Path) -> None:
    with scene(tmp_path, switches=Switches()) as made:
        gateway = {"api_key": "${env:PORTKEY_GATEWAY_KEY}"}
        made.config(probe={"gateway": gateway, "workspace": "ws-probe"})
        project = made.project
        found = check(project, "credential-probe", PORTKEY_GATEWAY_KEY="pk-canary-gateway")
        assert found["summary"] == "the gateway accepts its key"
        assert check(project, "credential-probe", PORTKEY_GATEWAY_KEY="")["status"] == "fail"
        elsewhere = {**gateway, "base_url": "https://gateway.example.org/v1"}
        made.config(probe={"gateway": elsewhere, "workspace": "ws-probe"})
        refused = check(project, "credential-probe", PORTKEY_GATEWAY_KEY="pk-canary-gateway")
        assert (refused["status"], "gateway.example.org" in refused["hint"]) == ("fail", True)
        assert {r.method for r in made.upstream.requests} == {"GET"}


# -- promotion ---------------------------------------------------------------------------


def promotion(project: Here, **variables: str) -> Any:
    return check(project, "promotion", "--target", "production", **variables)


def test_a_promotion_needs_a_ledger_with_its_source(tmp_path: Path) -> None:
    project = Here(tmp_path)
    config(project)
    project.integration("alpha")
    found = promotion(project)
    assert (found["status"], "there is no ledger" in found["summary"]) == ("warn", True)
    assert on(project, "production", "apply", "--yes", "--allow-unsoaked", "first").code == 0
    found = promotion(project)
    assert found["status"] == "warn"
    assert found["summary"] == "the ledger has no record of what was applied to staging"
    assert "reconcile --target staging apply" in found["hint"]


def test_a_source_with_a_recent_check_is_ok(tmp_path: Path) -> None:
    project = staged(tmp_path)
    found = promotion(project)
    assert found["status"] == "ok"
    assert "the ledger knows 1 integration of staging, last checked at 2" in found["summary"]
    age(project, HOURS + 1)
    found = promotion(project)
    assert (found["status"], "which is too long ago" in found["summary"]) == ("warn", True)
    assert "reconcile --target staging drift" in found["hint"]


def test_a_local_ledger_on_a_runner_is_a_failure(tmp_path: Path) -> None:
    found = promotion(staged(tmp_path), GITHUB_ACTIONS="true")
    assert (found["status"], "RECONCILE_LEDGER_URL" in found["hint"]) == ("fail", True)


def test_records_that_cannot_be_read_are_a_failure(tmp_path: Path) -> None:
    project = staged(tmp_path)
    for log in project.state.glob("ledger.db-*"):
        log.unlink()
    (project.state / "ledger.db").write_bytes(b"this is no database " * 500)
    found = promotion(project)
    assert (found["status"], "cannot be read" in found["summary"]) == ("fail", True)

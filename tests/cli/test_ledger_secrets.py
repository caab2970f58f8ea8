"""Rotation without a version number: what the ledger and the masks prove about secrets."""

import re
from pathlib import Path

import pytest

from tests.cli.project import FIRST, SECOND, Here, built_once, changes, writes

UPDATE = "PUT /integrations/alpha"


def applied(folder: Path, **variables: str) -> Here:
    return create(folder, **variables) if variables else without_variables(folder)


@built_once
def without_variables(folder: Path) -> Here:
    return create(folder)


def create(folder: Path, **variables: str) -> Here:
    """Apply one integration."""
    project = Here(folder, **variables)
    project.integration("alpha")
    project.apply()
    return project


def test_the_same_value_is_not_a_change(tmp_path: Path) -> None:
    project = applied(tmp_path)
    plan = project.plan()
    assert plan["actions"] == []
    assert plan["unverified"] == []
    assert writes(project.apply()) == []


def test_a_new_value_is_one_write_of_the_key_and_shown_nowhere(tmp_path: Path) -> None:
    project = applied(tmp_path)
    planned = project.run("plan", "--format", "json", SECRET_KEY=SECOND)
    assert list(changes(planned.json)) == [("key", "rotate", "local")]
    done = project.apply(SECRET_KEY=SECOND)
    assert writes(done) == [UPDATE]
    assert project.plan(SECRET_KEY=SECOND)["actions"] == []
    assert writes(project.apply(SECRET_KEY=SECOND)) == []
    sinks = planned.out + planned.err + done.out + done.err
    files = [path for path in project.state.iterdir() if not path.name.startswith("simulator.db")]
    assert any(path.name == "ledger.db" for path in files)
    for value in (FIRST, SECOND):
        assert value not in sinks
        assert not [path for path in files if value.encode() in path.read_bytes()]


def test_a_new_value_is_detected_by_its_fingerprint_with_an_equal_mask(tmp_path: Path) -> None:
    project = applied(tmp_path)
    alike = FIRST[:6] + "different" + FIRST[-6:]
    assert list(changes(project.plan(SECRET_KEY=alike))) == [("key", "rotate", "local")]


def test_a_key_that_another_client_replaced_is_written_back(tmp_path: Path) -> None:
    project = applied(tmp_path)
    other = project.elsewhere()
    other.integration("alpha", key="${env:SECRET_OTHER}")
    other.run(
        *("--dir", "somebody-else", "apply", "--yes", "--no-ledger"), SECRET_OTHER="sk-theirs-zzz"
    )
    assert list(changes(project.plan())) == [("key", "rotate", "remote")]
    assert writes(project.apply()) == [UPDATE]
    assert project.plan()["actions"] == []


def test_another_reference_is_a_change_although_the_value_is_the_same(tmp_path: Path) -> None:
    project = applied(tmp_path)
    project.integration("alpha", key="${env:SECRET_OTHER}")
    plan = project.plan(SECRET_OTHER=FIRST)
    (change,) = plan["actions"][0]["changes"]
    assert (change["op"], change["reference"], change["before_reference"]) == (
        "replace",
        "env:SECRET_OTHER",
        "env:SECRET_KEY",
    )
    assert writes(project.apply(SECRET_OTHER=FIRST)) == [UPDATE]
    assert project.plan(SECRET_OTHER=FIRST)["actions"] == []


def forget(project: Here) -> None:
    for path in project.state.glob("ledger.db*"):
        path.unlink()


def test_after_a_lost_ledger_a_value_is_unverified_until_its_mask_contradicts(
    tmp_path: Path,
) -> None:
    project = applied(tmp_path)
    forget(project)
    plan = project.plan()
    assert plan["actions"] == []
    assert plan["unverified"] == [{"slug": "alpha", "path": "key", "reference": "env:SECRET_KEY"}]
    assert writes(project.apply(SECRET_KEY=SECOND)) == [UPDATE]
    assert project.plan(SECRET_KEY=SECOND)["unverified"] == []


def test_after_a_lost_ledger_pushing_secrets_records_them_again(tmp_path: Path) -> None:
    project = applied(tmp_path)
    forget(project)
    assert writes(project.apply()) == []
    assert len(project.plan()["unverified"]) == 1
    assert writes(project.apply("--push-secrets")) == [UPDATE]
    assert project.plan()["unverified"] == []


def test_a_new_pepper_makes_fingerprints_unverified_and_not_changed(tmp_path: Path) -> None:
    project = applied(tmp_path, RECONCILE_LEDGER_PEPPER="one")
    plan = project.plan(RECONCILE_LEDGER_PEPPER="two")
    assert plan["actions"] == []
    assert len(plan["unverified"]) == 1
    assert writes(project.apply("--push-secrets", RECONCILE_LEDGER_PEPPER="two")) == [UPDATE]
    assert project.plan(RECONCILE_LEDGER_PEPPER="two")["unverified"] == []


@pytest.mark.slow
def test_a_merge_job_rotates_what_the_job_of_the_pull_request_could_not_verify(
    tmp_path: Path,
) -> None:
    with Here(tmp_path, PORTKEY_API_KEY="pk-canary").serving() as url:
        project = Here(tmp_path, PORTKEY_API_KEY="pk-canary")
        project.config(url, api_key="${env:PORTKEY_API_KEY}", prune="managed")
        project.integration("alpha")
        project.apply()
        project.integration("alpha", description="changed as well")
        seen = project.run("plan", "--out", "approved.json", SECRET_KEY="")
        assert seen.code == 0
        assert "approved.json" in seen.err
        done = project.run("-vv", "apply", "approved.json", SECRET_KEY=SECOND)
        assert done.code == 0, done.err
        assert writes(done) == [UPDATE]
        after = project.plan(SECRET_KEY=SECOND)
        assert (after["actions"], after["unverified"]) == ([], [])


def test_without_a_ledger_a_secret_is_written_and_stays_unverified(tmp_path: Path) -> None:
    project = Here(tmp_path)
    project.integration("alpha")
    project.apply("--no-ledger")
    assert not (project.state / "ledger.db").exists()
    assert len(project.plan()["unverified"]) == 1


@pytest.mark.parametrize("reading", ["plan", "drift", "list"])
def test_every_text_output_begins_with_the_state_of_the_ledger(
    tmp_path: Path, reading: str
) -> None:
    project = Here(tmp_path)
    project.integration("alpha")
    assert project.run(reading).out.splitlines()[0].endswith("ledger: none yet")
    assert not (project.state / "ledger.db").exists()
    assert " · ledger: none yet · " in project.apply().out.splitlines()[0]
    assert project.run(reading).out.splitlines()[0].endswith("ledger: local")


def test_a_ledger_that_was_moved_without_its_pepper_is_reported(tmp_path: Path) -> None:
    project = applied(tmp_path)
    (project.state / "ledger.db.pepper").unlink()
    plan = project.plan()
    assert [d["code"] for d in plan["diagnostics"] if d["severity"] == "warning"] == ["no-pepper"]
    assert len(plan["unverified"]) == 1
    assert not (project.state / "ledger.db.pepper").exists()


FINGERPRINT = re.compile(rb"[0-9a-f]{12}:[0-9a-f]{64}")


@pytest.mark.parametrize("runner", ["GITHUB_ACTIONS", "GITLAB_CI", ""])
def test_the_cache_of_a_runner_cannot_confirm_a_guessed_secret(tmp_path: Path, runner: str) -> None:
    variables = {runner: "true"} if runner else {}
    project = Here(tmp_path, SECRET_KEY="summer2026", **variables)
    project.integration("alpha")
    project.apply()
    plan = project.plan()
    kept = {path.name: path.read_bytes() for path in project.state.iterdir()}
    ledger = b"".join(content for name, content in kept.items() if name.startswith("ledger.db"))
    alone = "ledger.db.pepper" not in kept and FINGERPRINT.search(ledger) is None
    assert alone == bool(runner)
    assert ("no-pepper" in [d["code"] for d in plan["diagnostics"]]) == bool(runner)


def test_without_values_a_missing_pepper_is_not_reported(tmp_path: Path) -> None:
    project = Here(tmp_path, PORTKEY_API_KEY="pk-canary")
    with project.serving() as url:
        project.config(url, api_key="${env:PORTKEY_API_KEY}", prune="managed")
        project.integration("alpha")
        project.apply()
        (project.state / "ledger.db.pepper").unlink()
        codes = [item["code"] for item in project.plan(SECRET_KEY="")["diagnostics"]]
        assert "no-pepper" not in codes
        assert "no-pepper" in [item["code"] for item in project.plan()["diagnostics"]]

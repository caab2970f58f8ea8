"""The command as a program: options, streams, exit codes and signals."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.end_to_end.harness import COMMAND, SECRET, Project

pytestmark = pytest.mark.slow


def a_project(folder: Path) -> Project:
    project = Project(folder)
    project.config()
    project.integration("alpha")
    return project


def test_global_options_can_be_before_or_after_the_command(tmp_path: Path) -> None:
    project = a_project(tmp_path)
    elsewhere = tmp_path / "elsewhere"
    project.files.rename(elsewhere)
    for words in (
        ("--dir", elsewhere, "--target", "here", "plan"),
        ("plan", "--dir", elsewhere, "--target", "here"),
        ("--dir", "nowhere", "plan", "--dir", elsewhere),
    ):
        assert project.run(*words).code == 0
    assert project.run("plan", RECONCILE_DIR=str(elsewhere)).code == 0
    assert project.run("plan", RECONCILE_PLAN_DIR=str(elsewhere)).code == 0
    assert project.run("--dir", elsewhere, "plan", RECONCILE_PLAN_DIR="nowhere").code == 0


def test_every_option_has_an_environment_variable(tmp_path: Path) -> None:
    project = a_project(tmp_path)
    done = project.run(
        "plan",
        RECONCILE_PLAN_FORMAT="json",
        RECONCILE_PLAN_DETAILED_EXITCODE="1",
        RECONCILE_PLAN_EXCLUDE="nobody",
        RECONCILE_TARGET="here",
    )
    assert done.code == 2
    assert done.json["summary"]["create"] == 1


@pytest.mark.parametrize(
    ("words", "code", "found"),
    [
        (("plan", "--target", "nowhere"), 3, "unknown-target"),
        (("plan", "--dir", "nowhere"), 3, "missing-config"),
        (("apply", "missing.json"), 3, "cannot-read"),
        (("apply", "desired-state/reconcile.yaml"), 3, "unreadable-plan"),
        (("get", "../alpha"), 3, "invalid-slug"),
        (("get", "nobody"), 1, "no-such-integration"),
        (("plan", "--out", "no/such/folder/plan.json"), 3, "cannot-save"),
        (("plan", "--deadline", "nan"), 3, "usage"),
        (("plan", "--deadline", "inf"), 3, "usage"),
        (("apply", "--expect-digest", "sha256:0"), 4, "digest-mismatch"),
    ],
)
def test_a_failure_is_reported_as_text_or_as_one_json_document(
    tmp_path: Path, words: tuple[str, ...], code: int, found: str
) -> None:
    project = a_project(tmp_path)
    text = project.run(*words)
    assert (text.code, text.out) == (code, "")
    assert f"error[{found}]" in text.err
    document = project.run(*words, "--format", "json")
    assert document.code == code
    assert document.json["kind"] == "error"
    assert [d["code"] for d in document.json["diagnostics"]] == [found]


def test_an_unset_api_key_is_named_and_nothing_is_sent(tmp_path: Path) -> None:
    project = a_project(tmp_path)
    project.config("http://127.0.0.1:9", api_key="${env:PORTKEY_API_KEY}")
    done = project.run("plan")
    assert done.code == 3
    assert "PORTKEY_API_KEY" in done.err


def test_a_host_that_is_not_allowed_receives_nothing(tmp_path: Path) -> None:
    project = a_project(tmp_path)
    project.config("https://gateway.example", api_key="${env:PORTKEY_API_KEY}")
    done = project.run("plan", PORTKEY_API_KEY="pk-canary")
    assert done.code == 4
    assert "host-not-allowed" in done.err


def test_the_base_url_of_the_environment_is_announced_and_does_not_affect_simulators(
    tmp_path: Path,
) -> None:
    project = a_project(tmp_path)
    assert project.run("plan", PORTKEY_BASE_URL="http://127.0.0.1:9").code == 0
    project.config("https://api.portkey.ai/v1", api_key="${env:PORTKEY_API_KEY}")
    with project.serving("--seed", "2") as url:
        done = project.run(
            "list", "--format", "json", PORTKEY_BASE_URL=url, PORTKEY_API_KEY="pk-canary"
        )
    assert done.code == 0, done.err
    assert len(done.json["integrations"]) == 2
    assert f"PORTKEY_BASE_URL overrides the URL of target here: {url}" in done.err


def test_an_unreachable_server_fails_before_any_write(tmp_path: Path) -> None:
    project = a_project(tmp_path)
    project.config("http://127.0.0.1:9/v1", api_key="${env:PORTKEY_API_KEY}")
    done = project.run("apply", "--yes", "--deadline", "2", PORTKEY_API_KEY="pk-canary")
    assert done.code == 1
    assert "pk-canary" not in done.out + done.err


def test_a_secret_outside_the_allow_list_is_a_warning_in_plan_and_stops_apply(
    tmp_path: Path,
) -> None:
    project = a_project(tmp_path)
    project.integration("alpha", key="${env:OTHER_KEY}")
    assert "secret-not-allowed" in project.run("validate").out
    planned = project.run("plan", OTHER_KEY=SECRET)
    assert planned.code == 0
    assert "warning[secret-not-allowed]" in planned.out
    assert project.run("apply", "--yes", OTHER_KEY=SECRET).code == 3
    allowed = project.run(
        "apply", "--yes", OTHER_KEY=SECRET, RECONCILE_ALLOWED_SECRETS="env:OTHER_*"
    )
    assert allowed.code == 0


def test_validate_checks_every_environment_unless_a_target_is_named(tmp_path: Path) -> None:
    project = a_project(tmp_path)
    live = {"base_url": "simulator:", "environment": "live"}
    targets = {"here": {"base_url": "simulator:"}, "there": live}
    project.write("reconcile.yaml", {"version": 1, "targets": targets})
    project.write("environments/live/keys.yaml", {"alpha": {"key": "${env:OTHER_KEY}"}})
    assert "secret-not-allowed" in project.run("validate").out
    assert "secret-not-allowed" in project.run("validate", "--target", "there").out
    assert "secret-not-allowed" not in project.run("validate", "--target", "here").out


@pytest.mark.parametrize("style", ["text", "json", "github", "sarif"])
def test_validate_names_every_problem_in_every_format(tmp_path: Path, style: str) -> None:
    project = a_project(tmp_path)
    project.integration("alpha", descripton="x", key="sk-literal-canary")
    done = project.run("validate", "--format", style)
    assert done.code == 3
    assert "descripton" in done.out
    assert "literal-secret" in done.out
    assert "sk-literal-canary" not in done.out + done.err


def test_a_closed_pipe_ends_the_command_quietly(tmp_path: Path) -> None:
    project = a_project(tmp_path)
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as stdout:
        done = subprocess.run(
            [*COMMAND, "plan"],
            cwd=tmp_path,
            env=project.environment,
            stdout=stdout,
            stderr=subprocess.PIPE,
            check=False,
            timeout=60,
        )
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("plan", "--detailed-exitcode"), 1),
        (("apply", "--yes", "--format", "json"), 5),
        (("--version",), 1),
    ],
    ids=lambda words: words[0] if isinstance(words, tuple) else None,
)
def test_a_result_that_does_not_fit_on_the_disk_is_reported_as_a_failure(
    tmp_path: Path, words: tuple[str, ...], code: int
) -> None:
    project = a_project(tmp_path)
    with Path("/dev/full").open("wb") as stdout:
        done = subprocess.run(
            [*COMMAND, *words],
            cwd=tmp_path,
            env=project.environment,
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            timeout=60,
        )
    assert done.returncode == code
    assert done.stderr.splitlines()[-1].startswith("error[system]: No space left on device")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_reading_command(tmp_path: Path, number: signal.Signals) -> None:
    project = a_project(tmp_path)
    fault = project.write("../fault.yaml", '[{"kind": "hang", "method": "GET", "times": -1}]')
    with project.serving("--fault", fault) as url:
        project.config(url, api_key="${env:PORTKEY_API_KEY}")
        process = subprocess.Popen(
            [*COMMAND, "-vv", "plan"],
            cwd=tmp_path,
            env={**project.environment, "PORTKEY_API_KEY": "pk"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stderr is not None
        assert "reading" in process.stderr.readline()
        process.send_signal(number)
        _, said = process.communicate(timeout=20)
    assert process.returncode == 128 + number
    assert "Traceback" not in said


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_an_apply_between_writes_and_the_result_lists_the_rest(
    tmp_path: Path, number: signal.Signals
) -> None:
    project = a_project(tmp_path)
    for index in range(12):
        project.integration(f"item-{index:02d}")
    with project.serving("--latency-ms", "50") as url:
        project.config(url, api_key="${env:PORTKEY_API_KEY}")
        process = subprocess.Popen(
            [*COMMAND, "apply", "--yes", "--parallelism", "1", "--format", "json"],
            cwd=tmp_path,
            env={**project.environment, "PORTKEY_API_KEY": "pk"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stderr is not None
        assert any(line.startswith("applied") for line in process.stderr)
        process.send_signal(number)
        out, _ = process.communicate(timeout=20)
        assert process.returncode == 128 + number
        summary = json.loads(out)["summary"]
        assert summary["applied"] >= 1
        assert summary["skipped"] >= 1
        assert summary["failed"] == summary["unknown"] == 0
        assert project.run("apply", "--yes", PORTKEY_API_KEY="pk").code == 0


def test_the_module_and_the_installed_command_are_equal() -> None:
    versions = [
        subprocess.run([*command, "--version"], capture_output=True, text=True, check=True).stdout
        for command in (COMMAND, (str(Path(sys.executable).with_name("reconcile")),))
    ]
    assert versions[0] == versions[1] == "reconcile 0.1.0\n"

"""`doctor`: its findings and hints, and that a probe leaves nothing behind."""

import socket
from pathlib import Path
from typing import Any

import pytest

from tests.cli.project import FIRST, Here, writes
from tests.end_to_end.harness import Done

HTTP = {"PORTKEY_API_KEY": "pk-canary-doctor"}


def project_in(folder: Path) -> Here:
    project = Here(folder, **HTTP)
    project.integration("alpha")
    project.integration("beta")
    return project


def doctor(project: Here, *options: object, **variables: str) -> Done:
    return project.run("-vv", "doctor", "--format", "json", *options, **variables)


def statuses(done: Done) -> dict[str, str]:
    return {check["name"]: check["status"] for check in done.json["checks"]}


def failed(done: Done) -> Any:
    assert done.code == 1
    assert done.json["ok"] is False
    (check,) = [check for check in done.json["checks"] if check["status"] == "fail"]
    assert check["hint"]
    return check


def test_every_check_of_a_valid_setup_is_ok_and_nothing_is_written(tmp_path: Path) -> None:
    project = project_in(tmp_path)
    project.apply()
    done = doctor(project)
    assert done.code == 0
    assert statuses(done) == dict.fromkeys(
        ("config", "api", "key", "scopes", "paging", "clock", "ledger"), "ok"
    )
    assert writes(done) == []
    assert done.json["kind"] == "doctor"
    assert done.json["target"]["name"] == "here"
    assert ", 1 run on this target" in done.json["checks"][-1]["summary"]


def test_over_http_the_same_is_checked(tmp_path: Path) -> None:
    project = project_in(tmp_path)
    with project.serving() as url:
        project.config(url, api_key="${env:PORTKEY_API_KEY}")
        project.apply()
        done = doctor(project)
    assert done.code == 0, done.out
    assert statuses(done)["paging"] == "ok"
    assert "pk-canary" not in done.out + done.err


def test_the_text_has_a_line_for_each_check_under_the_target(tmp_path: Path) -> None:
    lines = project_in(tmp_path).run("doctor").out.splitlines()
    assert lines[0] == "target here · host simulator · ledger: none yet"
    assert [line.split()[2] for line in lines[2:] if line[:1] in "✓!✗"] == [
        *("config", "api", "key", "scopes", "paging", "clock", "ledger")
    ]
    assert any(line.startswith("! warn") for line in lines)


def test_an_empty_api_leaves_scopes_open_and_points_to_the_probe(tmp_path: Path) -> None:
    done = doctor(project_in(tmp_path))
    assert done.code == 0
    assert statuses(done)["scopes"] == "warn"
    assert not (tmp_path / ".reconcile" / "ledger.db").exists()


def test_broken_files_are_counted(tmp_path: Path) -> None:
    project = project_in(tmp_path)
    project.integration("alpha", descripton="misspelt")
    check = failed(doctor(project))
    assert check["name"] == "config"
    assert "validate" in check["hint"]


@pytest.mark.parametrize("config", ["targets: [", "version: 1\ntargets: {}\n"])
def test_without_a_target_only_the_configuration_is_reported(tmp_path: Path, config: str) -> None:
    project = project_in(tmp_path)
    project.write("reconcile.yaml", config)
    done = doctor(project)
    assert failed(done)["name"] == "config"
    assert statuses(done) == {"config": "fail"}
    assert done.json["target"] is None
    assert project.run("doctor").code == 1


def test_a_missing_key_and_a_host_that_is_not_allowed_are_named(tmp_path: Path) -> None:
    project = project_in(tmp_path)
    project.config("http://127.0.0.1:1/v1", api_key="${env:PORTKEY_API_KEY}")
    assert failed(doctor(project, PORTKEY_API_KEY=""))["name"] == "key"
    project.config("https://api.example.com/v1", api_key="${env:PORTKEY_API_KEY}")
    assert "api.example.com" in failed(doctor(project))["hint"]


def test_an_unreachable_api_is_a_separate_failure(tmp_path: Path) -> None:
    project = project_in(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    project.config(f"http://127.0.0.1:{port}/v1", api_key="${env:PORTKEY_API_KEY}")
    done = doctor(project, "--deadline", 1)
    assert failed(done)["name"] == "api"


def test_a_local_ledger_on_a_runner_and_broken_or_altered_ledgers_are_reported(
    tmp_path: Path,
) -> None:
    project = project_in(tmp_path)
    project.apply()
    assert statuses(doctor(project, GITHUB_ACTIONS="true"))["ledger"] == "warn"
    for log in project.state.glob("ledger.db-*"):
        log.unlink()
    (project.state / "ledger.db").write_bytes(b"this is no database " * 500)
    assert failed(doctor(project))["name"] == "ledger"


def test_a_different_organisation_than_before_is_a_failure(tmp_path: Path) -> None:
    project = project_in(tmp_path)
    project.apply()
    (project.state / "simulator.db").unlink()
    other = project.elsewhere()
    other.integration("theirs")
    other.run("--dir", "somebody-else", "apply", "--yes", "--no-ledger")
    assert "organisation" in failed(doctor(project))["summary"]


def test_a_probe_answers_the_open_questions_and_leaves_nothing(tmp_path: Path) -> None:
    project = project_in(tmp_path)
    project.apply()
    done = doctor(project, "--probe")
    assert done.code == 0, done.out
    assert statuses(done)["probe"] == "ok"
    answers = done.json["answers"]
    assert answers["duplicate_slug"] == "409 AB07"
    assert answers["get_after_delete"] == "404 AB08"
    assert answers["configurations_put"] in {"merge", "replace"}
    assert answers["description_null"]
    assert answers["empty_put"]
    assert answers["masked_key"].endswith("as sent")
    assert project.slugs() == ["alpha", "beta"]
    assert doctor(project).json["answers"] == answers
    assert project.plan()["actions"] == []
    assert FIRST not in done.out


def test_a_probe_needs_no_ledger_and_creates_none(tmp_path: Path) -> None:
    project = project_in(tmp_path)
    done = doctor(project, "--probe")
    assert statuses(done)["probe"] == "ok"
    assert project.slugs() == []
    assert not (project.state / "ledger.db").exists()

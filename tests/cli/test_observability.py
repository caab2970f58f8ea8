"""Machine-readable output: `--log-format json` on stderr, `--metrics-file` for Prometheus."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from reconciler.cli.console import Console
from reconciler.cli.global_options import Invocation
from reconciler.cli.telemetry import RunTelemetry
from tests.cli.project import FIRST, Here
from tests.end_to_end.harness import Done

LIVES = ("alpha", "beta")


def project(folder: Path, **variables: str) -> Here:
    here = Here(folder, **variables)
    for slug in LIVES:
        here.integration(slug)
    return here


def log(done: Done) -> list[dict[str, Any]]:
    """Parse stderr, of which every line must be one event."""
    return [json.loads(line) for line in done.err.splitlines()]


def events(done: Done, name: str) -> list[dict[str, Any]]:
    return [line for line in log(done) if line["event"] == name]


def figures(file: Path) -> dict[str, list[tuple[dict[str, str], float]]]:
    families = text_string_to_metric_families(file.read_text(encoding="utf-8"))
    return {f.name: [(dict(s.labels), s.value) for s in f.samples] for f in families}


def figure(file: Path, name: str) -> float:
    ((_, value),) = figures(file)[name]
    return value


def test_every_line_has_a_time_a_level_the_run_and_the_target(tmp_path: Path) -> None:
    done = project(tmp_path).run("--log-format", "json", "apply", "--yes", "--format", "json")
    assert done.code == 0
    run = done.json["run"]
    for line in log(done):
        assert line["time"].endswith("Z")
        assert line["level"] in {"debug", "info", "warning", "error"}
        assert (line["run"], line["target"], line["command"]) == (run, "here", "apply")


def test_an_apply_logs_each_request_and_the_outcome_of_each_action(tmp_path: Path) -> None:
    done = project(tmp_path).run("apply", "--yes", "--log-format", "json")
    posts = [e for e in events(done, "request") if e["method"] == "POST"]
    assert [(e["operation"], e["status"]) for e in posts] == [("create-integration", 200)] * 2
    assert all(isinstance(e["duration_ms"], int) for e in posts)
    ended = {e["slug"]: (e["action"], e["outcome"]) for e in events(done, "action_ended")}
    assert ended == dict.fromkeys(LIVES, ("create", "applied"))
    (over,) = events(done, "run_ended")
    assert over["summary"] == {"applied": 2, "failed": 0, "skipped": 0, "unknown": 0}
    assert log(done)[-1]["event"] == "command_ended"
    assert log(done)[-1]["exit_code"] == 0


@pytest.mark.parametrize("command", ["plan", "drift"])
def test_a_reading_command_logs_its_decisions(tmp_path: Path, command: str) -> None:
    done = project(tmp_path).run(command, "--format", "json", "--log-format", "json")
    (planned,) = events(done, "planned")
    assert planned["digest"] in {done.json.get("digest"), done.json.get("fingerprint")}
    assert planned["summary"]["create"] == 2
    assert {e["method"] for e in events(done, "request")} == {"GET"}


def test_the_environment_variable_selects_it_for_every_command(tmp_path: Path) -> None:
    done = project(tmp_path).run("list", RECONCILE_LOG_FORMAT="json")
    assert done.code == 0
    assert log(done)[-1] == {**log(done)[-1], "event": "command_ended", "exit_code": 0}


@pytest.mark.parametrize("style", ["text", "json"])
def test_a_failure_is_logged_with_its_code(tmp_path: Path, style: str) -> None:
    here = project(tmp_path)
    here.write("integrations/bad.yaml", "slug: [\n")
    done = here.run("plan", "--format", style, "--log-format", "json")
    assert done.code == 3
    (problem,) = events(done, "diagnostic")
    assert (problem["level"], problem["code"]) == ("error", "syntax")
    assert problem["file"].endswith("bad.yaml")
    assert log(done)[-1]["exit_code"] == 3


@pytest.mark.parametrize(
    "words", [("plan", "--bogus", "--log-format", "json"), ("--log-format=json", "bogus")]
)
def test_a_wrong_command_line_is_logged(tmp_path: Path, words: tuple[str, ...]) -> None:
    done = project(tmp_path).run(*words)
    assert done.code == 3
    assert [(e["event"], e.get("code")) for e in log(done)] == [
        ("diagnostic", "usage"),
        ("command_ended", None),
    ]


def test_no_secret_and_no_body_is_logged_or_counted(tmp_path: Path) -> None:
    here = project(tmp_path)
    here.integration("gamma", description="a-text-of-a-body")
    file = tmp_path / "out.prom"
    done = here.run("-vv", "apply", "--yes", "--log-format", "json", "--metrics-file", file)
    assert done.code == 0
    for text in (FIRST, "a-text-of-a-body"):
        assert text not in done.err
        assert text not in file.read_text()


def test_the_metrics_file_shows_what_an_apply_did(tmp_path: Path) -> None:
    here, file = project(tmp_path), tmp_path / "reconcile.prom"
    done = here.run("apply", "--yes", "--format", "json", "--metrics-file", file)
    found = figures(file)
    labels = {"command": "apply", "target": "here"}
    assert found["reconcile_outcomes"] == [
        ({**labels, "action": "create", "status": "applied"}, 2.0)
    ]
    assert found["reconcile_run_info"] == [({**labels, "run": done.json["run"]}, 1.0)]
    by_method = {(s["method"], s["status"]): n for s, n in found["reconcile_requests"]}
    assert by_method["POST", "200"] == 2
    assert figure(file, "reconcile_run_exit_code") == 0
    assert figure(file, "reconcile_drift_items") == 2
    assert figure(file, "reconcile_not_applied") == 0


def test_the_metrics_of_drift_change_from_in_sync_to_drifted(tmp_path: Path) -> None:
    here, file = project(tmp_path), tmp_path / "reconcile.prom"
    here.apply()
    here.run("drift", "--metrics-file", file)
    assert (figure(file, "reconcile_in_sync"), figure(file, "reconcile_run_exit_code")) == (1, 0)
    here.integration("alpha", name="Another")
    here.run("drift", "--metrics-file", file)
    assert (figure(file, "reconcile_in_sync"), figure(file, "reconcile_run_exit_code")) == (0, 2)
    assert figure(file, "reconcile_drift_items") == 1


def test_the_metrics_of_a_failed_run_have_only_its_exit_code(tmp_path: Path) -> None:
    here, file = project(tmp_path), tmp_path / "reconcile.prom"
    done = here.run("apply", "--yes", "--expect-digest", "sha256:00", "--metrics-file", file)
    assert done.code == 4
    assert figure(file, "reconcile_run_exit_code") == 4
    assert "reconcile_in_sync" not in figures(file)
    assert "reconcile_outcomes" not in figures(file)


def test_an_invalid_metrics_path_is_refused_before_anything_is_done(
    tmp_path: Path,
) -> None:
    here = project(tmp_path)
    done = here.run("apply", "--yes", "--metrics-file", tmp_path / "nowhere" / "x.prom")
    assert done.code == 3
    assert "error[cannot-save]" in done.err
    assert here.slugs() == []


def test_metrics_that_cannot_be_written_do_not_change_the_result(tmp_path: Path) -> None:
    file, said = tmp_path / "reconcile.prom", io.StringIO()
    invocation = Invocation(Console(stdin=None, stdout=None, stderr=said))
    with RunTelemetry(invocation, command="apply", run="run-1", metrics_file=file) as telemetry:
        file.mkdir()
        assert telemetry.finish(5) == 5
    assert "warning[metrics-not-saved]" in said.getvalue()

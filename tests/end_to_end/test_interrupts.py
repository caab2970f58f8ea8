"""An interrupted command reports it at once, with one document or one line."""

import json
import os
import pty
import signal
import subprocess
from pathlib import Path

import pytest

from reconciler.simulator.faults import Fault, FaultKind
from tests.end_to_end.harness import COMMAND, Project
from tests.end_to_end.upstream import serving

pytestmark = pytest.mark.slow


def a_project(folder: Path) -> Project:
    project = Project(folder, PORTKEY_API_KEY="pk-canary")
    project.integration("alpha")
    return project


def started(project: Project, *words: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [*COMMAND, *words],
        cwd=project.folder,
        env=project.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for(process: "subprocess.Popen[str]", said: str) -> None:
    assert process.stderr is not None
    assert any(said in line for line in process.stderr)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("words", ["plan", "drift", "apply --yes"])
def test_an_interrupt_before_any_write_is_an_error_document(
    tmp_path: Path, words: str, number: signal.Signals
) -> None:
    project = a_project(tmp_path)
    fault = project.write("../fault.yaml", '[{"kind": "hang", "method": "GET", "times": -1}]')
    with project.serving("--fault", fault) as url:
        project.config(url, api_key="${env:PORTKEY_API_KEY}")
        process = started(project, "-v", *words.split(), "--format", "json")
        wait_for(process, "reading")
        process.send_signal(number)
        out, _ = process.communicate(timeout=20)
    document = json.loads(out)
    assert process.returncode == document["exit_code"] == 128 + number
    assert document["kind"] == "error"
    assert [d["code"] for d in document["diagnostics"]] == ["interrupted"]
    assert "nothing was written" in document["diagnostics"][0]["summary"]


def test_a_closed_terminal_ends_a_run_like_sigterm(tmp_path: Path) -> None:
    project = a_project(tmp_path)
    with serving(Fault(kind=FaultKind.SLOW, method="POST", seconds=1.0)) as upstream:
        project.config(upstream.url, api_key="${env:PORTKEY_API_KEY}")
        process = started(project, "apply", "--yes", "--format", "json")
        assert upstream.written_to.wait(20)
        process.send_signal(signal.SIGHUP)
        # The second one comes from the kernel, once the shell has ended.
        wait_for(process, "again")
        process.send_signal(signal.SIGHUP)
        out, _ = process.communicate(timeout=20)
    assert process.returncode == 143
    assert json.loads(out)["summary"]["applied"] == 1


def test_a_run_in_a_closed_terminal_records_and_prints_its_result(tmp_path: Path) -> None:
    project = a_project(tmp_path)
    result = tmp_path / "result.json"
    with serving(Fault(kind=FaultKind.SLOW, method="POST", seconds=1.0)) as upstream:
        project.config(upstream.url, api_key="${env:PORTKEY_API_KEY}")
        child, terminal = pty.fork()
        if child == 0:
            os.chdir(project.folder)
            os.dup2(os.open(result, os.O_WRONLY | os.O_CREAT), 1)
            words = [*COMMAND, "apply", "--yes", "--format", "json"]
            variables = {**project.environment, "TERM": "xterm"}
            os.execvpe(words[0], words, variables)  # noqa: S606  a terminal needs a fork
        assert upstream.written_to.wait(20)
        os.close(terminal)
        _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 143
    assert json.loads(result.read_text())["summary"]["applied"] == 1


@pytest.mark.parametrize("stderr", ["/dev/full", "closed pipe"])
def test_a_run_whose_log_cannot_be_written_goes_on(tmp_path: Path, stderr: str) -> None:
    project = Project(tmp_path)
    project.integration("alpha")
    project.config("simulator:")
    reader, log = os.pipe()
    os.close(reader)
    if stderr == "/dev/full":
        log = os.open(stderr, os.O_WRONLY)
    done = subprocess.run(
        [*COMMAND, "apply", "--yes", "--format", "json"],
        cwd=project.folder,
        env=project.environment,
        stdout=subprocess.PIPE,
        stderr=log,
        check=False,
    )
    os.close(log)
    assert done.returncode == 0
    assert json.loads(done.stdout)["summary"]["applied"] == 1


def test_nohup_lets_a_run_survive_its_terminal(tmp_path: Path) -> None:
    project = a_project(tmp_path)
    with serving(Fault(kind=FaultKind.SLOW, method="POST", seconds=1.0)) as upstream:
        project.config(upstream.url, api_key="${env:PORTKEY_API_KEY}")
        before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
        try:
            process = started(project, "apply", "--yes", "--format", "json")
        finally:
            signal.signal(signal.SIGHUP, before)
        assert upstream.written_to.wait(20)
        process.send_signal(signal.SIGHUP)
        out, _ = process.communicate(timeout=20)
    assert process.returncode == 0
    assert json.loads(out)["summary"]["applied"] == 1


@pytest.mark.parametrize("style", ["json", "text"])
def test_a_second_interrupt_exits_at_once_and_names_unknown_outcomes(
    tmp_path: Path, style: str
) -> None:
    project = a_project(tmp_path)
    with serving(Fault(kind=FaultKind.HANG_BEFORE, method="POST", times=-1)) as upstream:
        project.config(upstream.url, api_key="${env:PORTKEY_API_KEY}")
        process = started(project, "apply", "--yes", "--only", "a*", "--format", style)
        assert upstream.written_to.wait(20)
        process.send_signal(signal.SIGINT)
        wait_for(process, "again")
        process.send_signal(signal.SIGINT)
        out, said = process.communicate(timeout=5)
    assert process.returncode == 130
    if style == "json":
        document = json.loads(out)
        assert document["exit_code"] == 130
        told = [f"error[{d['code']}]: {d['summary']}" for d in document["diagnostics"]]
    else:
        told = [line for line in said.splitlines() if line.startswith("error")]
        assert out == ""
    assert len(told) == 1
    assert told[0].startswith("error[interrupted]: interrupted by SIGINT; calls in progress may")
    assert told[0].endswith("to see what is left, run: reconcile --target here plan --only 'a*'")


def test_an_interrupted_read_is_reported_in_one_line(tmp_path: Path) -> None:
    project = a_project(tmp_path)
    fault = project.write("../fault.yaml", '[{"kind": "hang", "method": "GET", "times": -1}]')
    with project.serving("--fault", fault) as url:
        project.config(url, api_key="${env:PORTKEY_API_KEY}")
        process = started(project, "-v", "plan")
        wait_for(process, "reading")
        process.send_signal(signal.SIGINT)
        out, said = process.communicate(timeout=20)
    assert out == ""
    assert [line for line in said.splitlines() if line] == [
        "error[interrupted]: interrupted by SIGINT; no plan was made, and nothing was written"
    ]


def test_a_probe_that_is_interrupted_twice_names_possible_leftovers(tmp_path: Path) -> None:
    project = a_project(tmp_path)
    with serving(Fault(kind=FaultKind.HANG_BEFORE, method="POST", times=-1)) as upstream:
        project.config(upstream.url, api_key="${env:PORTKEY_API_KEY}")
        process = started(project, "doctor", "--probe")
        assert upstream.written_to.wait(20)
        process.send_signal(signal.SIGINT)
        wait_for(process, "removing what the probe created")
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=5)
    assert process.returncode == 130
    assert "the probe may have left reconcile-probe-" in said
    assert "DELETE /integrations/SLUG" in said
    assert "sk-probe" not in said

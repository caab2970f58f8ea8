"""Shell completion, with the protocol of the scripts and in a real bash."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from reconciler.cli.completion import SHELLS, respond
from reconciler.cli.console import DOCUMENT_FORMATS, Console
from reconciler.cli.global_options import Invocation
from reconciler.cli.main import reconcile, run
from tests.cli.project import Here
from tests.cli.speaking import Listening
from tests.end_to_end.harness import COMMAND

CONFIG = """\
version: 1
default_target: first
targets:
  first: {base_url: 'simulator:', environment: blue}
  second: {base_url: 'simulator:'}
"""


def project(folder: Path) -> Here:
    here = Here(folder)
    here.write("reconcile.yaml", CONFIG)
    here.integration("alpha")
    here.write("integrations/two.yaml", "slug: beta\nname: B\n---\nslug: 'gamma' # a comment\n")
    here.write("environments/green/limits.yaml", "slug: alpha\nname: Green\n")
    return here


def complete(line: str, shell: str = "bash", *, folder: Path) -> list[str]:
    """Return the completions of the last word of a command line, which can be empty."""
    words = line.split(" ")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("COMP_WORDS", line)
        patch.setenv("COMP_CWORD", words[-1] if shell == "fish" else str(len(words) - 1))
        context = {"obj": Invocation(Console(stdin=None, stdout=None, stderr=None))}
        answer = respond(reconcile, f"{shell}_complete", context=context)
    lines = answer.splitlines()
    if shell == "zsh":
        return lines[1::3]
    return [line.partition(",")[2].partition("\t")[0] for line in lines if line]


@pytest.mark.parametrize(
    ("line", "values"),
    [
        ("reconcile hi", ["history"]),
        ("reconcile --target ", ["first", "second"]),
        ("reconcile plan --target s", ["second"]),
        ("reconcile plan --target = s", ["second"]),
        ("reconcile plan --target = first --only g", ["gamma"]),
        ("reconcile plan --exclude ", ["alpha", "beta", "gamma"]),
        ("reconcile get be", ["beta"]),
        ("reconcile pull alpha ga", ["gamma"]),
        ("reconcile plan --format ", list(DOCUMENT_FORMATS)),
        ("reconcile doctor --environment ", ["blue", "first", "green", "second"]),
        ("reconcile report github --environment bl", ["blue"]),
        ("reconcile scaffold bedr", ["bedrock", "bedrock-mantle"]),
        ("reconcile scaffold bedrock --auth ", ["accessKey", "assumedRole"]),
        ("reconcile explain --provider anthr", ["anthropic"]),
        ("reconcile explain models.en", ["models.enabled"]),
        ("reconcile explain unknown-fi", ["unknown-field"]),
        ("reconcile simulate --seed ", ["demo", "empty", "usage"]),
        ("reconcile completion ", ["bash", "zsh", "fish"]),
        ("reconcile help fleet ", ["apply", "drift", "plan"]),
        ("reconcile schema --kind drift", ["drift"]),
    ],
)
def test_values_come_from_the_files_and_the_program(
    tmp_path: Path, line: str, values: list[str]
) -> None:
    project(tmp_path)
    assert complete(line, folder=tmp_path) == values


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_a_value_after_an_equals_sign_keeps_its_option(tmp_path: Path, shell: str) -> None:
    project(tmp_path)
    found = complete("reconcile plan --target=s", shell, folder=tmp_path)
    assert found == ["--target=second"]


def test_the_folder_can_come_from_the_command_line(tmp_path: Path) -> None:
    project(tmp_path)
    (tmp_path / "desired-state").rename(tmp_path / "other")
    assert complete("reconcile get al", folder=tmp_path) == []
    assert complete("reconcile --dir other get al", folder=tmp_path) == ["alpha"]
    assert complete("reconcile get --dir other al", folder=tmp_path) == ["alpha"]


def test_the_folder_can_come_from_a_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project(tmp_path)
    (tmp_path / "desired-state").rename(tmp_path / "other")
    monkeypatch.setenv("RECONCILE_DIR", "other")
    assert complete("reconcile get al", folder=tmp_path) == ["alpha"]


def test_members_come_from_the_fleet_file(tmp_path: Path) -> None:
    members = "version: 1\nmembers:\n  - {name: north}\n  - {name: south}\n"
    (tmp_path / "fleet.yaml").write_text(members)
    (tmp_path / "small.yaml").write_text(members.replace("north", "nord"))
    assert complete("reconcile fleet plan --only n", folder=tmp_path) == ["north"]
    found = complete("reconcile fleet plan --file small.yaml --only n", folder=tmp_path)
    assert found == ["nord"]


def test_runs_are_completed_newest_first(tmp_path: Path) -> None:
    here = Here(tmp_path)
    here.integration("alpha")
    here.apply()
    here.integration("beta")
    here.apply()
    runs = [r["run"] for r in here.run("history", "--format", "json").json["runs"]]
    assert complete("reconcile undo ", folder=tmp_path) == runs[::-1]
    assert complete("reconcile --target other undo ", folder=tmp_path) == []


@pytest.mark.parametrize(
    "line",
    [
        "reconcile nosuch ",
        "reconcile --target ",
        "reconcile get ",
        "reconcile undo ",
        "reconcile history ",
        "reconcile scaffold nosuch --auth ",
        "reconcile explain --provider nosuch key",
        "reconcile fleet plan --only ",
        "reconcile help nosuch ",
        "reconcile plan --shard 9/3 --only ",
        "reconcile --log-format xml get ",
        "reconcile get --dir '/no such",
    ],
)
@pytest.mark.parametrize("damage", ["nothing", "broken", "absent", "folder", "list"])
def test_a_completion_never_fails(tmp_path: Path, line: str, damage: str) -> None:
    here = project(tmp_path)
    (here.state).mkdir()
    (here.state / "ledger.db").write_text("not a database")
    if damage == "absent":
        (here.files / "reconcile.yaml").unlink()
    elif damage != "nothing":
        text = {"broken": "targets: {a: [\n", "list": "[1, 2]\n", "folder": ""}[damage]
        for file in (here.files / "reconcile.yaml", here.files / "integrations" / "alpha.yaml"):
            file.unlink()
            if damage == "folder":
                file.mkdir()
            else:
                file.write_text(text)
    found = complete(line, folder=tmp_path)
    assert all(value.isprintable() for value in found)


def test_a_value_that_a_shell_would_interpret_is_left_out(tmp_path: Path) -> None:
    here = Here(tmp_path)
    names = ("$(touch x)", "`id`", "a b", "*", "-x", "ok", "a\\nb", "é;ls")
    quoted = "".join(f'  "{name}": {{base_url: "simulator:"}}\n' for name in names)
    here.write("reconcile.yaml", f"version: 1\ntargets:\n{quoted}")
    assert complete("reconcile --target ", folder=tmp_path) == ["ok"]


def request(here: Here, line: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a completion in a real process, with a secret in the environment and a shared ledger."""
    environment = {
        **here.environment,
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(line.split(" ")) - 1),
        "_RECONCILE_COMPLETE": "bash_complete",
        **variables,
    }
    return subprocess.run(
        COMMAND, cwd=here.folder, env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    ("variables", "answer"),
    [
        ({}, "plain,first\nplain,second\n"),
        ({"_RECONCILE_COMPLETE": "nosuch_complete"}, ""),
        ({"COMP_CWORD": "x"}, ""),
        ({"COMP_WORDS": "reconcile nosuch "}, ""),
    ],
)
def test_the_process_writes_only_to_stdout(
    tmp_path: Path, variables: dict[str, str], answer: str
) -> None:
    done = request(project(tmp_path), "reconcile --target ", **variables)
    assert (done.returncode, done.stdout, done.stderr) == (0, answer, "")


@pytest.mark.slow
def test_a_shared_ledger_is_not_contacted(tmp_path: Path) -> None:
    here = Here(tmp_path)
    here.integration("alpha")
    here.apply()
    url = "postgresql://user:sk-canary@127.0.0.1:1/ledger"
    done = request(here, "reconcile undo ", RECONCILE_LEDGER_URL=url)
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "", "")
    assert request(here, "reconcile undo ").stdout.startswith("plain,")


@pytest.mark.parametrize("shell", SHELLS)
def test_the_script_is_printed(shell: str) -> None:
    listening = Listening()
    assert run(["completion", shell], listening.console) == 0
    assert f"_RECONCILE_COMPLETE={shell}_complete" in listening.out
    assert listening.err == ""


@pytest.mark.slow
def test_bash_completes_with_the_script(tmp_path: Path) -> None:
    here = project(tmp_path)
    program = tmp_path / "bin" / "reconcile"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {shlex.join(COMMAND)} "$@"\n')
    program.chmod(0o755)
    script = """
        eval "$(reconcile completion bash)"
        COMP_WORDS=(reconcile plan --target = se) COMP_CWORD=4
        _reconcile_completion reconcile
        printf '%s\\n' "${COMPREPLY[@]}"
        complete -p reconcile
    """
    path = os.pathsep.join([str(program.parent), str(Path(sys.executable).parent), os.defpath])
    done = subprocess.run(
        ["bash", "--norc", "-c", script],
        cwd=here.folder,
        env={**here.environment, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    assert done.stdout.splitlines()[0] == "second"
    assert "-F _reconcile_completion reconcile" in done.stdout

"""Suggested commands do what the current command has shown, and nothing more."""

import json
import shlex
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from reconciler.cli.options import PLAN_PARAMETERS
from reconciler.views.sections import CommandContext, suggested_command
from tests.cli.project import Here
from tests.end_to_end.harness import Done

EVERYTHING = (
    *("--only", "al*", "--exclude", "it's $HOME", "--exclude", "b?ta", "--shard", "1/1"),
    *("--prune", "none", "--push-secrets", "--max-deletes", "4", "--max-credential-changes", "5"),
    *("--max-access-removals", "6", "--allow-replace", "--allow-empty", "--require-secrets"),
    *("--allow-budget", "--allow-used"),
)
"""Every option that shapes a plan, `--base` aside, which needs a repository."""


def suggested(text: str, command: str) -> list[str]:
    """Return the words of the one line that suggests a command."""
    lines = [line.strip() for line in text.splitlines() if f" {command} " in f"{line} "]
    found = [line for line in lines if line.startswith("reconcile ")]
    assert len(found) == 1, text
    return shlex.split(found[0])


def a_project(folder: Path) -> Here:
    """Return a project with one integration that is still to be created."""
    project = Here(folder)
    project.integration("alpha", description="as declared")
    return project


def options_of(words: Sequence[str]) -> list[tuple[str, ...]]:
    """Return options with their values, for a comparison that ignores order."""
    groups: list[list[str]] = []
    for word in words:
        if word.startswith("--"):
            groups.append([word])
        elif groups:
            groups[-1].append(word)
    return sorted(tuple(group) for group in groups)


@pytest.mark.parametrize("command", ["plan", "drift"])
def test_every_option_that_shaped_the_plan_is_repeated(tmp_path: Path, command: str) -> None:
    project = a_project(tmp_path)
    words = suggested(project.run(command, *EVERYTHING).out, "apply")
    assert words[:4] == ["reconcile", "--target", "here", "apply"]
    given = [group for group in options_of(words[4:]) if group[0] != "--expect-digest"]
    assert given == options_of(EVERYTHING)


def test_the_options_above_are_complete() -> None:
    named = {word[2:].replace("-", "_") for word in EVERYTHING if word.startswith("--")}
    assert named | {"base"} == PLAN_PARAMETERS


def test_options_from_the_environment_and_another_folder_are_repeated(tmp_path: Path) -> None:
    project = a_project(tmp_path)
    project.files.rename(tmp_path / "desired state")
    done = project.run(
        "plan", RECONCILE_DIR="desired state", RECONCILE_PLAN_ONLY="alpha", RECONCILE_TARGET="here"
    )
    words = suggested(done.out, "apply")
    assert words == [
        *("reconcile", "--target", "here", "--dir", "desired state", "apply", "--only", "alpha")
    ]
    assert project.run(*words[1:], "--yes").code == 0


@pytest.mark.parametrize("style", ["text", "markdown", "html"])
def test_a_saved_plan_is_named_in_every_format(tmp_path: Path, style: str) -> None:
    project = a_project(tmp_path)
    command = "reconcile --target here apply --only alpha &#x27;a plan.json&#x27;"
    command = command if style == "html" else command.replace("&#x27;", "'")
    done = project.run("plan", "--only", "alpha", "--out", "a plan.json", "--format", style)
    assert command in done.out
    # Named once: the command stands in the plan already.
    assert done.err == "saved the plan as a plan.json\n"
    assert command in project.run("show", "a plan.json", "--format", style).out


def test_a_plan_that_is_shown_again_repeats_its_options(tmp_path: Path) -> None:
    project = a_project(tmp_path)
    project.run("plan", *EVERYTHING, "--out", "plan.json")
    words = suggested(project.run("show", "plan.json").out, "apply")
    assert words[:4] == ["reconcile", "--target", "here", "apply"]
    assert words[-1] == "plan.json"
    assert options_of(words[4:-1]) == options_of(EVERYTHING)
    assert project.run(*words[1:], "--yes").code == 0


@pytest.mark.parametrize(
    "options",
    [
        ["--no-such-option"],
        ["--help"],
        ["--out", "elsewhere.json"],
        ["operand"],
        ["--only", "alpha", "--max-deletes", "many", "--no-such-option"],
        ["--shard", "9"],
    ],
)
def test_an_edited_plan_does_not_suggest_added_options(tmp_path: Path, options: list[str]) -> None:
    project = a_project(tmp_path)
    project.run("plan", "--out", "plan.json")
    file = project.folder / "plan.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "options": options}))
    done = project.run("show", "plan.json")
    words = suggested(done.out, "apply")
    assert set(words[4:-1]) <= {"--only", "alpha"}
    assert (done.code, done.err) == (0, "")


def test_a_command_is_never_broken_into_lines(tmp_path: Path) -> None:
    project = a_project(tmp_path)
    names = [f"--exclude=a-long-pattern-number-{number}" for number in range(20)]
    words = suggested(project.run("plan", *names).out, "apply")
    assert len(words) == 4 + 2 * 20


def refusal(done: Done) -> list[str]:
    """Return the words of the command in the hint of a refusal."""
    hints = [line for line in done.err.splitlines() if "run: reconcile" in line]
    assert len(hints) == 1, done.err
    return shlex.split(hints[0].partition("run: ")[2])


def test_an_apply_without_a_terminal_suggests_the_command_for_the_shown_plan(
    tmp_path: Path,
) -> None:
    project = a_project(tmp_path)
    done = project.run("apply", "--only", "alpha", "--max-deletes", "3")
    assert done.code == 3
    words = refusal(done)
    assert words[:8] == shlex.split("reconcile --target here apply --only alpha --max-deletes 3")
    assert project.run(*words[1:]).code == 0
    assert project.slugs() == ["alpha"]


def test_a_refused_approval_suggests_the_command_for_a_new_plan(tmp_path: Path) -> None:
    project = a_project(tmp_path)
    project.run("plan", "--only", "alpha", "--out", "p.json")
    project.integration("alpha", description="another")
    done = project.run("apply", "--only", "alpha", "p.json")
    assert done.code == 4
    again = refusal(done)
    assert again == shlex.split("reconcile --target here plan --only alpha --out p.json")
    assert project.run(*again[1:]).code == 0
    assert project.run("apply", "--only", "alpha", "p.json").code == 0
    wrong = project.run("apply", "--expect-digest", "sha256:0")
    assert refusal(wrong) == shlex.split("reconcile --target here plan --out PLAN")


@pytest.mark.parametrize(
    "odd", ["it's", "a b", "$HOME", "`id`", "x\ny", "\x1b[31m", "\u202e", "::error::", "\\n", "*"]
)
def test_a_shell_parses_quoted_arguments_unchanged(odd: str) -> None:
    context = CommandContext(("--dir", odd), ("--only", odd), None)
    text = suggested_command(odd, "plan", *context.plan_options, context=context)
    assert text.isprintable()
    script = text.replace("reconcile ", "printf '%s\\0' ", 1)
    done = subprocess.run(
        ["bash", "-c", script], capture_output=True, check=True, env={"LC_ALL": "C.UTF-8"}
    )
    assert done.stdout.decode().split("\0")[:-1] == [
        *("--target", odd, "--dir", odd, "plan", "--only", odd)
    ]


def test_an_abbreviated_digest_is_refused_and_the_hint_names_the_full_one(
    tmp_path: Path,
) -> None:
    project = a_project(tmp_path)
    text = project.run("plan").out
    (line,) = [line for line in text.splitlines() if line.startswith("digest: ")]
    digits = line.split()[1]
    assert len(digits) == 12
    for given in (digits, f"sha256:{digits}", digits[:7], "latest"):
        refused = project.run("apply", "--expect-digest", given)
        assert refused.code == 4
        assert "hint: pass the whole digest: `reconcile -v plan`" in refused.err
    (line,) = [line for line in project.run("-v", "plan").out.splitlines() if "digest: " in line]
    assert project.run("apply", "--expect-digest", line.split()[1]).code == 0

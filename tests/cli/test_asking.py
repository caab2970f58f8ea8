"""Prompt of an apply on a real terminal: its text, and the keys that answer it."""

import io
import os
import pty
import subprocess
import tty
from pathlib import Path

import pytest

from reconciler.cli.console import Console
from tests.cli.project import Here
from tests.end_to_end.harness import COMMAND, Done

PROMPT = "[y/N] "


class Screen(io.StringIO):
    """Terminal of a person who types at the prompt."""

    def __init__(self, keyboard: int, answer: str) -> None:
        super().__init__()
        self._keyboard = keyboard
        self._answer = answer

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        if text.endswith(PROMPT):
            # Only after the prompt was written, because the console drops earlier input.
            os.write(self._keyboard, self._answer.encode())
        return super().write(text)


def sitting(
    project: Here, *words: str, typed_ahead: str = "", answer: str = "\n", raw: bool = False
) -> Done:
    """Run a command while a person types before and at the prompt."""
    keyboard, terminal = pty.openpty()
    try:
        if raw:
            tty.setraw(terminal)
        os.write(keyboard, typed_ahead.encode())
        out, screen = io.StringIO(), Screen(keyboard, answer)
        with os.fdopen(os.dup(terminal), encoding="utf-8") as stdin:
            console = Console(stdin=stdin, stdout=out, stderr=screen)
            done = project.run(*words, "--no-color", console=console)
        return Done(done.code, out.getvalue(), screen.getvalue())
    finally:
        os.close(keyboard)
        os.close(terminal)


@pytest.mark.parametrize("raw", [False, True])
@pytest.mark.parametrize("keys", ["y\n", "yes\n", "y\n" * 50, "y", "\ny\n"])
def test_keys_typed_before_the_plan_was_shown_do_not_answer(
    tmp_path: Path, keys: str, raw: bool
) -> None:
    project = Here(tmp_path)
    project.integration("alpha")
    done = sitting(project, "apply", typed_ahead=keys, raw=raw)
    assert done.code == 4
    assert "create alpha" in done.err
    assert "error[declined]" in done.err
    assert project.slugs() == []


@pytest.mark.parametrize("style", ["text", "json"])
def test_keys_typed_at_the_prompt_answer_it(tmp_path: Path, style: str) -> None:
    project = Here(tmp_path)
    project.integration("alpha")
    done = sitting(project, "apply", "--format", style, typed_ahead="n\n", answer="y\n")
    assert done.code == 0, done.err
    assert project.slugs() == ["alpha"]


@pytest.mark.slow
def test_the_real_process_drops_keys_typed_ahead(tmp_path: Path) -> None:
    project = Here(tmp_path)
    project.integration("alpha")
    keyboard, terminal = pty.openpty()
    try:
        os.write(keyboard, b"y\n")
        with subprocess.Popen(
            [*COMMAND, "apply"],
            cwd=project.folder,
            env=project.environment,
            stdin=terminal,
            stdout=subprocess.DEVNULL,
            stderr=terminal,
        ) as process:
            # Otherwise reading would not end when the process does.
            os.close(terminal)
            screen = b""
            while PROMPT.encode() not in screen:
                screen += os.read(keyboard, 65536)
            os.write(keyboard, b"n\n")
            assert process.wait(timeout=60) == 4
    finally:
        os.close(keyboard)
    assert project.slugs() == []


def test_the_prompt_repeats_what_is_lost_directly_below_the_actions(
    tmp_path: Path,
) -> None:
    project = Here(tmp_path)
    for slug in ("alpha", "old-1", "old-2"):
        project.integration(slug, description="one")
    project.apply()
    project.integration("alpha", description="two", workspaces=[{"id": "ws-a", "enabled": True}])
    project.remove("old-1")
    project.remove("old-2")
    shown = sitting(project, "apply").err
    question = (
        "1 to update, 2 to delete (old-1, old-2); highest risk: delete. "
        "Apply to here\n  (simulator)? [y/N] "  # 80 columns
    )
    assert f"\n\n{question}" in shown
    notice, first = shown.index("notice[no-provider]"), shown.index("~ update alpha")
    assert notice < first < shown.index("- delete old-2") < shown.index(question)


def test_on_a_narrow_terminal_a_prompt_breaks_between_words_below_a_blank_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    project = Here(tmp_path)
    project.integration("a" * 70)  # a line that no terminal of this width can hold
    shown = sitting(project, "apply").err
    assert "\n\n1 to create; highest risk: additive. Apply to here\n  (simulator)? [y/N] " in shown


def test_a_prompt_for_many_deletes_names_the_first_and_counts_the_rest(tmp_path: Path) -> None:
    project = Here(tmp_path)
    slugs = [f"old-{number}" for number in range(7)]
    for slug in ("alpha", *slugs):
        project.integration(slug)
    project.apply()
    for slug in slugs:
        project.remove(slug)
    shown = sitting(project, "apply", "--max-deletes", "7").err
    assert "\n7 to delete (old-0, old-1, old-2, old-3, old-4 and 2 more); highest" in shown


def test_the_prompt_names_what_is_replaced(tmp_path: Path) -> None:
    project = Here(tmp_path)
    project.integration("alpha")
    project.apply()
    project.integration("alpha", ai_provider_id="anthropic")
    shown = sitting(project, "apply", "--allow-replace").err
    assert "\n1 to replace (alpha); highest risk: replace. Apply to here" in shown

"""Output to pipes and terminals, including closed ones."""

import io
import os
import tempfile
from pathlib import Path

import pytest

from reconciler.cli.console import Console
from reconciler.errors import InvalidInput
from tests.cli.project import Here


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def a_console(answer: str = "") -> tuple[Console, Terminal, Terminal]:
    out, err = Terminal(), Terminal()
    return Console(stdin=Terminal(answer), stdout=out, stderr=err), out, err


def test_data_goes_to_stdout_and_conversation_to_stderr() -> None:
    console, out, err = a_console()
    console.data("result")
    console.info("by the way")
    assert (out.getvalue(), err.getvalue()) == ("result\n", "by the way\n")


def test_a_long_message_is_broken_between_words_on_a_terminal() -> None:
    excerpt = (
        "   5 │ models: [{slug: gpt-5, enabled: true}, {slug: gpt-4, enabled: true}, {slug: o3}]"
    )
    console, _, err = a_console()
    console.warning(f"error[x]: {'word ' * 15}parsing a block\n{excerpt}\nhint: look again\n")
    console.info(
        "to write files for the integrations in the API, run: reconcile --target here pull"
    )
    assert err.getvalue() == (
        f"error[x]: {'word ' * 13}word\n  word parsing a block\n{excerpt}\nhint: look again\n"
        "to write files for the integrations in the API, run:\n  reconcile --target here pull\n"
    )


@pytest.mark.parametrize("folder", [None, "/nowhere"], ids=["disk", "memory"])
def test_a_large_result_needs_no_folder_for_temporary_files(
    monkeypatch: pytest.MonkeyPatch, folder: str | None
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", folder)
    console, out, _ = a_console()
    console.data_parts(["é" * 600_000, "\r\n", "b" * 600_000])
    assert out.getvalue() == "é" * 600_000 + "\r\n" + "b" * 600_000


def test_a_long_message_is_one_line_in_a_pipe() -> None:
    err = io.StringIO()
    Console(stdin=io.StringIO(), stdout=io.StringIO(), stderr=err).warning("word " * 40)
    assert err.getvalue().count("\n") == 1


def test_quiet_silences_conversation_but_not_problems() -> None:
    console, _, err = a_console()
    console.quiet = True
    console.info("by the way")
    console.warning("error: broken")
    assert err.getvalue() == "error: broken\n"


@pytest.mark.parametrize(
    ("answer", "agreed"),
    [("y\n", True), ("YES\n", True), ("\n", False), ("no\n", False), ("", False), ("yep\n", False)],
)
def test_only_yes_confirms(answer: str, agreed: bool) -> None:
    console, out, err = a_console(answer)
    assert console.confirm("Apply?", hint="--yes") is agreed
    assert err.getvalue() == "Apply? [y/N] " + ("" if answer else "\n")
    assert out.getvalue() == ""


def test_without_a_terminal_nothing_is_asked() -> None:
    err = io.StringIO()
    console = Console(stdin=io.StringIO("y\n"), stdout=io.StringIO(), stderr=err)
    with pytest.raises(InvalidInput) as caught:
        console.confirm("Apply?", hint="pass --yes")
    assert caught.value.exit_code == 3
    assert caught.value.hint == "pass --yes"
    assert err.getvalue() == ""


def test_a_closed_pipe_is_not_an_error() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as stream:
        console = Console(stdin=None, stdout=stream, stderr=None)
        console.data("one")
        console.data("two")
        assert console.has_written


def test_a_full_disk_is_reported_once_for_data_and_not_for_conversation() -> None:
    full = Path("/dev/full")
    with full.open("w") as out, full.open("w") as err:
        console = Console(stdin=None, stdout=out, stderr=err)
        console.info("by the way")
        conversation_lost = console.lost
        console.data("one")
        console.data("two")
    assert conversation_lost is None
    assert str(console.lost) == "[Errno 28] No space left on device: 'standard output'"


def test_closed_streams_are_ignored() -> None:
    console = Console(stdin=None, stdout=None, stderr=None)
    console.data("one")
    console.info("two")
    assert not console.colors_stdout
    assert not console.is_live


def test_only_a_terminal_has_a_width() -> None:
    console, *_ = a_console()
    assert console.stdout_width == console.stderr_width == 80
    pipe = Console(stdin=None, stdout=io.StringIO(), stderr=Terminal())
    assert (pipe.stdout_width, pipe.stderr_width) == (None, 80)


def test_the_plan_and_the_result_in_one_stream_name_the_target_once(tmp_path: Path) -> None:
    project = Here.with_examples(tmp_path)
    with (tmp_path / "log").open("w+", encoding="utf-8") as one:
        console = Console(stdin=None, stdout=one, stderr=one)
        assert project.run("apply", "--yes", console=console).code == 0
    text = (tmp_path / "log").read_text(encoding="utf-8")
    assert text.count("target simulator") == 1
    assert text.count("digest: ") == 1
    apart = project.run("apply", "--yes")
    assert apart.out.startswith("target simulator")
    assert apart.err.startswith("target simulator")

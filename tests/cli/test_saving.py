"""`--out`: files are replaced atomically, anything else is written directly."""

import errno
import json
import os
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from reconciler.cli import output
from reconciler.errors import InvalidInput
from tests.cli.project import Here


def listening(pipe: Path, heard: list[str]) -> threading.Thread:
    """Read a pipe to its end, in a daemon thread."""
    thread = threading.Thread(target=lambda: heard.append(pipe.read_text()), daemon=True)
    thread.start()
    return thread


def test_a_plan_can_be_saved_to_a_pipe_which_stays_one(tmp_path: Path) -> None:
    project, heard = Here(tmp_path), list[str]()
    project.integration("alpha")
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    thread = listening(pipe, heard)
    assert project.run("plan", "--out", "pipe").code == 0
    thread.join(10)
    assert stat.S_ISFIFO(pipe.lstat().st_mode)
    assert json.loads(heard[0])["kind"] == "plan"


def test_a_metrics_file_that_is_a_pipe_stays_one(tmp_path: Path) -> None:
    project, heard = Here(tmp_path), list[str]()
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    thread = listening(pipe, heard)
    assert project.run("plan", "--metrics-file", "pipe").code == 0
    thread.join(10)
    assert stat.S_ISFIFO(pipe.lstat().st_mode)
    assert "reconcile_" in heard[0]


@pytest.mark.parametrize("exists", [True, False])
def test_a_link_is_kept_and_its_target_is_written(tmp_path: Path, exists: bool) -> None:
    (tmp_path / "folder").mkdir()
    real, link = tmp_path / "folder" / "real.json", tmp_path / "link.json"
    if exists:
        real.write_text("old")
    link.symlink_to("folder/real.json")
    output.save(link, "new")
    assert link.is_symlink()
    assert real.read_text() == "new"
    assert sorted(p.name for p in (tmp_path / "folder").iterdir()) == ["real.json"]


def test_a_link_to_a_pipe_is_written_through(tmp_path: Path) -> None:
    heard = list[str]()
    pipe, link = tmp_path / "pipe", tmp_path / "link"
    os.mkfifo(pipe)
    link.symlink_to(pipe)
    thread = listening(pipe, heard)
    output.save(link, "text")
    thread.join(10)
    assert heard == ["text"]
    assert link.is_symlink()
    assert stat.S_ISFIFO(pipe.lstat().st_mode)


def test_a_link_to_an_open_pipe_without_a_name_is_written_through(tmp_path: Path) -> None:
    end, start = os.pipe()
    link = tmp_path / "link"
    link.symlink_to(f"/proc/self/fd/{start}")
    output.save(link, "text")
    os.close(start)
    with os.fdopen(end, encoding="utf-8") as stream:
        assert stream.read() == "text"


@pytest.mark.parametrize("name", ["/dev/fd/{}", "/proc/self/fd/{}", "a link"])
def test_an_open_file_is_appended_to_and_not_replaced(tmp_path: Path, name: str) -> None:
    place = tmp_path / "all.txt"
    with place.open("w") as stream:
        stream.write("before\n")
        stream.flush()
        out = Path(name.format(stream.fileno()))
        if name == "a link":
            out = tmp_path / "link"
            out.symlink_to(f"/dev/fd/{stream.fileno()}")
        output.save(out, "saved\n")
        stream.write("after\n")
    assert place.read_text() == "before\nsaved\nafter\n"


@pytest.mark.slow
@pytest.mark.parametrize("command", [("--out", "/dev/stdout"), ("--metrics-file", "/dev/stdout")])
def test_a_redirected_stdout_has_the_saved_file_and_the_output(
    tmp_path: Path, command: tuple[str, str]
) -> None:
    project, place = Here(tmp_path), tmp_path / "all.txt"
    project.integration("alpha")
    place.touch(mode=0o600)
    number = place.stat().st_ino
    with place.open("w") as stream:
        done = subprocess.run(
            [sys.executable, "-m", "reconciler", "plan", *command],
            cwd=tmp_path,
            env=dict(project.environment),
            stdout=stream,
            stderr=subprocess.PIPE,
            check=False,
        )
    text = place.read_text()
    assert (done.returncode, place.stat().st_ino) == (0, number)
    assert text.count("1 to create") == 1
    assert ('"kind":"plan"' in text) is (command[0] == "--out")
    assert ("reconcile_" in text) is (command[0] == "--metrics-file")
    assert stat.S_IMODE(place.stat().st_mode) == 0o600


def test_a_descriptor_that_is_not_open_cannot_be_saved_to(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput) as caught:
        output.save(Path("/dev/fd/987"), "text")
    assert [d.code for d in caught.value.diagnostics] == ["cannot-save"]


def test_an_error_of_a_direct_write_is_reported(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    gone = threading.Thread(target=lambda: pipe.open("rb").close(), daemon=True)
    gone.start()
    with pytest.raises(InvalidInput) as caught:
        output.save(pipe, "x" * 4_000_000)
    assert [d.code for d in caught.value.diagnostics] == ["cannot-save"]
    assert os.strerror(errno.EPIPE) in caught.value.diagnostics[0].summary


def test_a_loop_of_links_and_a_folder_cannot_be_saved_to(tmp_path: Path) -> None:
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    for place in (loop, tmp_path):
        with pytest.raises(InvalidInput) as caught:
            output.save(place, "text")
        assert [d.code for d in caught.value.diagnostics] == ["cannot-save"]
    assert loop.is_symlink()


def test_a_saved_file_is_replaced_atomically_without_leftover_files(tmp_path: Path) -> None:
    place = tmp_path / "plan.json"
    place.write_text("something much longer than what follows")
    output.save(place, "new")
    assert place.read_text() == "new"
    assert [p.name for p in tmp_path.iterdir()] == ["plan.json"]


@contextmanager
def umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


@pytest.mark.parametrize("mask", [0o077, 0o027, 0o002])
def test_a_new_file_has_the_mode_of_the_umask(tmp_path: Path, mask: int) -> None:
    project = Here(tmp_path)
    project.integration("alpha")
    with umask(mask):
        assert project.run("plan", "--out", "plan.json").code == 0
        project.apply()
        project.remove("alpha")
        assert project.run("pull").code == 0
    pulled = project.files / "integrations" / "alpha.yaml"
    for file in (tmp_path / "plan.json", pulled):
        assert stat.S_IMODE(file.stat().st_mode) == 0o666 & ~mask, file.name


def test_an_existing_file_keeps_its_mode(tmp_path: Path) -> None:
    project, place = Here(tmp_path), tmp_path / "plan.json"
    place.touch()
    place.chmod(0o640)
    with umask(0o022):
        assert project.run("plan", "--out", "plan.json").code == 0
    assert stat.S_IMODE(place.stat().st_mode) == 0o640
    assert json.loads(place.read_text())["kind"] == "plan"


def test_a_saved_plan_names_the_command_that_applies_it_once(tmp_path: Path) -> None:
    project = Here(tmp_path)
    project.integration("alpha")
    for style in ("text", "markdown", "json"):
        done = project.run("plan", "--out", "plan.json", "--format", style)
        assert (done.out + done.err).count("apply plan.json") == 1, style
    project.apply()
    done = project.run("plan", "--out", "plan.json")
    assert done.err == "saved the plan as plan.json\n"

"""Files that cannot be written: the message names the file and how to make it writable."""

import errno
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from reconciler.errors import write_hint
from tests.cli.project import Here


@contextmanager
def files_up_to(size: int) -> Iterator[None]:
    """Limit the size of files that this process writes, like a nearly full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.EACCES, "make the file and its folder writable"),
        (errno.EPERM, "make the file and its folder writable"),
        (errno.ENOSPC, "free some space"),
        (errno.EDQUOT, "free some space"),
        (errno.EROFS, "not mounted read-only"),
        (errno.ENAMETOOLONG, "shorter name"),
        (errno.ENOTDIR, "the folders above it are folders"),
        (errno.EIO, "check the permissions and the free space"),
    ],
)
def test_the_hint_depends_on_the_error(number: int, words: str) -> None:
    assert words in write_hint(OSError(number, "reason"))


@pytest.mark.parametrize("words", [("init",), ("--dir", "file/below", "init")])
def test_init_names_the_remedy(tmp_path: Path, words: tuple[str, ...]) -> None:
    project = Here(tmp_path)
    (tmp_path / "file").write_text("")
    with files_up_to(16):
        done = project.run(*words)
    assert done.code == 3
    assert "error[cannot-write]" in done.err
    assert "\nhint: check " in done.err


def test_a_file_that_fmt_cannot_write_keeps_its_content(tmp_path: Path) -> None:
    project = Here(tmp_path)
    file = project.integration("alpha")
    file.write_text(file.read_text().replace("slug: ", "slug:    "))
    before = file.read_bytes()
    with files_up_to(16):
        done = project.run("fmt")
    assert done.code == 3
    assert "hint: " in done.err
    assert file.read_bytes() == before
    assert [f.name for f in file.parent.iterdir()] == [file.name]


@pytest.mark.parametrize("size", [16, 4096])
def test_a_ledger_that_cannot_be_created_leaves_nothing_behind(tmp_path: Path, size: int) -> None:
    project = Here(tmp_path)
    project.integration("alpha")
    project.plan()
    before = sorted(project.state.iterdir())
    with files_up_to(size):
        done = project.run("apply", "--yes")
    assert done.code == 4
    assert "the ledger " in done.err
    assert ".new" not in done.err
    assert "restore it from a backup" not in done.err
    left = {path.name for path in set(project.state.iterdir()) - set(before)}
    assert left <= {"ledger.db.pepper"}
    done = project.run("apply", "--yes")
    assert done.code == 0, done.err
    assert "no-pepper" not in done.err


def test_the_state_of_the_simulator_has_the_same_hints(tmp_path: Path) -> None:
    project = Here(tmp_path)
    project.state.write_text("")
    done = project.run("plan")
    assert done.code == 1
    assert "error[simulator-state]" in done.err
    assert "[Errno" not in done.err
    assert "hint: check that the path is a file" in done.err

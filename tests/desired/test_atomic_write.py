"""Files are replaced atomically or left unchanged, without temporary files in their folder."""

import resource
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from reconciler.cli import output
from reconciler.desired.atomic_write import replace_file
from reconciler.errors import InvalidInput
from reconciler.fleet.checkpoint import Checkpoint, resume
from reconciler.fleet.outcome import FleetOperation
from reconciler.pull import working_copy

NAME = "run-1.json"


@contextmanager
def full_disk() -> Iterator[None]:
    """Fail every write that makes a file longer than ten bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def checkpoint(folder: Path) -> None:
    Checkpoint(folder, "run-1", FleetOperation.PLAN).save()


def saved(folder: Path) -> None:
    output.save(folder / NAME, "x" * 1000)


def pulled(folder: Path) -> None:
    working_copy.write(folder, {NAME: b"x" * 1000})


@pytest.mark.parametrize("write", [checkpoint, saved, pulled])
@pytest.mark.parametrize("before", [None, b"old"])
def test_a_failed_write_leaves_the_folder_unchanged(
    tmp_path: Path, write: Callable[[Path], None], before: bytes | None
) -> None:
    if before is not None:
        (tmp_path / NAME).write_bytes(before)
    with full_disk(), pytest.raises(InvalidInput):
        write(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ([] if before is None else [NAME])
    assert before is None or (tmp_path / NAME).read_bytes() == before


def test_a_checkpoint_is_readable_only_by_its_user_and_can_be_resumed(tmp_path: Path) -> None:
    checkpoint(tmp_path / "runs")
    assert stat.S_IMODE((tmp_path / "runs" / NAME).stat().st_mode) == 0o600
    assert resume(tmp_path / "runs", "run-1", operation=FleetOperation.PLAN).outcomes == {}


def test_a_file_keeps_its_mode_for_any_length_of_its_name(tmp_path: Path) -> None:
    path = tmp_path / ("n" * 255)
    path.touch(mode=0o640)
    replace_file(path, b"new")
    assert (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) == (b"new", 0o640)
    assert list(tmp_path.iterdir()) == [path]

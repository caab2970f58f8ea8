"""Lock of a target on this machine: one run at a time, released when its holder dies."""

import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from reconciler.errors import Refused
from reconciler.ledger.errors import LedgerError
from reconciler.ledger.location import TargetKey
from reconciler.ledger.lock import file_lock
from reconciler.ledger.models import Holder
from tests.ledger.builders import BASE_URL, KEY, ledger_in

HOLDER = Holder(pid=4711, host="runner-3", since="2026-03-01T10:00:00Z", run="r-1", actor="ada")
STAGING = TargetKey.of(name="staging", base_url=BASE_URL, organisation="org-1")

HOLD = """
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tests.ledger.builders import KEY
from tests.ledger.test_lock import HOLDER
from reconciler.ledger.lock import file_lock

with file_lock(Path(sys.argv[1]), KEY, HOLDER):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_run_is_refused_with_the_holder_of_the_lock(tmp_path: Path) -> None:
    with (
        ledger_in(tmp_path) as ledger,
        ledger.run_lock(KEY, HOLDER),
        pytest.raises(Refused) as stop,
        ledger.run_lock(KEY, HOLDER),
    ):
        raise AssertionError("two runs hold one lock")
    assert stop.value.code == "locked"
    assert stop.value.exit_code == 4
    for fact in ("4711", "runner-3", "2026-03-01T10:00:00Z", "r-1", "ada", "production"):
        assert fact in stop.value.summary


def test_an_organisation_learned_later_does_not_change_the_lock(tmp_path: Path) -> None:
    unknown = TargetKey.of(name="production", base_url=BASE_URL, organisation=None)
    with (
        file_lock(tmp_path, unknown, HOLDER),
        pytest.raises(Refused),
        file_lock(tmp_path, KEY, HOLDER),
    ):
        raise AssertionError("two runs hold one lock")


def test_other_targets_are_free(tmp_path: Path) -> None:
    with file_lock(tmp_path, KEY, HOLDER), file_lock(tmp_path, STAGING, HOLDER):
        assert len(list(tmp_path.glob("*.lock"))) == 2


def test_the_lock_is_free_after_a_run_and_after_a_failed_one(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), file_lock(tmp_path, KEY, HOLDER):
        raise ZeroDivisionError
    for _ in range(2):
        with file_lock(tmp_path, KEY, HOLDER):
            pass
    assert [f.read_text() for f in tmp_path.glob("*.lock")] == [""]


def test_the_lock_of_a_killed_holder_is_released(tmp_path: Path) -> None:
    other = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(Refused), file_lock(tmp_path, KEY, HOLDER):
            raise AssertionError("two processes hold one lock")
        other.kill()
        other.wait()
        with file_lock(tmp_path, KEY, Holder(pid=1, host="h", since="2026")):
            (file,) = tmp_path.glob("*.lock")
            assert '"pid": 1,' in file.read_text()


def test_a_name_that_is_not_a_file_name_can_be_locked(tmp_path: Path) -> None:
    odd = TargetKey("../etc/" + "x" * 300, "host")
    with file_lock(tmp_path, odd, HOLDER):
        (file,) = tmp_path.iterdir()
    assert file.parent == tmp_path


@contextmanager
def no_file_may_grow() -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_lock_file_that_cannot_be_written_is_a_ledger_error(tmp_path: Path) -> None:
    lock = file_lock(tmp_path, KEY, HOLDER)
    with pytest.raises(LedgerError) as stop, no_file_may_grow(), lock:
        pass
    assert stop.value.code == "ledger-unreachable"
    assert "File too large" in stop.value.summary


def test_a_folder_that_cannot_be_created_is_a_ledger_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LedgerError), file_lock(tmp_path / "file" / "x", KEY, HOLDER):
        raise AssertionError("there is no lock to hold")

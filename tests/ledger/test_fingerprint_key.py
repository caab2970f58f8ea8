"""The source of the fingerprint key, and ledgers without one."""

import os
import shutil
from pathlib import Path

from reconciler.domain.secrets import Pepper, Redacted
from reconciler.ledger.fingerprint_key import pepper_of
from reconciler.ledger.store import open_ledger
from tests.ledger.builders import KEY, PEPPER, ledger_in


def pepper_in(folder: Path, **more: object) -> Pepper | None:
    with ledger_in(folder, **more) as ledger:
        return ledger.pepper


def key_of(pepper: Pepper | None) -> str:
    assert pepper is not None
    return pepper.key.reveal()


def test_the_variable_is_used_and_leaves_no_file(tmp_path: Path) -> None:
    assert key_of(pepper_in(tmp_path)) == PEPPER
    assert key_of(pepper_in(tmp_path, pepper=f" {PEPPER}\n")) == PEPPER
    assert not (tmp_path / "ledger.db.pepper").exists()


def test_the_variable_can_contain_any_bytes(tmp_path: Path) -> None:
    pepper = pepper_in(tmp_path, pepper=os.fsdecode(b"\xff\xfe" + b"a" * 32))
    assert pepper is not None
    value = Redacted("canary")
    assert value.fingerprint(pepper).startswith(pepper.id)
    assert value.fingerprint(pepper) != value.fingerprint(pepper_of("a" * 32))


def test_without_the_variable_a_local_ledger_keeps_a_random_one(tmp_path: Path) -> None:
    first = pepper_in(tmp_path / "a", pepper=None)
    assert key_of(first) == key_of(pepper_in(tmp_path / "a", pepper=None))
    assert key_of(first) != key_of(pepper_in(tmp_path / "b", pepper=None))
    assert len(key_of(first)) == 64


def test_the_variable_takes_precedence_over_the_file(tmp_path: Path) -> None:
    pepper_in(tmp_path, pepper=None)
    assert key_of(pepper_in(tmp_path)) == PEPPER


def test_a_restored_ledger_without_its_pepper_stores_no_fingerprint_and_reports_it(
    tmp_path: Path,
) -> None:
    pepper_in(tmp_path / "here", pepper=None)
    (tmp_path / "there").mkdir()
    shutil.copy(tmp_path / "here" / "ledger.db", tmp_path / "there" / "ledger.db")
    with ledger_in(tmp_path / "there", pepper=None) as ledger:
        assert ledger.pepper is None
        assert ledger.last_applied(KEY).pepper is None
        assert [d.code for d in ledger.diagnostics] == ["no-pepper"]
    assert not (tmp_path / "there" / "ledger.db.pepper").exists()


def test_on_a_runner_only_the_variable_counts_and_no_key_file_is_created(
    tmp_path: Path,
) -> None:
    beside = tmp_path / "ledger.db.pepper"
    with ledger_in(tmp_path, pepper=None, on_runner=True) as ledger:
        assert ledger.pepper is None
        (found,) = ledger.diagnostics
    assert "cache" in found.summary
    assert "RECONCILE_LEDGER_PEPPER" in found.hint
    beside.write_text("from an earlier cache\n")
    with ledger_in(tmp_path, pepper=None, on_runner=True) as ledger:
        assert ledger.last_applied(KEY).pepper is None
    assert not beside.exists()
    assert key_of(pepper_in(tmp_path, on_runner=True)) == PEPPER
    assert not beside.exists()


def test_reading_creates_no_pepper(tmp_path: Path) -> None:
    with ledger_in(tmp_path, pepper=PEPPER):
        pass
    with open_ledger(None, path=tmp_path / "ledger.db", pepper=None, read_only=True) as ledger:
        assert ledger.pepper is None


def test_the_id_distinguishes_keys_without_revealing_them() -> None:
    one, other = pepper_of("one key"), pepper_of("other key")
    assert one.id == pepper_of("one key").id != other.id
    value = Redacted("value")
    assert value.fingerprint(one) == value.fingerprint(pepper_of("one key"))
    assert value.fingerprint(one) != value.fingerprint(other)
    assert "one key" not in repr(one) + value.fingerprint(one)


def test_an_empty_pepper_file_is_replaced_when_the_ledger_is_created(tmp_path: Path) -> None:
    beside = tmp_path / "ledger.db.pepper"
    beside.touch()
    assert len(key_of(pepper_in(tmp_path, pepper=None))) == 64
    assert [path.name for path in tmp_path.iterdir() if path.name.endswith(".new")] == []
    assert beside.stat().st_mode & 0o777 == 0o600

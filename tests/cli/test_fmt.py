"""`fmt`: the files that it names, writes and refuses."""

from pathlib import Path

import pytest

from reconciler.cli.main import run
from tests.cli.speaking import Listening

ORDERED = "slug: a\nname: A\nai_provider_id: openai\n"
UNORDERED = "name:   A\nslug: a\nai_provider_id: openai\n"


def outcome(*words: str) -> tuple[int, str, str]:
    listening = Listening()
    code = run(words, listening.console)
    return code, listening.out, listening.err


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "desired-state/integrations/a.yaml"
    path.parent.mkdir(parents=True)
    return path


def test_files_that_change_are_named_and_written(file: Path) -> None:
    file.write_text(UNORDERED)
    assert outcome("fmt") == (0, "desired-state/integrations/a.yaml\n", "")
    assert file.read_text() == ORDERED
    assert outcome("fmt") == (0, "", "")


def test_check_writes_nothing_and_exits_2_if_something_would_change(file: Path) -> None:
    file.write_text(UNORDERED)
    assert outcome("fmt", "--check") == (2, "desired-state/integrations/a.yaml\n", "")
    assert file.read_text() == UNORDERED
    file.write_text(ORDERED)
    assert outcome("fmt", "--check") == (0, "", "")


def test_if_one_file_cannot_be_read_none_is_written(file: Path) -> None:
    file.write_text(UNORDERED)
    file.with_name("b.yaml").write_text("slug: [")
    code, out, err = outcome("fmt")
    assert (code, out) == (3, "")
    assert "desired-state/integrations/b.yaml:" in err
    assert file.read_text() == UNORDERED


def test_a_file_keeps_its_mode_and_a_link_stays_a_link(file: Path) -> None:
    real = file.with_name("real.txt")
    real.write_text(UNORDERED)
    real.chmod(0o640)
    file.symlink_to(real)
    outcome("fmt")
    assert file.is_symlink()
    assert real.read_text() == ORDERED
    assert real.stat().st_mode & 0o777 == 0o640


def test_files_outside_the_desired_state_are_not_changed(file: Path) -> None:
    stray = file.parents[1] / "notes/x.yaml"
    stray.parent.mkdir()
    stray.write_text("b:   1")
    assert outcome("fmt") == (0, "", "")
    assert stray.read_text() == "b:   1"

"""Only regular files inside the directory are read, and never more than the limit."""

import os
import socket
from pathlib import Path

import pytest

from reconciler.desired.load import load
from reconciler.desired.source import DirectorySource
from tests.desired.building import CONFIG, OPENAI, TODAY, places


def repository(root: Path) -> Path:
    (root / "integrations").mkdir(parents=True)
    (root / "reconcile.yaml").write_text(CONFIG)
    (root / "integrations/a.yaml").write_text(OPENAI)
    return root


def codes(root: Path) -> list[tuple[str, str]]:
    found = load(root, target_name=None, today=TODAY).diagnostics
    return [(d.code, d.at.file.removeprefix(f"{root}/") if d.at else "") for d in found]


def test_paths_are_shown_as_the_user_gave_the_folder(tmp_path: Path) -> None:
    root = repository(tmp_path / "desired-state")
    state = load(root, target_name=None, today=TODAY).state
    assert state is not None
    assert state.integrations["a"].source.file == f"{root}/integrations/a.yaml"


def test_a_fifo_is_refused_without_waiting_for_a_writer(tmp_path: Path) -> None:
    root = repository(tmp_path)
    os.mkfifo(root / "integrations/pipe.yaml")
    assert codes(root) == [("not-a-file", "integrations/pipe.yaml")]


def test_a_socket_is_not_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = repository(tmp_path)
    # The path of a socket is limited to about a hundred characters.
    monkeypatch.chdir(root / "integrations")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket.yaml")
        assert codes(root) == [("not-a-file", "integrations/socket.yaml")]


def test_a_huge_file_is_refused_without_reading_it(tmp_path: Path) -> None:
    root = repository(tmp_path)
    with (root / "integrations/huge.yaml").open("wb") as file:
        file.truncate(200 * 1024 * 1024)
    assert codes(root) == [("file-too-large", "integrations/huge.yaml")]


def test_links_must_not_point_outside(tmp_path: Path) -> None:
    root = repository(tmp_path / "repository")
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "b.yaml").write_text(OPENAI)
    (root / "integrations/b.yaml").symlink_to(outside / "b.yaml")
    (root / "integrations/folder").symlink_to(outside)
    (root / "integrations/up.yaml").symlink_to("../../outside/b.yaml")
    assert codes(root) == [
        ("symlink", "integrations/b.yaml"),
        ("symlink", "integrations/folder"),
        ("symlink", "integrations/up.yaml"),
    ]


def test_links_inside_are_read_and_dangling_ones_are_not(tmp_path: Path) -> None:
    root = repository(tmp_path)
    (root / "shared").mkdir()
    (root / "shared/b.yaml").write_text(OPENAI.replace("slug: a", "slug: b"))
    (root / "integrations/b.yaml").symlink_to("../shared/b.yaml")
    assert codes(root) == []
    (root / "integrations/c.yaml").symlink_to("../shared/c.yaml")
    assert codes(root) == [("unreadable", "integrations/c.yaml")]


def test_hidden_files_are_ignored(tmp_path: Path) -> None:
    root = repository(tmp_path)
    (root / "integrations/.draft.yaml").write_text("slug: [")
    (root / "integrations/.git").mkdir()
    (root / "integrations/.git/x.yaml").write_text("slug: [")
    assert codes(root) == []


def test_the_total_size_of_files_is_limited(tmp_path: Path) -> None:
    root = repository(tmp_path)
    filler = "#" * (1024 * 1024 - 100) + "\n"
    for number in range(65):
        slug = f"b{number:02}"
        text = filler + OPENAI.replace("slug: a", f"slug: {slug}")
        (root / f"integrations/{slug}.yaml").write_text(text)
    assert codes(root) == [("files-too-large", "integrations/b64.yaml")]


@pytest.mark.parametrize("missing", ["folder", "file"])
def test_a_missing_configuration_is_named(tmp_path: Path, missing: str) -> None:
    root = tmp_path / "desired-state"
    if missing == "file":
        repository(root)
        (root / "reconcile.yaml").unlink()
    result = load(root, target_name=None, today=TODAY)
    assert result.state is None
    assert [d.code for d in result.diagnostics] == ["missing-config"]
    assert f"{root}/reconcile.yaml" in result.diagnostics[0].summary


@pytest.mark.parametrize(
    ("started", "named", "written"),
    [
        (".", "desired-state/integrations", "desired-state"),
        ("desired-state", "desired-state", "."),
        ("desired-state/integrations", "desired-state", ".."),
    ],
)
def test_a_command_in_the_wrong_folder_suggests_the_right_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, started: str, named: str, written: str
) -> None:
    repository(tmp_path / "desired-state")
    monkeypatch.chdir(tmp_path / started)
    # The files in the wrong folder are valid, so no other problem is reported.
    (only,) = load(Path(named), target_name=None, today=TODAY).diagnostics
    assert only.code == "missing-config"
    assert f"`--dir {written}`" in only.hint


def test_a_link_without_a_target_is_named(tmp_path: Path) -> None:
    root = repository(tmp_path)
    (root / "integrations/b.yaml").symlink_to("nowhere.yaml")
    (only,) = load(root, target_name=None, today=TODAY).diagnostics
    assert only.code == "unreadable"
    assert "symbolic link" in only.hint


def test_a_name_that_is_not_utf8_can_be_shown(tmp_path: Path) -> None:
    root = repository(tmp_path)
    with open(os.fsencode(root) + b"/integrations/\xff.yaml", "w") as file:  # noqa: PTH123  bytes
        file.write("slug: [")
    found = load(root, target_name=None, today=TODAY).diagnostics
    assert "\\udcff.yaml" in places(found)[0][1]


def test_files_are_listed_in_one_order(tmp_path: Path) -> None:
    root = repository(tmp_path)
    for name in ("z.yml", "B.yaml", "a/b.yaml"):
        path = root / "integrations" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("")
    assert DirectorySource(root).paths() == [
        "integrations/B.yaml",
        "integrations/a.yaml",
        "integrations/a/b.yaml",
        "integrations/z.yml",
        "reconcile.yaml",
    ]

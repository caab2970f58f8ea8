"""A link or a file in place of a folder is an error wherever the folder is read or written."""

from pathlib import Path

import pytest

from tests.cli.project import Here
from tests.fleet.project import FleetProject

LAYOUT = [
    "integrations",
    "integrations/team",
    "access",
    "environments",
    "environments/live",
    "environments/other",
]
READING: list[tuple[str, ...]] = [
    ("validate",),
    ("render",),
    ("fmt", "--check"),
    ("plan",),
    ("apply", "--yes"),
    ("drift",),
    ("pull",),
]


@pytest.fixture
def project(tmp_path: Path) -> Here:
    here = Here(tmp_path, prune="all")
    here.config(prune="all", environment="live")
    here.integration("alpha")
    here.integration("beta")
    (here.files / "integrations/team").mkdir()
    (here.files / "integrations/beta.yaml").rename(here.files / "integrations/team/beta.yaml")
    here.write("access/alpha.yaml", "alpha: {workspaces: [{id: ws-a, enabled: true}]}\n")
    here.write("environments/live/alpha.yaml", "alpha: {description: live}\n")
    here.write("environments/other/alpha.yaml", "alpha: {description: other}\n")
    here.apply()
    return here


def linked(folder: Path, elsewhere: Path) -> Path:
    """Replace the folder by a link to it, and return its new path."""
    folder.rename(elsewhere)
    folder.symlink_to(elsewhere)
    return elsewhere


def content(folder: Path) -> dict[str, bytes]:
    return {str(p): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.mark.slow
@pytest.mark.parametrize("name", LAYOUT)
@pytest.mark.parametrize("where", ["outside", "inside", "nowhere"])
def test_a_linked_folder_of_the_layout_is_an_error_for_every_command(
    project: Here, name: str, where: str
) -> None:
    elsewhere = project.files / "shared" if where == "inside" else project.folder / "shared"
    there = linked(project.files / name, elsewhere)
    if where == "nowhere":
        there.rename(project.folder / "gone")
    before = content(project.folder)
    for words in READING:
        done = project.run("-vv", *words)
        assert done.code == 3, words
        assert f"error[symlink]: desired-state/{name} is a symbolic link" in done.err + done.out
        assert "GET" not in done.err
    after = content(project.folder)
    assert {p: c for p, c in after.items() if p in before} == before
    assert [p for p in after.keys() - before.keys() if ".reconcile" not in p] == []


@pytest.mark.parametrize("name", ["integrations", "access", "environments/live"])
def test_init_writes_nothing_beside_a_linked_folder(project: Here, name: str) -> None:
    linked(project.files / name, project.folder / "shared")
    (project.files / "reconcile.yaml").unlink()
    done = project.run("init")
    assert done.code == 3
    assert f"error[symlink]: desired-state/{name} is a symbolic link" in done.err
    assert not (project.files / "reconcile.yaml").exists()


@pytest.mark.parametrize("name", ["integrations", "access", "environments"])
def test_a_file_in_the_place_of_a_folder_is_an_error(project: Here, name: str) -> None:
    (project.files / name).rename(project.folder / "shared")
    (project.files / name).write_text("../shared")
    for words in READING:
        done = project.run(*words)
        assert done.code == 3, words
        assert f"error[not-a-folder]: desired-state/{name} is a file" in done.err + done.out


def test_a_linked_state_folder_is_an_error_for_every_use(project: Here) -> None:
    linked(project.state, project.folder / "shared")
    before = content(project.folder / "shared")
    for words in (*READING[3:], ("history",), ("doctor",), ("list",), ("undo", "x")):
        done = project.run(*words)
        assert done.code == 3, words
        assert "error[symlink]" in done.err
        assert ".reconcile is a symbolic link" in done.err
    assert content(project.folder / "shared") == before
    assert project.run("validate").code == 0


def test_a_dangling_link_as_state_folder_is_an_error(tmp_path: Path) -> None:
    project = Here(tmp_path)
    project.integration("alpha")
    project.state.symlink_to(tmp_path / "gone")
    assert project.run("apply", "--yes").code == 3
    assert not (tmp_path / "gone").exists()


def test_the_folder_of_the_dir_option_can_be_a_link(project: Here) -> None:
    linked(project.files, project.folder / "shared")
    assert project.plan()["actions"] == []


def test_a_target_without_the_folder_of_its_environment_is_an_error(project: Here) -> None:
    (project.files / "environments/live").rename(project.folder / "shared")
    for words in READING:
        if words[0] == "fmt":
            continue  # the format of a file does not depend on targets
        done = project.run(*words)
        assert done.code == 3, words
        assert "error[missing-environment]" in done.err + done.out
        assert "reconcile.yaml:" in done.err + done.out


def test_a_folder_without_an_overlay_is_not_an_error(project: Here) -> None:
    (project.files / "environments/live/alpha.yaml").unlink()
    done = project.run("plan", "--format", "json")
    assert done.code == 0
    assert "missing-environment" in {d["code"] for d in done.json["diagnostics"]}


def test_a_linked_state_folder_of_a_fleet_is_an_error(tmp_path: Path) -> None:
    fleet = FleetProject(tmp_path)
    fleet.member("one")
    (tmp_path / "shared").mkdir()
    (tmp_path / ".reconcile").symlink_to(tmp_path / "shared")
    done = fleet.fleet("plan")
    assert (done.code, done.json["diagnostics"][0]["code"]) == (3, "symlink")
    assert list((tmp_path / "shared").iterdir()) == []

"""Edited files are written all or none, and never over a concurrent change by another program."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from reconciler.desired.source import DirectorySource
from reconciler.errors import InvalidInput
from reconciler.pull.working_copy import WorkingCopy, refuse_links_out_of, write


def folder(tmp_path: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def edited(root: Path) -> WorkingCopy:
    """Return a copy with one edited file, one new file and one removed file."""
    copy = WorkingCopy(DirectorySource(root))
    copy.put("integrations/a.yaml", b"slug: edited\n")
    copy.put("integrations/new.yaml", b"slug: new\n")
    copy.drop("integrations/gone.yaml")
    return copy


FILES = {
    "integrations/a.yaml": "slug: a\n",
    "integrations/gone.yaml": "slug: gone\n",
    "integrations/other.yaml": "slug: other\n",
}


def test_files_that_are_unchanged_since_the_read_are_written(tmp_path: Path) -> None:
    root = folder(tmp_path, FILES)
    copy = edited(root)
    (root / "integrations/other.yaml").write_text("another edit\n")
    write(root, copy.changed, before=copy.before)
    assert (root / "integrations/a.yaml").read_bytes() == b"slug: edited\n"
    assert (root / "integrations/new.yaml").read_bytes() == b"slug: new\n"


@pytest.mark.parametrize("name", ["a", "new", "gone"])
@pytest.mark.parametrize("text", ["another edit\n", ""])
def test_a_file_edited_in_the_meantime_stops_all_writes(
    tmp_path: Path, name: str, text: str
) -> None:
    root = folder(tmp_path, FILES)
    copy = edited(root)
    (root / f"integrations/{name}.yaml").write_text(text)
    _is_refused(root, copy)


@pytest.mark.parametrize("name", ["a", "gone"])
def test_a_file_removed_in_the_meantime_stops_all_writes(tmp_path: Path, name: str) -> None:
    root = folder(tmp_path, FILES)
    copy = edited(root)
    (root / f"integrations/{name}.yaml").unlink()
    _is_refused(root, copy)


def _is_refused(root: Path, copy: WorkingCopy) -> None:
    before = {path: path.read_bytes() for path in root.rglob("*.yaml")}
    with pytest.raises(InvalidInput) as caught:
        write(root, copy.changed, before=copy.before)
    assert [found.code for found in caught.value.diagnostics] == ["file-changed"]
    assert {path: path.read_bytes() for path in root.rglob("*.yaml")} == before


@pytest.mark.parametrize(
    ("link", "to", "is_refused"),
    [
        ("environments/prod/x.yaml", "environments/dev/x.yaml", True),
        ("environments/prod/x.yaml", "integrations/a.yaml", True),
        ("environments/prod/x.yaml", "environments/prod-2/x.yaml", True),
        ("environments/prod/x.yaml", "environments/prod/deep/x.yaml", False),
    ],
)
def test_a_link_out_of_the_folder_is_refused(
    tmp_path: Path, link: str, to: str, *, is_refused: bool
) -> None:
    root = folder(tmp_path, {to: "a: {}\n"})
    (root / link).parent.mkdir(parents=True, exist_ok=True)
    (root / link).symlink_to(root / to)
    found = []
    try:
        refuse_links_out_of("environments/prod", root, [link, "environments/prod/new.yaml"])
    except InvalidInput as problem:
        found = [item.code for item in problem.diagnostics]
    assert found == (["symlink"] if is_refused else [])

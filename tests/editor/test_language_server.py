"""An editor marks the errors that `validate` reports, on the same lines."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from reconciler.cli.main import run
from reconciler.desired.documents import MODELINE
from tests.cli.speaking import Listening
from tests.editor.bad_files import OPENAI, OTHERS, SEEN, STRICTER, UNSEEN

pytestmark = pytest.mark.needs_system


def _repository(folder: Path, texts: Mapping[str, str]) -> dict[Path, str]:
    """Write the files into a folder that `init` has created, and return what is wrong in each."""
    assert run(["--dir", str(folder), "init"], Listening().console) == 0
    files = {}
    for number, (what, text) in enumerate(texts.items()):
        file = folder / f"integrations/f{number}.yaml"
        slug = "" if text.startswith("slug:") else f"slug: f{number}\n"
        file.write_text(f"{MODELINE}{slug}{text}", encoding="utf-8")
        files[file] = what
    return files


def _validated(folder: Path) -> dict[Path, int]:
    """Return the line of the first error of `validate` in each file that has one."""
    listening = Listening()
    run(["--dir", str(folder), "validate", "--format", "json"], listening.console)
    lines: dict[Path, int] = {}
    for found in json.loads(listening.out)["diagnostics"]:
        if found["severity"] == "error":
            file = Path(found["file"])
            lines[file] = min(found["line"], lines.get(file, found["line"]))
    return lines


def test_an_editor_marks_the_first_line_that_validate_reports(
    tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    # Imported here, because the oldest versions are tested without Node.js.
    from tests.editor.language_server import install, language_server

    folder = tmp_path / "desired-state"
    taken = {"a correct file": "slug: taken\n" + OPENAI}
    files = _repository(folder, {**taken, **SEEN, **UNSEEN, **STRICTER})
    assert pytestconfig.cache is not None
    program = install(pytestconfig.cache.mkdir("yaml-language-server"))
    with language_server(program, folder) as server:
        errors = server.errors(list(files))
    validated = _validated(folder)
    reported = {what: validated.get(file) for file, what in files.items()}
    marked = {what: errors[file][0][0] if errors[file] else None for file, what in files.items()}
    assert {what: marked[what] for what in SEEN} == {what: reported[what] for what in SEEN}
    assert [what for what in SEEN if reported[what] is None] == []
    assert [what for what in UNSEEN if marked[what] or not reported[what]] == []
    assert [what for what in STRICTER if reported[what] or not marked[what]] == []
    assert marked["a correct file"] is None


def test_an_editor_checks_the_other_files_by_the_schemas_of_init(
    tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    from tests.editor.language_server import install, language_server

    folder = tmp_path / "desired-state"
    assert run(["--dir", str(folder), "init"], Listening().console) == 0
    initialised = folder / "written-by-init.yaml"
    (folder / "reconcile.yaml").rename(initialised)
    expected: dict[Path, int | None] = {initialised: None}
    for name, (schema, text, line) in OTHERS.items():
        file = (folder / name).resolve()
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"# yaml-language-server: $schema={schema}\n{text}", encoding="utf-8")
        expected[file] = line
    assert pytestconfig.cache is not None
    program = install(pytestconfig.cache.mkdir("yaml-language-server"))
    with language_server(program, folder) as server:
        errors = server.errors(list(expected))
    marked = {file: found[-1][0] if found else None for file, found in errors.items()}
    assert marked == expected

"""Errors of a whole file: several integrations in one document, a wrong slug, a stray file."""

from pathlib import Path

import pytest

from reconciler.desired.load import check
from reconciler.desired.source import DirectorySource
from reconciler.diagnostics import Severity
from tests.desired.building import CONFIG, OPENAI, TODAY, files, loaded, places

TWO = "- slug: a\n  name: A\n  ai_provider_id: openai\n- slug: b\n  name: B\n"


@pytest.mark.parametrize(
    "text",
    [
        TWO,
        f"integrations:\n{TWO}",
        "a:\n  name: A\n  ai_provider_id: openai\nb: {name: B}\n",
        "integration:\n  slug: a\n  name: A\n",
    ],
)
def test_several_integrations_in_one_document_are_one_error(text: str) -> None:
    # The fragment names one of them, which is not a separate error.
    access = "a: {workspaces: [{id: w, enabled: true}]}\n"
    (only,) = loaded({"integrations/all.yaml": text, "access/a.yaml": access}).diagnostics
    assert only.code == "wrong-type"
    assert "separate integrations by a line `---`" in only.hint


def test_the_suggestion_of_the_hint_is_valid() -> None:
    text = f"{OPENAI}---\nslug: b\nname: B\nai_provider_id: openai\n"
    state = loaded({"integrations/all.yaml": text}).state
    assert state is not None
    assert set(state.integrations) == {"a", "b"}


@pytest.mark.parametrize("folder", ["access", "environments/production"])
def test_a_list_in_a_file_by_slug_gets_a_hint_with_the_right_form(folder: str) -> None:
    content = {"integrations/a.yaml": OPENAI, f"{folder}/a.yaml": "- slug: a\n"}
    found = loaded(content, target="production").diagnostics
    (only,) = [d for d in found if d.code == "wrong-type"]
    assert only.hint.startswith("write `SLUG:`")


@pytest.mark.parametrize(
    ("slug", "suggested"),
    [("Open AI", "Open-AI"), ("openai.prod", "openai-prod"), ("öpenai", "openai")],
)
@pytest.mark.parametrize("other", ["access/x.yaml", "environments/production/x.yaml"])
def test_a_wrong_slug_is_the_only_error(slug: str, suggested: str, other: str) -> None:
    overlay = {"access/x.yaml": "workspaces: []"}.get(other, "name: B")
    content = {
        "integrations/openai.yaml": OPENAI.replace("slug: a", f"slug: {slug}"),
        "environments/production/ok.yaml": "",
        other: f"openai-prod: {{{overlay}}}\n",
    }
    (only,) = loaded(content, target="production").diagnostics
    assert (only.code, only.at and only.at.line) == ("invalid-value", 1)
    assert only.hint == f"write a slug such as `{suggested}`"


@pytest.mark.parametrize(
    ("written", "folder"),
    [
        ("prod", "production"),
        ("prd", "production"),
        ("stg", "staging"),
        ("dev", "development"),
        ("production", "prod"),
        ("Production", "production"),
        ("prodution", "production"),
    ],
)
def test_a_misspelled_environment_is_reported_at_its_line(written: str, folder: str) -> None:
    config = CONFIG.replace("environment: production", f"environment: {written}")
    content = {"integrations/a.yaml": OPENAI, f"environments/{folder}/a.yaml": "a: {name: B}\n"}
    # One cause, one report: the folder is misspelled, not stray.
    (only,) = check(files(dict(content), config=config), target_name=None, today=TODAY)
    assert only.hint == f"did you mean `{folder}`?"
    line = config.splitlines()[4]
    assert places((only,)) == [
        ("missing-environment", "reconcile.yaml", 5, line.index(f" {written}}}") + 2)
    ]


STRAY = ["a.json", "b.yaml.bak", "c.yml~", "d.txt", "openai", "e.toml", "f.yaml.disabled"]
NOT_STRAY = ["README.md", "NOTES.markdown", "README", "OWNERS", "keys.sops.json", ".gitkeep"]


@pytest.mark.parametrize("folder", ["integrations", "integrations/eu", "access"])
def test_a_file_that_is_not_yaml_is_reported_without_its_content(
    tmp_path: Path, folder: str
) -> None:
    (tmp_path / "reconcile.yaml").write_text(CONFIG)
    (tmp_path / "DIAGNOSTICS.md").write_text("# Diagnostics\n")
    (tmp_path / folder).mkdir(parents=True)
    for name in (*STRAY, *NOT_STRAY):
        (tmp_path / folder / name).write_text('{"key": "canary-5c1d"}')
    found = check(DirectorySource(tmp_path), target_name="simulator", today=TODAY)
    stray = [d for d in found if d.code == "stray-file"]
    assert {d.at.file for d in stray if d.at} == {f"{tmp_path}/{folder}/{n}" for n in STRAY}
    assert {d.severity for d in stray} == {Severity.WARNING}
    assert "canary" not in repr(found)


def test_many_stray_files_are_counted(tmp_path: Path) -> None:
    (tmp_path / "reconcile.yaml").write_text(CONFIG)
    (tmp_path / "integrations").mkdir()
    for number in range(40):
        (tmp_path / f"integrations/{number:02}.txt").touch()
    found = check(DirectorySource(tmp_path), target_name="simulator", today=TODAY)
    assert len(found) == 11
    assert found[-1].summary == "integrations/10.txt and 29 more files are not read"


@pytest.mark.parametrize("name", ["reconcile.yml", "Reconcile.yaml", "fleet.yml"])
def test_a_nearly_right_file_name_gets_a_hint_to_rename_it(name: str) -> None:
    (only,) = loaded({name: "version: 1\n"}).diagnostics
    assert only.code == "stray-file"
    assert only.hint == f"rename it to {name.lower().replace('.yml', '.yaml')}"


def test_an_overlay_outside_a_folder_gets_a_hint_to_move_it() -> None:
    content = {"integrations/a.yaml": OPENAI, "environments/production.yaml": "a: {name: B}\n"}
    (only,) = loaded(content).diagnostics
    assert only.code == "stray-file"
    assert "move it to environments/production/" in only.hint

"""`init` creates an empty, valid repository and overwrites nothing."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from reconciler.cli.main import run
from reconciler.desired.init_files import recorded_source
from tests.cli.project import Here
from tests.cli.speaking import Listening


def outcome(*words: str) -> tuple[int, str, str]:
    listening = Listening()
    code = run(words, listening.console)
    return code, listening.out, listening.err


KINDS = ["access", "overlay", "config", "fleet"]
SCHEMAS = ["desired-state/schema.json", *(f"desired-state/schemas/{kind}.json" for kind in KINDS)]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PORTKEY_BASE_URL", raising=False)
    return tmp_path


def test_an_initialised_folder_is_valid_and_in_sync(folder: Path) -> None:
    code, out, err = outcome("init")
    wrote = ["desired-state/reconcile.yaml", *SCHEMAS, ".gitignore"]
    assert (code, out.splitlines()) == (0, [f"wrote {name}" for name in wrote])
    assert "reconcile --target production pull" in err
    assert (folder / ".gitignore").read_text() == ".reconcile/\n"
    assert "default_target" not in (folder / "desired-state/reconcile.yaml").read_text()
    assert outcome("validate")[:2] == (
        0,
        "desired-state: no problem found; no integration is declared in integrations/\n",
    )
    code, out, _ = outcome("plan", "--target", "simulator")
    assert code == 0
    assert "No changes" in out
    assert outcome("fmt", "--check")[0] == 0


def test_a_second_run_keeps_and_names_everything(folder: Path) -> None:
    outcome("init", "--with-workflows")
    before = {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    code, out, _ = outcome("init", "--with-workflows")
    assert code == 0
    assert [line.partition(" ")[0] for line in out.splitlines()] == ["kept"] * 10
    assert {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()} == before


def test_existing_files_are_not_overwritten(folder: Path) -> None:
    (folder / "desired-state").mkdir()
    config = folder / "desired-state/reconcile.yaml"
    config.write_text("mine")
    (folder / ".gitignore").write_text("*.log")
    _, out, _ = outcome("init")
    assert config.read_text() == "mine"
    assert (folder / ".gitignore").read_text() == "*.log\n.reconcile/\n"
    assert out.splitlines() == [
        "kept  desired-state/reconcile.yaml",
        *(f"wrote {name}" for name in SCHEMAS),
        "added .reconcile/ to .gitignore",
    ]


def test_a_dangling_link_counts_as_existing(folder: Path) -> None:
    (folder / "desired-state").mkdir()
    link = folder / "desired-state/reconcile.yaml"
    link.symlink_to(folder / "nowhere")
    outcome("init")
    assert link.is_symlink()
    assert not (folder / "nowhere").exists()


SOURCE = "acme/reconcile@" + "0123456789abcdef" * 2 + "01234567"


def workflow(folder: Path, job: str) -> Any:
    text = (folder / f".github/workflows/reconcile-{job}.yml").read_text(encoding="utf-8")
    return yaml.load(text, Loader=yaml.BaseLoader)  # noqa: S506  `on` stays a string


def test_workflows_call_those_of_a_repository_and_commit(folder: Path) -> None:
    code, _, err = outcome("init", "--with-workflows", "--workflows-from", SOURCE)
    assert code == 0
    assert "replace" not in err
    repository, _, commit = SOURCE.partition("@")
    for job in ("plan", "apply", "drift"):
        called = workflow(folder, job)["jobs"][job]
        assert called["uses"] == f"{repository}/.github/workflows/{job}.yml@{commit}"
        assert "steps" not in called
    apply = workflow(folder, "apply")
    # A plan is accepted only from the workflow file of this name.
    assert apply["jobs"]["apply"]["with"]["plan-workflow"] == "reconcile-plan.yml"
    assert "digest" in apply["on"]["workflow_dispatch"]["inputs"]


def test_an_unknown_source_becomes_a_placeholder_that_no_repository_has(folder: Path) -> None:
    _, _, err = outcome("init", "--with-workflows")
    placeholder = f"OWNER/REPO/.github/workflows/plan.yml@{'0' * 40}"
    assert workflow(folder, "plan")["jobs"]["plan"]["uses"] == placeholder
    assert f"replace OWNER/REPO@{'0' * 40}" in err


@pytest.mark.parametrize(
    ("url", "is_known"),
    [
        ("https://github.com/acme/reconcile", True),
        ("https://github.com/acme/reconcile.git", True),
        ("ssh://git@github.com/acme/reconcile.git", True),
        ("https://github.com.example/acme/reconcile", False),
        ("https://gitlab.com/acme/reconcile", False),
        ("https://github.com/acme/reconcile/../other", False),
        ("file:///home/dev/reconcile", False),
    ],
)
def test_the_source_is_the_github_commit_that_pip_recorded(url: str, is_known: bool) -> None:
    commit = SOURCE.partition("@")[2]
    record = {"url": url, "vcs_info": {"vcs": "git", "commit_id": commit}}
    found = recorded_source(json.dumps(record))
    assert str(found) == (SOURCE if is_known else "None")


@pytest.mark.parametrize(
    "record", [None, "", "{}", "[]", "no JSON", '{"url": "x", "dir_info": {}}']
)
def test_another_installation_has_no_source(record: str | None) -> None:
    assert recorded_source(record) is None


@pytest.mark.parametrize(
    "source",
    ["acme/reconcile@v1", "acme/reconcile@main", "acme/reconcile", f"acme@{'0' * 40}", "a/b@abc"],
)
def test_a_source_that_is_not_a_commit_is_refused_before_anything_is_written(
    folder: Path, source: str
) -> None:
    code, _, err = outcome("init", "--with-workflows", "--workflows-from", source)
    assert code == 3
    assert "--workflows-from" in err
    assert list(folder.iterdir()) == []


def test_workflows_are_written_to_the_root_of_the_repository(folder: Path) -> None:
    (folder / ".git").mkdir()
    outcome("--dir", "teams/search team [1]/state", "init", "--with-workflows")
    apply = workflow(folder, "apply")
    assert apply["on"]["push"]["paths"] == [r"teams/search team \[1\]/state/**"]
    assert apply["jobs"]["apply"]["with"]["directory"] == "teams/search team [1]/state"
    assert (folder / "teams/search team [1]/.gitignore").exists()


@pytest.mark.parametrize(
    ("head", "branch"),
    [("ref: refs/remotes/origin/trunk\n", "trunk"), ("0123\n", "main"), (None, "main")],
)
def test_workflows_apply_the_default_branch_of_the_clone(
    folder: Path, head: str | None, branch: str
) -> None:
    if head is not None:
        file = folder / ".git/refs/remotes/origin/HEAD"
        file.parent.mkdir(parents=True)
        file.write_text(head)
    outcome("init", "--with-workflows")
    assert workflow(folder, "apply")["on"]["push"]["branches"] == [branch]


@pytest.mark.parametrize(
    ("there", "said"),
    [
        (None, "write .github/CODEOWNERS"),
        ("CODEOWNERS", "edit CODEOWNERS"),
        ("docs/CODEOWNERS", "edit docs/CODEOWNERS"),
    ],
)
def test_with_workflows_init_recommends_reviewers_of_the_rules(
    folder: Path, there: str | None, said: str
) -> None:
    if there is not None:
        (folder / there).parent.mkdir(exist_ok=True)
        (folder / there).write_text("* @mine")
    _, out, err = outcome("--dir", "our state", "init", "--with-workflows")
    _, beginning, config, workflows, _ = err.splitlines()
    assert beginning.startswith(said)
    assert config == r"  /our\ state/reconcile.yaml  @YOUR-ORG/YOUR-TEAM"
    assert workflows == "  /.github/  @YOUR-ORG/YOUR-TEAM"
    assert "CODEOWNERS" not in out


def test_without_workflows_init_does_not_mention_reviewers(folder: Path) -> None:
    assert "CODEOWNERS" not in outcome("init")[2]


def test_files_name_the_schema_that_init_writes(folder: Path) -> None:
    modeline = "# yaml-language-server: $schema=../schema.json"
    assert modeline not in outcome("scaffold", "anthropic")[1]
    outcome("init")
    assert (folder / "desired-state/schema.json").read_text() == outcome("schema")[1]
    text = outcome("scaffold", "anthropic")[1]
    assert text.splitlines()[0] == modeline
    file = folder / "desired-state/integrations/anthropic.yaml"
    file.write_text(text)
    assert outcome("validate")[0] == 0
    assert outcome("fmt", "--check")[0] == 0
    assert (file.parent / "../schema.json").resolve().is_file()


@pytest.mark.parametrize("kind", KINDS)
def test_init_writes_the_schemas_of_the_other_files(folder: Path, kind: str) -> None:
    outcome("init")
    written = (folder / f"desired-state/schemas/{kind}.json").read_text()
    assert written == outcome("schema", "--kind", kind)[1]


def test_the_configuration_names_its_schema(folder: Path) -> None:
    outcome("init")
    file = folder / "desired-state/reconcile.yaml"
    first = file.read_text().splitlines()[0]
    assert first == "# yaml-language-server: $schema=schemas/config.json"


def test_pulled_files_name_the_schema_if_there_is_one(folder: Path) -> None:
    project = Here(folder)
    project.integration("alpha")
    project.apply()
    project.remove("alpha")
    assert project.run("pull").code == 0
    file = project.files / "integrations/alpha.yaml"
    assert "yaml-language-server" not in file.read_text()
    file.unlink()
    project.write("schema.json", "{}")
    assert project.run("pull").code == 0
    assert file.read_text().startswith("# yaml-language-server: $schema=../schema.json\nslug:")
    assert project.run("pull", "--force").code == 0
    assert file.read_text().count("yaml-language-server") == 1
    assert project.run("validate").code == 0

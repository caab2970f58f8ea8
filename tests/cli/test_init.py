"""A repository begins empty and valid, and nothing that is there is overwritten."""

from pathlib import Path

import pytest
import yaml

from reconciler import __version__
from reconciler.cli.main import run
from tests.cli.speaking import Listening


def outcome(*words: str) -> tuple[int, str, str]:
    listening = Listening()
    code = run(words, listening.console)
    return code, listening.out, listening.err


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PORTKEY_BASE_URL", raising=False)
    return tmp_path


def test_an_initialised_folder_is_valid_and_there_is_nothing_to_do(folder: Path) -> None:
    code, out, err = outcome("init")
    assert (code, out) == (0, "wrote desired-state/reconcile.yaml\nwrote .gitignore\n")
    assert "reconcile pull" in err
    assert (folder / ".gitignore").read_text() == ".reconcile/\n"
    assert "default_target" not in (folder / "desired-state/reconcile.yaml").read_text()
    assert outcome("validate")[:2] == (0, "desired-state: no problem found\n")
    code, out, _ = outcome("plan", "--target", "simulator")
    assert code == 0
    assert "No changes" in out
    assert outcome("fmt", "--check")[0] == 0


def test_a_second_time_everything_is_kept_and_named(folder: Path) -> None:
    outcome("init", "--with-workflows")
    before = {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    code, out, _ = outcome("init", "--with-workflows")
    assert code == 0
    assert [line.partition(" ")[0] for line in out.splitlines()] == ["kept"] * 5
    assert {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()} == before


def test_what_is_there_is_not_overwritten(folder: Path) -> None:
    (folder / "desired-state").mkdir()
    config = folder / "desired-state/reconcile.yaml"
    config.write_text("mine")
    (folder / ".gitignore").write_text("*.log")
    _, out, _ = outcome("init")
    assert config.read_text() == "mine"
    assert (folder / ".gitignore").read_text() == "*.log\n.reconcile/\n"
    assert out == "kept  desired-state/reconcile.yaml\nadded .reconcile/ to .gitignore\n"


def test_a_link_that_leads_nowhere_counts_as_being_there(folder: Path) -> None:
    (folder / "desired-state").mkdir()
    link = folder / "desired-state/reconcile.yaml"
    link.symlink_to(folder / "nowhere")
    outcome("init")
    assert link.is_symlink()
    assert not (folder / "nowhere").exists()


def test_workflows_name_a_target_a_version_and_no_more_rights_than_reading(folder: Path) -> None:
    outcome("init", "--with-workflows")
    for job in ("plan", "apply", "drift"):
        text = (folder / f".github/workflows/reconcile-{job}.yml").read_text()
        workflow = yaml.safe_load(text)
        assert workflow["permissions"] == {"contents": "read"}
        steps = workflow["jobs"][job]["steps"]
        assert [step["uses"].partition("@")[0] for step in steps if "uses" in step] == [
            "actions/checkout",
            "actions/setup-python",
        ]
        assert all(len(s["uses"].partition("@")[2]) == 40 for s in steps if "uses" in s)
        assert f"portkey-reconciler=={__version__}" in steps[2]["run"]
        assert f"reconcile --dir desired-state {job} --target production" in steps[3]["run"]
        assert "${{" not in steps[3]["run"]


def test_workflows_lie_at_the_root_of_the_repository(folder: Path) -> None:
    (folder / ".git").mkdir()
    outcome("--dir", "teams/search team/state", "init", "--with-workflows")
    workflow = yaml.safe_load((folder / ".github/workflows/reconcile-apply.yml").read_text())
    assert workflow[True]["push"]["paths"] == ["teams/search team/state/**"]
    command = workflow["jobs"]["apply"]["steps"][3]["run"]
    check, apply = command.splitlines()
    assert check == "reconcile --dir 'teams/search team/state' github check-commit"
    assert apply.startswith("reconcile --dir 'teams/search team/state' apply --target production")
    assert (folder / "teams/search team/.gitignore").exists()


@pytest.mark.parametrize(
    ("there", "said"),
    [
        (None, "write .github/CODEOWNERS"),
        ("CODEOWNERS", "edit CODEOWNERS"),
        ("docs/CODEOWNERS", "edit docs/CODEOWNERS"),
    ],
)
def test_whoever_takes_the_workflows_is_told_to_name_who_reviews_the_rules(
    folder: Path, there: str | None, said: str
) -> None:
    if there is not None:
        (folder / there).parent.mkdir(exist_ok=True)
        (folder / there).write_text("* @mine")
    _, out, err = outcome("--dir", "our state", "init", "--with-workflows")
    beginning, config, workflows, _ = err.splitlines()
    assert beginning.startswith(said)
    assert config == r"  /our\ state/reconcile.yaml  @YOUR-ORG/YOUR-TEAM"
    assert workflows == "  /.github/  @YOUR-ORG/YOUR-TEAM"
    assert "CODEOWNERS" not in out


def test_without_workflows_nobody_is_told_of_reviews(folder: Path) -> None:
    assert "CODEOWNERS" not in outcome("init")[2]

"""`pull` on the command line: the embedded simulator, files on disk, and messages."""

import json
from pathlib import Path

import pytest

from reconciler.cli.main import run
from tests.cli.scene import scene
from tests.cli.speaking import Listening

CONFIG = 'version: 1\ndefault_target: here\ntargets:\n  here: {base_url: "simulator:"}\n'
OPENAI = "slug: a\nname: A\nai_provider_id: openai\nkey: ${env:SECRET_A_KEY}\ndescription: old\n"


def outcome(*words: str) -> tuple[int, str, str]:
    listening = Listening()
    code = run(words, listening.console)
    return code, listening.out, listening.err


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder in which one integration has been applied and its file is gone."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SECRET_A_KEY", "sk-canary-0123456789")
    monkeypatch.delenv("PORTKEY_BASE_URL", raising=False)
    files = tmp_path / "desired-state/integrations"
    files.mkdir(parents=True)
    (files.parent / "reconcile.yaml").write_text(CONFIG)
    (files / "a.yaml").write_text(OPENAI)
    assert outcome("apply", "--yes")[0] == 0
    (files / "a.yaml").unlink()
    return files


def test_it_writes_existing_integrations_and_the_plan_is_empty(folder: Path) -> None:
    code, out, err = outcome("pull")
    assert (code, err) == (0, "")
    assert out.splitlines()[0].startswith("target here · host simulator · ledger: ")
    assert out.splitlines()[2:] == [
        "wrote  desired-state/integrations/a.yaml",
        "",
        "a key: matches the mask (env:SECRET_A_KEY)",
        "",
        out.splitlines()[-1],
    ]
    assert out.splitlines()[-1].startswith("1 integration, 0 differences, ")
    assert "description: old\nkey: ${env:SECRET_A_KEY}\n" in (folder / "a.yaml").read_text()
    assert outcome("plan", "--detailed-exitcode")[0] == 0
    assert outcome("fmt", "--check")[0] == 0


def test_without_its_value_a_pulled_secret_is_unverified(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SECRET_A_KEY")
    code, out, _ = outcome("pull")
    assert code == 0
    assert out.endswith("1 integration, 0 differences, 1 secret unverified\n")
    assert outcome("plan", "--detailed-exitcode")[0] == 0


def test_without_ledger_and_value_the_plan_is_empty_for_any_placeholder(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SECRET_A_KEY")
    (folder.parents[1] / ".reconcile/ledger.db").unlink()
    assert outcome("pull")[0] == 0
    code, out, _ = outcome("plan", "--format", "json", "--detailed-exitcode")
    assert (code, json.loads(out)["summary"]["unverified_secrets"]) == (0, 1)


def test_an_existing_file_is_edited_and_reported_as_edited(folder: Path) -> None:
    (folder / "a.yaml").write_text(OPENAI.replace("old", "'new' # why"))
    code, out, _ = outcome("pull", "a")
    assert code == 0
    assert "edited desired-state/integrations/a.yaml" in out
    assert (folder / "a.yaml").read_text() == OPENAI.replace("old", "'old' # why")
    _, out, _ = outcome("pull", "a")
    assert "edited" not in out


def test_an_invalid_template_is_bad_input(folder: Path) -> None:
    for template in ("kv/{slug}", "${vault:kv/ai#key}", "${env:PORTKEY_{slug}}"):
        code, out, err = outcome("pull", "--secret-template", template)
        assert (code, out) == (3, "")
        assert "--secret-template" in err
    assert list(folder.iterdir()) == []


def test_an_unknown_slug_is_bad_input_and_changes_nothing(folder: Path) -> None:
    code, _, err = outcome("pull", "b")
    assert code == 3
    assert "error[no-such-integration]" in err
    assert list(folder.iterdir()) == []


def test_only_reads_are_sent(folder: Path) -> None:
    before = json.loads(outcome("list", "--format", "json")[1])
    outcome("pull", "--all", "--force")
    assert json.loads(outcome("list", "--format", "json")[1]) == before


def test_a_failed_write_leaves_no_partial_file(folder: Path) -> None:
    (folder / "a.yaml").mkdir()
    code, _, err = outcome("pull")
    assert code in {1, 3}
    assert "a.yaml" in err
    assert [path.name for path in folder.iterdir()] == ["a.yaml"]


def test_a_skipped_integration_is_exit_5_and_named_in_the_last_line(
    tmp_path: Path,
) -> None:
    with scene(tmp_path) as at:
        at.exists("fine")
        at.exists("odd", name="${env:SECRET_KEY}")
        done = at.run("pull")
        assert done.code == 5
        assert "error[not-writable]: odd" in done.err
        lines = done.out.splitlines()
        assert lines[-3] == (
            "1 integration in the API is not declared here: odd; the next plan would delete it"
        )
        assert lines[-1].startswith("1 integration, 1 difference, ")
        assert lines[-1].endswith("; 1 left out: odd")
        assert [p.name for p in (at.project.files / "integrations").iterdir()] == ["fine.yaml"]
        plan = at.run("plan", "--format", "json").json
        assert [(a["action"], a["slug"]) for a in plan["actions"]] == [("delete", "odd")]

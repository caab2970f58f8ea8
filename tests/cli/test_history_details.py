"""`history RUN` and `history SLUG`: the changes of a run, and the history of an integration."""

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from reconciler.ledger.location import TargetKey
from reconciler.ledger.store import open_ledger
from tests.cli.project import FIRST, SECOND, Here, built_once
from tests.ledger.builders import record_run

CANARY = "canary-7c1e5a"


def runs(project: Here, *options: str) -> list[Any]:
    found: list[Any] = project.run("history", "--format", "json", *options).json["runs"]
    return found


def newest(project: Here) -> str:
    return str(runs(project)[-1]["run"])


def text(project: Here, *words: str) -> str:
    done = project.run("history", *words)
    assert done.code == 0, done.err
    return done.out


@built_once
def lived(folder: Path) -> Here:
    """Create alpha and beta, rename alpha, rotate the secret of both, and delete beta."""
    project = Here(folder)
    project.integration("alpha")
    project.integration("beta")
    project.apply(GITHUB_ACTOR="ada")
    project.integration("alpha", name="Alpha Two")
    project.apply(GITHUB_ACTOR="grace", GITHUB_SHA="c0ffee0123456789")
    project.environment["SECRET_KEY"] = SECOND
    project.apply(GITHUB_ACTOR="grace")
    project.remove("beta")
    project.apply(GITHUB_ACTOR="ada")
    return project


def test_the_list_names_the_first_integrations_of_a_run(tmp_path: Path) -> None:
    project = Here(tmp_path)
    for slug in ("alpha", "beta", "delta", "gamma", "omega"):
        project.integration(slug)
    project.apply()
    project.remove("omega")
    project.apply()
    heading, first, second = text(project).splitlines()[2:5]
    assert heading.split()[-1] == "integrations"
    assert first.endswith("  alpha, beta, delta and 2 more")
    assert second.endswith("  omega")
    assert [run["slugs"] for run in runs(project)][1] == ["omega"]


def test_a_run_shows_each_action_with_the_values_before_and_after(tmp_path: Path) -> None:
    project = lived(tmp_path)
    created, renamed, rotated, deleted = (str(run["run"]) for run in runs(project))
    lines = text(project, renamed).splitlines()
    assert f"Run {renamed}" in lines
    assert "by grace · commit c0ffee012" in lines
    assert lines[lines.index("~ update alpha: applied") + 1] == '    ~ name: "Alpha" → "Alpha Two"'
    assert lines[-1] == f"    reconcile --target here undo {renamed}"
    assert "+ create beta: applied" in text(project, created)
    assert "key: (secret) reference env:SECRET_KEY (rotate: " in text(project, rotated)
    assert "- delete beta: applied" in text(project, deleted)


def test_a_run_as_json_has_its_changes_and_calls(tmp_path: Path) -> None:
    project = lived(tmp_path)
    before = runs(project)[1]
    document = project.run("history", before["run"], "--format", "json").json
    (run,) = document["runs"]
    assert run.pop("calls")[0]["operation"] == "update-integration"
    assert run == before
    assert (document["kind"], document["total"]) == ("history", 1)
    (action,) = run["changes"]
    assert (action["slug"], action["action"], action["status"]) == ("alpha", "update", "applied")
    (change,) = action["changes"]
    assert (change["path"], change["op"]) == ("name", "replace")
    assert (change["before"], change["after"]) == ("Alpha", "Alpha Two")


def test_the_history_of_an_integration_names_who_changed_it(tmp_path: Path) -> None:
    project = lived(tmp_path)
    lines = [line for line in text(project, "beta").splitlines() if "  " in line[:18]]
    events = [line.partition("  ")[2].partition(" · run ")[0] for line in lines if line[0] == "2"]
    assert events == ["created by ada", "updated, secret rotated by grace", "deleted by ada"]
    alpha = runs(project, "alpha")
    assert [[a["action"] for a in run["changes"]] for run in alpha] == [
        ["create"],
        ["update"],
        ["update"],
    ]
    assert {o["slug"] for run in alpha for o in run["outcomes"]} == {"alpha"}


def test_changes_outside_runs_are_named(tmp_path: Path) -> None:
    project = Here(tmp_path)
    project.integration("alpha")
    project.apply()
    other = project.elsewhere()
    other.integration("alpha", name="Changed By Hand")
    outside = ("--dir", str(other.files), "apply", "--yes", "--no-ledger")
    assert project.run(*outside).code == 0
    project.apply()
    assert "changed in the API, outside Git" in text(project, "alpha")
    assert "changed in the API, outside Git" in text(project, newest(project))


def test_an_integration_deleted_outside_runs_is_shown_as_created_again(tmp_path: Path) -> None:
    project = Here(tmp_path)
    project.integration("alpha")
    project.apply()
    (project.state / "simulator.db").unlink()
    project.apply()
    lines = text(project, "alpha").splitlines()
    assert lines[-1] == "    had been deleted outside of runs"
    assert sum("created by" in line for line in lines) == 2


@built_once
def with_canaries(folder: Path) -> Here:
    """Apply a header and an unknown field, each with values that must not be shown."""
    project = Here(folder, SECRET_HEADER=f"header-{CANARY}")
    headers = {"authorization": "${env:SECRET_HEADER}", "x-team": f"literal-{CANARY}"}
    project.integration("alpha")
    project.apply()
    project.integration(
        "alpha",
        configurations={"custom_headers": headers, "unheard_of": {"deep": f"unknown-{CANARY}"}},
    )
    project.apply()
    return project


@pytest.mark.parametrize("options", [(), ("-v",), ("--format", "json")])
@pytest.mark.parametrize("subject", ["run", "slug", "list"])
def test_no_value_of_a_secret_or_an_unknown_field_is_shown(
    tmp_path: Path, subject: str, options: tuple[str, ...]
) -> None:
    project = with_canaries(tmp_path)
    run = newest(project)
    assert len(runs(project)) == 2
    words = {"run": (run,), "slug": ("alpha",), "list": ()}[subject]
    shown = project.run("history", *words, *options)
    assert shown.code == 0, shown.err
    for secret in (CANARY, FIRST):
        assert secret not in shown.out + shown.err
        assert secret.encode() not in (project.state / "ledger.db").read_bytes()


def edit_records(project: Here, edit: Callable[[Any], object]) -> None:
    with closing(sqlite3.connect(project.state / "ledger.db")) as connection, connection:
        rows = connection.execute("SELECT run, slug, document FROM pre_images").fetchall()
        for run, slug, document in rows:
            stored = json.loads(document)
            edit(stored)
            connection.execute(
                "UPDATE pre_images SET document = ? WHERE run = ? AND slug = ?",
                (json.dumps(stored), run, slug),
            )


def forget_changes(project: Here) -> None:
    """Change the record to that of release 0.1, which stored only the paths."""
    edit_records(project, lambda stored: stored.pop("changes"))


@pytest.mark.parametrize("options", [(), ("-v",), ("--format", "json")])
def test_the_value_of_a_field_that_became_a_secret_is_not_shown(
    tmp_path: Path, options: tuple[str, ...]
) -> None:
    project = Here(tmp_path)
    project.integration("alpha")
    project.apply()

    def record_openly(stored: Any) -> None:
        (key,) = (change for change in stored["changes"] if change["path"] == "key")
        key |= {"sensitive": False, "after": CANARY}

    edit_records(project, record_openly)
    for subject in (newest(project), "alpha"):
        assert CANARY not in text(project, subject, *options)
    assert "key: (secret)" in text(project, newest(project))


def test_an_older_record_shows_the_paths(tmp_path: Path) -> None:
    project = lived(tmp_path)
    forget_changes(project)
    _, renamed, rotated, _ = (str(run["run"]) for run in runs(project))
    assert "    ~ name (value not recorded)" in text(project, renamed).splitlines()
    assert "    ~ key (value not recorded)" in text(project, "beta").splitlines()
    (run,) = runs(project, rotated)
    assert run["changes"][0]["changes"] == [{"path": "key", "op": "rotate", "sensitive": True}]


def test_an_altered_record_of_changes_is_detected(tmp_path: Path) -> None:
    project = lived(tmp_path)
    forget_changes(project)
    assert project.run("history", "--verify").code == 1


def test_older_runs_are_listed_page_by_page(tmp_path: Path) -> None:
    project = lived(tmp_path)
    names = [run["run"] for run in runs(project)]
    page = project.run("history", "--before", names[3], "--limit", "2", "--format", "json").json
    assert ([run["run"] for run in page["runs"]], page["total"]) == (names[1:3], 3)
    assert "Showing the newest 2 of 3 runs" in text(project, "--before", names[3], "--limit", "2")
    assert "Showing the newest 1 of 3 runs." in text(project, "alpha", "--limit", "1")
    assert [run["run"] for run in runs(project, "alpha", "--before", names[1])] == names[:1]


def test_a_failed_run_shows_the_error_and_the_planned_actions(tmp_path: Path) -> None:
    project = Here(tmp_path)
    project.integration("alpha", key=None)
    assert project.run("apply", "--yes").code == 5
    lines = text(project, newest(project)).splitlines()
    assert "+ create alpha: failed" in lines
    assert '    + name: "Alpha"' in lines
    assert not any("undo" in line for line in lines)
    assert "create: failed, by " in text(project, "alpha")


def test_an_unfinished_run_is_shown(tmp_path: Path) -> None:
    project = Here(tmp_path)
    key = TargetKey.of(name="here", base_url="simulator:", organisation="org-1")
    project.state.mkdir()
    with open_ledger(None, path=project.state / "ledger.db", pepper="a pepper") as ledger:
        record_run(ledger, "r1", "alpha", "beta", key=key, stop_before_answer=True)
    shown = text(project, "r1", "-v")
    assert "finished: unfinished" in shown
    assert "~ update alpha: unfinished" in shown
    assert "call update-integration: no response recorded" in shown
    assert "update: unfinished, by ada" in text(project, "alpha")
    assert text(project).splitlines()[3].endswith("unfinished  alpha")


def test_many_actions_are_listed_without_their_changes(tmp_path: Path) -> None:
    project = Here(tmp_path)
    for number in range(25):
        project.integration(f"many-{number:02}")
    project.apply()
    run = newest(project)
    short, whole = text(project, run), text(project, run, "-v")
    assert short.count("+ name:") == 20
    assert short.count("+ create many-") == 25
    assert "The changes of 5 more actions are not shown; list them with -v." in short
    assert whole.count("+ name:") == 25


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("nosuch",), "not-in-history"),
        (("--before", "nosuch"), "unknown-run"),
        (("alpha", "--verify"), "usage"),
        (("RUN", "--limit", "3"), "usage"),
        (("RUN", "alpha"), "usage"),
        (("--limit", "3", "--all"), "usage"),
    ],
)
def test_an_unknown_run_or_slug_is_bad_input(
    tmp_path: Path, words: tuple[str, ...], code: str
) -> None:
    project = lived(tmp_path)
    given = [newest(project) if word == "RUN" else word for word in words]
    done = project.run("history", *given, "--format", "json")
    assert done.code == 3
    assert done.json["diagnostics"][0]["code"] == code


def test_a_run_on_another_target_is_not_shown(tmp_path: Path) -> None:
    project = lived(tmp_path)
    targets = "{here: {base_url: 'simulator:'}, other: {base_url: 'simulator:'}}"
    project.write("reconcile.yaml", f"version: 1\ndefault_target: here\ntargets: {targets}\n")
    run = newest(project)
    assert project.run("history", run, "--target", "other").code == 3
    assert project.run("history", "alpha", "--target", "other").code == 3


def test_without_a_ledger_nothing_is_found_and_no_ledger_is_created(tmp_path: Path) -> None:
    project = Here(tmp_path)
    done = project.run("history", "alpha")
    assert done.code != 0
    assert "error[" in done.err
    assert not project.state.exists()


@pytest.mark.parametrize("style", ["text", "markdown", "html"])
def test_a_run_without_actions_shows_no_id(tmp_path: Path, style: str) -> None:
    project = Here(tmp_path)
    project.integration("alpha")
    project.apply()
    result = project.apply("--format", "json")
    assert len(runs(project)) == 1
    saved = tmp_path / "result.json"
    saved.write_text(result.out)
    shown = project.run("show", str(saved), "--format", style)
    assert shown.code == 0, shown.err
    for out in (shown.out, project.apply().out):
        assert result.json["run"] not in out
        assert "Result of run" not in out
    assert newest(project) in project.run("history").out

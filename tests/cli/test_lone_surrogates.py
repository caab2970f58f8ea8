"""Lone surrogates in text of the API stop no command: shown escaped, stored as U+FFFD."""

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.damaging import DamagedRemote, damaged_scene
from tests.cli.scene import Scene


def everywhere(value: Any) -> Any:
    """Append a lone surrogate to every text and key that users choose."""
    if isinstance(value, str):
        return f"{value} \ud83d"
    if isinstance(value, list):
        return [everywhere(item) for item in value]
    if isinstance(value, dict):
        return {everywhere(key): everywhere(item) for key, item in value.items()}
    return value


def chosen(*names: str) -> Callable[[dict[str, Any]], Any]:
    return lambda record: record | {name: everywhere(record[name]) for name in names}


def foreign(at: Scene, remote: DamagedRemote, *, sound: frozenset[str] = frozenset()) -> None:
    """Create an integration with a lone surrogate in every text except the `sound` fields."""
    at.exists(
        "foreign",
        description="Theirs",
        tags={"team": "a", "more": {"b": "c"}},
        configurations={"openai_project": "p", "custom_headers": {"X-Team": "v-1234567890"}},
    )
    row = {"name", "description", "tags", "id", "created_at"}
    remote.rows["foreign"] = chosen(*row - sound)
    remote.answers["foreign"] = chosen(*row - sound, *{"configurations", "masked_key"} - sound)


DECLARED = frozenset({"name", "description"})
"""What the files declare in these tests: a write of it is shown at once."""


READERS = [
    ("plan",),
    ("plan", "--format", "json"),
    ("plan", "--format", "markdown"),
    ("plan", "--format", "html"),
    ("plan", "--out", "saved.json"),
    ("drift",),
    ("drift", "--format", "json"),
    ("drift", "--incremental"),
    ("list",),
    ("list", "--format", "json"),
    ("list", "--format", "yaml"),
    ("get", "foreign"),
    ("get", "foreign", "--format", "json"),
    ("get", "foreign", "--format", "yaml"),
    ("doctor",),
]


@pytest.mark.slow
@pytest.mark.parametrize("declared", [False, True])
def test_every_command_works_and_writes_valid_utf_8(tmp_path: Path, *, declared: bool) -> None:
    with damaged_scene(tmp_path) as (at, remote):
        at.file("mine")
        at.project.apply()
        foreign(at, remote, sound=DECLARED if declared else frozenset())
        if declared:
            at.file("foreign", description="Ours")
        for words in READERS:
            done = at.run(*words)
            assert done.code == (2 if declared and words[0] == "drift" else 0), (words, done.err)
            (done.out + done.err).encode("ascii", "backslashreplace")
        assert declared or "Foreign \\ud83d" in at.run("list").out
        assert "\\ud83d" in at.run("get", "foreign", "--format", "json").out
        assert at.run("apply", "--yes", "--max-credential-changes", 9).code == 0


def test_a_saved_plan_is_utf_8_and_can_be_read_again(tmp_path: Path) -> None:
    with damaged_scene(tmp_path) as (at, remote):
        foreign(at, remote)
        at.file("foreign", description="Ours")
        saved = tmp_path / "saved.json"
        assert at.run("plan", "--out", saved).code == 0
        assert "\\ud83d" in saved.read_text(encoding="utf-8")
        assert at.run("show", saved).code == 0
        again = at.run("plan", "--format", "json")
        assert again.json["digest"] == json.loads(saved.read_text("utf-8"))["digest"]


def test_pulled_integrations_are_in_sync(tmp_path: Path) -> None:
    with damaged_scene(tmp_path) as (at, remote):
        foreign(at, remote)
        assert at.run("pull").code == 0
        text = (at.project.files / "integrations/foreign.yaml").read_text(encoding="utf-8")
        assert "Theirs \ufffd" in text
        assert "\\ud83d" not in text
        plan = at.project.plan()
        assert plan["actions"] == []
        assert at.run("apply", "--yes").code == 0
        assert at.run("drift").code == 0
        assert at.run("drift", "--incremental").code == 0
        assert "silent" not in at.run("drift", "--incremental").err
        assert at.run("pull").code == 0
        assert (at.project.files / "integrations/foreign.yaml").read_text("utf-8") == text


def test_the_ledger_holds_u_fffd_and_verifies(tmp_path: Path) -> None:
    with damaged_scene(tmp_path) as (at, remote):
        foreign(at, remote, sound=DECLARED)
        at.file("foreign", description="Ours")
        assert at.run("apply", "--yes", "--max-credential-changes", 9).code == 0
        at.project.remove("foreign")
        assert at.run("apply", "--yes", "--allow-empty").code == 0
        assert at.run("history", "--verify").code == 0
        (ledger,) = at.project.folder.rglob("ledger.db")
        with sqlite3.connect(ledger) as database:
            dump = "\n".join(database.iterdump())
        assert "\\ufffd" in dump or "\ufffd" in dump
        assert "ud83d" not in dump


def test_git_is_not_named_as_the_origin_of_a_change_that_it_did_not_make(tmp_path: Path) -> None:
    with damaged_scene(tmp_path) as (at, remote):
        foreign(at, remote)
        assert at.run("pull").code == 0
        assert at.run("apply", "--yes").code == 0
        path = at.project.files / "integrations/foreign.yaml"
        path.write_text(path.read_text("utf-8").replace("Theirs", "Changed"), "utf-8")
        (action,) = at.project.plan()["actions"]
        (change,) = [c for c in action["changes"] if c["path"] == "description"]
        assert (change["before"], change["origin"]) == ("Theirs \ud83d", "local")

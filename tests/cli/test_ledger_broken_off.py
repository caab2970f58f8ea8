"""A local ledger that fails during the writes of a run: a complete result, exit code 5."""

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cli.scene import Scene, scene
from tests.end_to_end.harness import Done

SLUGS = ("alpha", "beta", "gamma")


@pytest.fixture
def at(tmp_path: Path) -> Iterator[Scene]:
    with scene(tmp_path) as made:
        for slug in SLUGS:
            made.file(slug)
        yield made


def edit(ledger: Path, statement: str) -> None:
    connection = sqlite3.connect(ledger, timeout=10)
    connection.execute(statement)
    connection.commit()
    connection.close()


def drop(table: str) -> Callable[[Path], None]:
    return lambda state: edit(state / "ledger.db", f"ALTER TABLE {table} RENAME TO gone")


def remove_ledger(state: Path) -> None:
    (state / "ledger.db").unlink()


def remove_folder(state: Path) -> None:
    state.rename(state.with_name("gone"))


def remove_lock(state: Path) -> None:
    for lock in state.glob("*.lock"):
        lock.unlink()


def close_run(state: Path) -> None:
    """Act as a second run that has started in the meantime."""
    edit(state / "ledger.db", "UPDATE runs SET hash = 'sha256:0'")


@pytest.mark.parametrize(
    ("strike", "code"),
    [
        (drop("calls"), "ledger-corrupt"),
        (drop("outcomes"), "ledger-corrupt"),
        (drop("secrets"), "ledger-corrupt"),
        (drop("meta"), "ledger-corrupt"),
        (remove_ledger, "ledger-replaced"),
        (remove_folder, "lock-lost"),
        (remove_lock, "lock-lost"),
        (close_run, "lock-lost"),
    ],
)
def test_the_result_is_shown_and_no_further_write_is_sent(
    at: Scene, strike: Callable[[Path], None], code: str
) -> None:
    def once(_request: object) -> None:
        at.upstream.on_write = None
        strike(at.project.state)

    at.upstream.on_write = once
    done = at.run("apply", "--yes", "--parallelism", "1", "--format", "json")
    assert (done.code, done.json["kind"]) == (5, "apply_result")
    assert list(at.upstream.remote.integrations) == ["alpha"]
    found = outcomes(done)
    assert found.pop("alpha") == "applied"
    assert set(found.values()) <= {"failed", "skipped"}
    assert done.json["ledger"]["error"]["code"] == code
    assert done.json["ledger"]["error"]["hint"]
    assert f"error[{code}]" in done.err


def outcomes(done: Done) -> dict[str, str]:
    return {item["slug"]: item["status"] for item in done.json["outcomes"]}


def test_a_fault_after_the_last_write_is_not_reported_as_success(at: Scene) -> None:
    def at_the_last(_request: object) -> None:
        if len(at.upstream.writes) == len(SLUGS):
            remove_ledger(at.project.state)

    at.upstream.on_write = at_the_last
    done = at.run("apply", "--yes", "--parallelism", "1", "--format", "json")
    assert done.code == 5
    assert set(outcomes(done).values()) == {"applied"}
    assert done.json["ledger"]["error"]["code"] == "ledger-replaced"
    (at.project.folder / "result.json").write_text(done.out)
    assert at.run("merge-results", "result.json").code == 5
    for style in ("text", "markdown", "html"):
        assert "ledger-replaced" in at.run("show", "result.json", "--format", style).out


def test_a_ledger_that_is_lost_before_the_first_write_stops_the_run(at: Scene) -> None:
    assert at.run("apply", "--yes", "--only", "alpha").code == 0
    edit(
        at.project.state / "ledger.db",
        "CREATE TRIGGER t BEFORE INSERT ON runs BEGIN SELECT RAISE(ABORT, 'not now'); END",
    )
    done = at.run("apply", "--yes", "--format", "json")
    assert (done.code, done.json["kind"]) == (4, "error")
    assert "not now" in done.json["diagnostics"][0]["summary"]
    assert len(at.upstream.writes) == 1


def test_doctor_finds_a_folder_that_cannot_hold_a_ledger(at: Scene) -> None:
    at.project.state.write_text("a file in its place")
    done = at.run("doctor", "--format", "json")
    (check,) = [each for each in done.json["checks"] if each["name"] == "ledger"]
    assert (done.code, check["status"]) == (1, "fail")
    assert str(at.project.state) in check["summary"]
    at.project.state.unlink()
    assert at.run("doctor").code == 0
    assert not at.project.state.exists()

"""`drift --who`: every single writer is named, several are ambiguous, and no secret is seen."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Any

import pytest

from reconciler.cli.wiring import simulator_dependencies
from reconciler.simulator.api import SimulatedAPI
from reconciler.simulator.faults import Fault, FaultKind
from reconciler.simulator.messages import Actor, Request
from reconciler.simulator.sqlite_store import SqliteStore
from reconciler.simulator.switches import Switches
from tests.cli.project import Here
from tests.drift.writers import ANN, BOB, CANARY, KEY, Writers, known, writers

ACCESS = [{"id": "ws-a", "enabled": True}, {"id": "ws-b", "enabled": True}]
PARTS = {"": "integration", "/models": "models", "/workspaces": "workspaces"}
FORMATS = ("text", "markdown", "html", "json")


def test_each_actor_is_named_with_method_and_source(tmp_path: Path) -> None:
    with writers(tmp_path) as at:
        at.project.integration("alpha", description="declared", workspaces=ACCESS)
        at.project.integration("gone")
        at.project.apply()
        at.write(ANN, "PUT", "/alpha", {"description": "by hand"})
        revoked = {"workspaces": [{"id": "ws-a", "enabled": False}]}
        at.write(KEY, "PUT", "/alpha/workspaces", revoked)
        at.write(BOB, "DELETE", "/gone")
        at.write(KEY, "POST", "", {"slug": "new", "name": "N", "ai_provider_id": "openai"} | SENT)
        answers = at.answers()
        assert known(ANN, answers["alpha", "description"])
        assert known(KEY, answers["alpha", "workspaces[ws-a].enabled"])
        assert known(BOB, answers["gone", None])
        assert known(KEY, answers["new", None])
        (writer,) = answers["gone", None]["writers"]
        assert (writer["method"], writer["source"]) == ("DELETE", "ui")
        text = at.drift().out
        assert f"who: user {ANN.id} (PUT, UI, " in text
        assert f"who: API key {KEY.id} (PUT, API, " in text
        assert "by hand" in text


SENT = {"key": CANARY}


def test_several_writers_of_one_part_are_ambiguous_and_of_two_parts_are_not(
    tmp_path: Path,
) -> None:
    with writers(tmp_path) as at:
        at.project.integration("alpha", description="declared", workspaces=ACCESS)
        at.project.apply()
        at.write(ANN, "PUT", "/alpha", {"description": "by hand"})
        at.write(KEY, "PUT", "/alpha", {"name": "Other"})
        at.write(BOB, "PUT", "/alpha/workspaces", {"workspaces": [ACCESS[0] | {"enabled": False}]})
        answers = at.answers()
        for path in ("description", "name"):
            ids = [writer["id"] for writer in answers["alpha", path]["writers"]]
            assert (answers["alpha", path]["verdict"], ids) == ("ambiguous", [KEY.id, ANN.id])
        assert known(BOB, answers["alpha", "workspaces[ws-a].enabled"])
        text = at.drift().out
        assert f"who: ambiguous: API key {KEY.id} (PUT, API, " in text
        assert f" or user {ANN.id} (PUT, UI, " in text


def healed(at: Writers, chance: Random) -> None:
    """Change some integrations, and revert the changes by a run of `reconcile`."""
    for number in range(0, 12, 2):
        actor = chance.choice([ANN, BOB, KEY])
        at.write(actor, "PUT", f"/i{number:02}", {"description": "before", "key": CANARY})
    at.project.apply()


def changed(at: Writers, slug: str, part: str, actor: Actor, number: int) -> None:
    """Change a field of a part as an actor, with a secret in the body."""
    bodies: dict[str, Any] = {
        "": {"description": f"by {actor.id} {number}", "key": f"{CANARY}-{number}"},
        "/models": {"models": [{"slug": f"m-{number % 2}", "enabled": False}], **SENT},
        "/workspaces": {"workspaces": [ACCESS[number % 2] | {"enabled": False}]},
    }
    at.write(actor, "PUT", f"/{slug}{part}", bodies[part])


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("request_ids", [False, True])
def test_in_generated_worlds_single_writers_are_named_and_several_are_ambiguous(
    tmp_path: Path, seed: int, request_ids: bool
) -> None:
    chance = Random(seed)
    models = [{"slug": f"m-{number}", "enabled": True} for number in range(2)]
    with writers(tmp_path, request_ids=request_ids) as at:
        for number in range(12):
            fields = {"models": models, "workspaces": ACCESS, "description": "declared"}
            at.project.integration(f"i{number:02}", **fields)
        at.project.apply()
        healed(at, chance)
        expected: dict[tuple[str, str], set[str]] = {}
        for number in range(12):
            for part, name in PARTS.items():
                actors = chance.sample([ANN, BOB, KEY], chance.choice([0, 1, 1, 1, 2, 3]))
                for position, actor in enumerate(actors):
                    changed(at, f"i{number:02}", part, actor, position)
                # An actor may write more than once, and requests of others may be refused.
                for actor in actors[:1]:
                    changed(at, f"i{number:02}", part, actor, 0)
                refused = {"models": "no", "workspaces": "no", "configurations": 1}
                assert at.world.write(BOB, "PUT", f"/i{number:02}{part}", refused) == 400
                expected[f"i{number:02}", name] = {actor.id for actor in actors}
        for (slug, path), answer in at.answers().items():
            assert path is not None
            place = path.partition("[")[0]
            writers_of = expected[slug, place if place in PARTS.values() else "integration"]
            assert {writer["id"] for writer in answer["writers"]} == writers_of, (slug, path)
            assert answer["verdict"] == ("known" if len(writers_of) == 1 else "ambiguous")


@pytest.mark.slow
def test_no_output_has_a_secret_of_a_request_body(tmp_path: Path) -> None:
    broken = Fault(kind=FaultKind.RAW, path="/audit-logs", skip=5, status=200, body=f'{{"{CANARY}')
    refused = Fault(
        kind=FaultKind.STATUS, path="/audit-logs", skip=6, status=400, message=f"bad {CANARY}"
    )
    with writers(tmp_path, broken, refused) as at:
        at.project.integration("alpha", description="declared")
        at.project.apply()
        at.write(ANN, "PUT", "/alpha", {"description": "by hand", "key": CANARY})
        at.world.log(request_body={"key": CANARY}, request_headers={"authorization": CANARY})
        at.world.log(uri=f"/v1/integrations/alpha?key={CANARY}", response_status_code=CANARY)
        seen = []
        for style in FORMATS:
            done = at.drift("--format", style)
            seen.append(done)
            assert ANN.id in done.out
        logged = at.project.run(
            "-vv", "--log-format", "json", "drift", "--who", "--metrics-file", "metrics.txt"
        )
        seen += [logged, at.drift(), at.drift(), at.project.run("history", "--format", "json")]
        assert at.pages == len(FORMATS) + 3
        assert "could not be read completely" in seen[-3].out
        for done in seen:
            assert CANARY not in done.out + done.err
        for file in tmp_path.rglob("*"):
            assert not file.is_file() or CANARY.encode() not in file.read_bytes(), file


@pytest.mark.parametrize("records", [0, 99, 250])
def test_the_log_is_read_with_one_call_per_page(tmp_path: Path, records: int) -> None:
    with writers(tmp_path) as at:
        for slug in ("alpha", "beta", "gamma"):
            at.project.integration(slug, description="declared")
        at.project.apply()
        for slug in ("alpha", "beta", "gamma"):
            at.write(ANN, "PUT", f"/{slug}", {"description": "by hand"})
        for _ in range(records):
            at.world.log(uri="/v1/configs/other", resource_type="configs")
        assert all(known(ANN, answer) for answer in at.answers().values())
        assert at.pages == -(-(records + 6) // 100)


def test_without_the_flag_the_log_is_not_read_and_no_writer_is_named(tmp_path: Path) -> None:
    with writers(tmp_path) as at:
        at.project.integration("alpha", description="declared")
        at.project.apply()
        assert at.project.run("drift", "--who").code == 0
        at.write(ANN, "PUT", "/alpha", {"description": "by hand"})
        for style in FORMATS:
            done = at.project.run("-vv", "drift", "--format", style)
            assert (done.code, ANN.id in done.out + done.err) == (2, False)
        assert "who" not in done.json
        assert at.pages == 0


def test_without_permission_only_a_notice_is_added(tmp_path: Path) -> None:
    with writers(tmp_path, audit_log="403_AB03") as at:
        at.project.integration("alpha", description="declared")
        at.project.integration("beta", description="declared")
        at.project.apply()
        at.write(ANN, "PUT", "/alpha", {"description": "by hand"})
        at.write(KEY, "PUT", "/beta", {"description": "by hand"})
        plain = at.project.run("drift", "--format", "json").json
        found = at.drift("--format", "json").json
        (notice,) = [d for d in found.pop("diagnostics") if d["code"] == "who-unknown"]
        assert notice["severity"] == "notice"
        assert "403" in notice["summary"]
        assert (found.pop("who")["fields"], found.pop("created_at") != "") == ([], True)
        del plain["diagnostics"], plain["created_at"]
        assert found == plain
        text = at.drift().out
        assert (text.count("who-unknown"), text.count("who:")) == (1, 0)


def test_a_failed_page_leaves_every_writer_unknown(tmp_path: Path) -> None:
    failing = Fault(kind=FaultKind.STATUS, path="/audit-logs", skip=1, status=400, times=9)
    with writers(tmp_path, failing) as at:
        at.project.integration("alpha", description="declared")
        at.project.apply()
        for _ in range(150):
            at.world.log(uri="/v1/configs/other")
        at.write(ANN, "PUT", "/alpha", {"description": "by hand"})
        done = at.drift()
        assert "who: unknown: the log could not be read completely" in done.out
        assert "notice[who-unknown]" in done.out
        assert ANN.id not in done.out


def test_a_run_that_failed_is_a_possible_writer(tmp_path: Path) -> None:
    lost = Fault(kind=FaultKind.STATUS_AFTER, method="PUT", path="/integrations/alpha", status=400)
    with writers(tmp_path, lost) as at:
        at.project.integration("alpha", description="one")
        at.project.apply()
        at.project.integration("alpha", description="two")
        failed = at.project.run("apply", "--yes")
        assert failed.code == 5, failed.err
        at.project.integration("alpha", description="one")
        answer = at.answers()["alpha", "description"]
        assert {writer["actor"] for writer in answer["writers"]} == {"run"}
        at.write(ANN, "PUT", "/alpha", {"description": "three"})
        answer = at.answers()["alpha", "description"]
        assert answer["verdict"] == "ambiguous"
        assert {writer["actor"] for writer in answer["writers"]} == {"run", "user"}


def test_an_undo_is_named_as_a_run(tmp_path: Path) -> None:
    with writers(tmp_path) as at:
        at.project.integration("alpha", description="one")
        at.project.apply()
        at.project.integration("alpha", description="two")
        at.project.apply()
        runs = at.project.run("history", "--format", "json").json["runs"]
        saved = at.project.folder / "undo.json"
        undone = at.project.run("undo", runs[-1]["run"], "--out", saved)
        assert undone.code == 0, undone.err
        at.project.apply(saved)
        answer = at.answers()["alpha", "description"]
        last = at.project.run("history", "--format", "json").json["runs"][-1]["run"]
        assert [(w["actor"], w["id"]) for w in answer["writers"]] == [("run", last)]
        assert answer["verdict"] == "known"


def test_a_saved_report_shows_the_verdicts_in_every_format(tmp_path: Path) -> None:
    with writers(tmp_path) as at:
        at.project.integration("alpha", description="declared")
        at.project.apply()
        at.write(ANN, "PUT", "/alpha", {"description": "by hand"})
        saved = at.project.folder / "drift.json"
        saved.write_text(at.drift("--format", "json").out)
        for style in FORMATS:
            shown = at.project.run("show", saved, "--format", style)
            assert (shown.code, ANN.id in shown.out) == (0, True), shown.err
        document = json.loads(saved.read_text())
        document["who"]["fields"][0]["verdict"] = "guessed"
        saved.write_text(json.dumps(document))
        refused = at.project.run("show", saved)
        assert "who.fields[0].verdict" in refused.err


def test_an_incremental_check_names_the_same_writers_as_a_full_one(tmp_path: Path) -> None:
    with writers(tmp_path) as at:
        for slug in ("alpha", "beta", "gamma"):
            at.project.integration(slug, description="declared")
        at.project.apply()
        at.write(ANN, "PUT", "/alpha", {"description": "by hand"})
        at.write(KEY, "PUT", "/beta", {"description": "by hand"})
        assert at.answers("--incremental") == at.answers()


def test_the_embedded_simulator_adds_a_log_to_an_existing_file(tmp_path: Path) -> None:
    here = Here(tmp_path)
    here.integration("alpha", description="declared")
    here.apply()
    with closing(sqlite3.connect(here.state / "simulator.db")) as database:
        database.execute("DROP TABLE audit")
    without = here.run("drift", "--who")
    assert (without.code, without.err) == (0, "")
    depends = simulator_dependencies()
    store = SqliteStore(here.state / "simulator.db")
    with closing(store):
        api = SimulatedAPI(Switches(), depends.now, depends.new_id, store)
        body = {"description": "by hand"}
        assert api.handle(Request("PUT", "/integrations/alpha", body=body, actor=ANN)).status == 200
    assert f"who: user {ANN.id} (PUT, UI, " in here.run("drift", "--who").out


def test_a_variable_enables_attribution_in_a_job(tmp_path: Path) -> None:
    with writers(tmp_path) as at:
        at.project.integration("alpha", description="declared")
        at.project.apply()
        at.write(ANN, "PUT", "/alpha", {"description": "by hand"})
        asked = at.project.run("drift", RECONCILE_DRIFT_WHO="true")
        assert f"who: user {ANN.id}" in asked.out
        assert "who:" not in at.project.run("drift", RECONCILE_DRIFT_WHO="false").out
        assert at.pages == 1


def test_since_requires_who_and_a_time(tmp_path: Path) -> None:
    with writers(tmp_path) as at:
        alone = at.project.run("drift", "--since", "7d")
        assert (alone.code, "--since can only be used with --who" in alone.err) == (3, True)
        unread = at.project.run("drift", "--who", "--since", "soon")
        assert (unread.code, "neither a date" in unread.err) == (3, True)


@pytest.mark.parametrize(
    "since", ["2999-01-01", "2999-01-01T00:00:00Z", "9999-12-31T23:59:59+01:00"]
)
def test_a_time_in_the_future_is_refused(tmp_path: Path, since: str) -> None:
    with writers(tmp_path) as at:
        done = at.project.run("drift", "--who", "--since", since)
        assert done.code == 3
        assert f"'{since}' is in the future (" in " ".join(done.err.split())
        assert "an age such as 7d" in " ".join(done.err.split())
        assert at.project.run("drift", "--who", "--since", "0h").code == 0


@pytest.mark.parametrize("since", ["\u0667d", "-7d", "1_0d", "999999d", "7 d"])
def test_an_age_is_written_in_plain_digits(tmp_path: Path, since: str) -> None:
    with writers(tmp_path) as at:
        assert at.project.run("drift", "--who", "--since", since).code == 3

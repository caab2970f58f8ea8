"""Staged rotation in commands: plan, apply, drift, pull, history and undo; preconditions."""

import json
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from reconciler.domain.policy import Rotation
from reconciler.simulator.messages import Request
from reconciler.simulator.switches import Switches
from tests.cli.project import FIRST, SECOND, Here, built_once, writes
from tests.cli.scene import scene
from tests.end_to_end.harness import Done

SHADOW = "alpha--next"
NEW = {"SECRET_KEY": SECOND}
ANOTHER = "20260101T000000Z-00000000"
STAGED = {"probe": {"gateway": {}, "workspace": "ws-p"}, "rotation": {"staged": True}}


def applied(folder: Path, **rules: Any) -> Here:
    """Return a project whose integration was applied, and whose next rotation is staged."""
    project = applied_without_rules(folder)
    project.config(**{"prune": "managed", **STAGED, **rules})
    return project


@built_once
def applied_without_rules(folder: Path) -> Here:
    project = Here(folder)
    project.integration("alpha")
    project.apply()
    return project


def leftover(project: Here, *, known: bool = True) -> None:
    """Leave a shadow, like a run that was killed after it created one.

    The run is in the ledger unless `known` is false.
    """
    [run] = project.run("history", "--format", "json").json["runs"]
    with sqlite3.connect(project.state / "ledger.db") as ledger:
        row = ledger.execute("select id from runs where run = ?", (run["run"],)).fetchone()
        if known:
            ledger.execute(
                "insert into calls (run, slug, operation, fields, started_at)"
                " values (?, ?, 'create-integration', '{}', '2026-01-01T00:00:00Z')",
                (row[0], SHADOW),
            )
    other = project.elsewhere()
    name = run["run"]
    other.integration(
        SHADOW, description=f"Shadow of alpha while its credential is rotated, by run {name}"
    )
    other.run("--dir", other.files, "apply", "--yes", "--no-ledger")
    assert SHADOW in project.slugs()


def test_a_plan_names_the_shadow_and_counts_its_calls(tmp_path: Path) -> None:
    project = applied(tmp_path)
    text = project.run("plan", **NEW).out
    assert "staged by alpha--next (3 more calls)" in text
    for style in ("markdown", "html"):
        assert "staged by alpha--next" in project.run("plan", "--format", style, **NEW).out
    planned = project.plan("--out", "plan.json", **NEW)
    [action] = planned["actions"]
    assert action["staged_by"] == SHADOW
    jsonschema.Draft202012Validator(project.run("schema", "--kind", "plan").json).validate(planned)
    # A saved plan contains no calls.
    assert "staged by alpha--next\n" in project.run("show", "plan.json").out


def test_an_apply_probes_the_shadow_writes_and_removes_it(tmp_path: Path) -> None:
    project = applied(tmp_path)
    done = project.run("-vv", "apply", "--yes", **NEW)
    assert done.code == 0, done.err
    assert writes(done) == [
        "POST /integrations",
        "PUT /integrations/alpha--next/workspaces",
        "PUT /integrations/alpha",
        "DELETE /integrations/alpha--next",
    ]
    assert "credential alive" in done.out
    assert project.slugs() == ["alpha"]
    assert project.run("plan", "--detailed-exitcode", **NEW).code == 0
    assert SECOND not in done.out + done.err


def test_a_change_without_a_credential_is_not_staged(tmp_path: Path) -> None:
    project = applied(tmp_path)
    project.integration("alpha", description="new")
    [action] = project.plan()["actions"]
    assert "staged_by" not in action
    assert writes(project.apply()) == ["PUT /integrations/alpha"]


def test_a_new_integration_and_a_replaced_one_are_staged_too(tmp_path: Path) -> None:
    project = applied(tmp_path)
    project.integration("alpha", ai_provider_id="anthropic")
    project.integration("beta")
    planned = project.plan("--allow-replace")
    assert [a["staged_by"] for a in planned["actions"]] == ["beta--next", SHADOW]
    done = project.apply("--allow-replace", "--parallelism", "1")
    assert [line for line in writes(done) if "workspaces" not in line] == [
        "POST /integrations",
        "POST /integrations",
        "DELETE /integrations/beta--next",
        "POST /integrations",
        "DELETE /integrations/alpha",
        "POST /integrations",
        "DELETE /integrations/alpha--next",
    ]
    assert project.run("plan", "--detailed-exitcode").code == 0


def test_the_flag_also_probes_what_was_written(tmp_path: Path) -> None:
    asked = tmp_path / "asked"
    script = tmp_path / "alive"
    script.write_text(f"#!/bin/sh\ncat >> {asked}; echo >> {asked}\n")
    script.chmod(0o755)
    project = applied(tmp_path, probe={"command": [str(script)]})
    project.environment["RECONCILE_ALLOWED_PROBES"] = str(script)
    project.apply(**NEW)
    project.apply("--probe")
    slugs = [json.loads(line)["slug"] for line in asked.read_text().splitlines()]
    assert slugs == [SHADOW, SHADOW, "alpha"]


def test_the_history_names_the_calls_of_the_shadow(tmp_path: Path) -> None:
    project = applied(tmp_path)
    run = project.run("apply", "--yes", "--format", "json", **NEW).json["run"]
    with sqlite3.connect(project.state / "ledger.db") as ledger:
        rows = ledger.execute(
            "select c.slug, c.operation from calls c join runs r on c.run = r.id where r.run = ?",
            (run,),
        ).fetchall()
        assert ledger.execute("select count(*) from intents").fetchone() == (0,)
    assert rows == [
        (SHADOW, "create-integration"),
        (SHADOW, "update-integration-workspaces"),
        ("alpha", "update-integration"),
        (SHADOW, "delete-integration"),
    ]
    assert project.run("history", "--verify").code == 0
    assert "alpha" in project.run("history", run).out


def test_a_saved_plan_covers_a_staged_rotation(tmp_path: Path) -> None:
    project = applied(tmp_path)
    project.plan("--out", "plan.json", **NEW)
    done = project.run("apply", "plan.json", **NEW)
    assert done.code == 0, done.err


@pytest.mark.parametrize("staged", [True, False])
def test_an_approval_covers_only_the_same_way_of_rotation(tmp_path: Path, *, staged: bool) -> None:
    project = applied(tmp_path, rotation={"staged": staged})
    planned = project.plan("--out", "plan.json", **NEW)
    project.config(prune="managed", **{**STAGED, "rotation": {"staged": not staged}})
    for approval in (("plan.json",), ("--expect-digest", planned["digest"])):
        done = project.run("-vv", "apply", *approval, **NEW)
        assert (done.code, writes(done)) == (4, [])
    assert "differ in whether they stage the rotation" in project.run(
        "apply", "plan.json", **NEW
    ).err.replace("\n", " ")


def test_the_digest_without_staging_is_unchanged(tmp_path: Path) -> None:
    plain = applied(tmp_path, rotation={"staged": False})
    before = plain.plan(**NEW)["digest"]
    plain.config(prune="managed")
    assert plain.plan(**NEW)["digest"] == before


# -- leftovers ---------------------------------------------------------------------------


def test_a_plan_removes_only_the_leftover(tmp_path: Path) -> None:
    project = applied(tmp_path, limits={"deletes": 0})
    leftover(project)
    planned = project.plan()
    [action] = planned["actions"]
    assert (action["slug"], action["action"]) == (SHADOW, "delete")
    assert action["reason"] == "left over from a rotation of alpha"
    assert action["blocked_by"] == []
    assert planned["unmanaged"] == []
    assert writes(project.apply()) == ["DELETE /integrations/alpha--next"]
    assert project.run("plan", "--detailed-exitcode").code == 0


def test_a_rotation_removes_the_leftover_first(tmp_path: Path) -> None:
    project = applied(tmp_path)
    leftover(project)
    assert "(4 more calls)" in project.run("plan", **NEW).out
    done = project.apply(**NEW)
    assert writes(done)[:2] == ["DELETE /integrations/alpha--next", "POST /integrations"]
    assert project.slugs() == ["alpha"]


def test_a_leftover_is_removed_with_its_withdrawn_integration(tmp_path: Path) -> None:
    project = applied(tmp_path)
    project.integration("beta")
    project.apply()
    with sqlite3.connect(project.state / "ledger.db") as ledger:
        ledger.execute("delete from runs where run = (select max(run) from runs)")
    leftover(project)
    project.remove("alpha")
    planned = project.plan("--max-deletes", "1")
    assert {a["slug"]: a["blocked_by"] for a in planned["actions"]} == {"alpha": [], SHADOW: []}


@pytest.mark.parametrize("prune", ["managed", "all", "none"])
def test_an_integration_that_only_resembles_a_shadow_is_reported_and_kept(
    tmp_path: Path, prune: str
) -> None:
    project = applied(tmp_path, prune=prune)
    leftover(project, known=False)
    planned = project.plan()
    assert (planned["actions"], planned["unmanaged"]) == ([], [])
    assert [d["code"] for d in planned["diagnostics"]] == ["unknown-shadow"]
    done = project.run("-vv", "apply", "--yes", **NEW)
    assert (done.code, writes(done)) == (4, [])
    assert "error[shadow-conflict]" in done.err
    assert SHADOW in project.slugs()


def edit_shadow(project: Here, description: str) -> None:
    """Replace the description of the shadow as another client."""
    other = project.elsewhere()
    other.integration(SHADOW, description=description)
    other.run("--dir", other.files, "apply", "--yes", "--no-ledger")


@pytest.mark.parametrize("description", ["kept for the audit", ""])
def test_a_shadow_edited_by_another_client_is_reported_with_a_remedy(
    tmp_path: Path, description: str
) -> None:
    project = applied(tmp_path)
    leftover(project)
    edit_shadow(project, description)
    planned = project.plan()
    assert (planned["actions"], planned["unmanaged"]) == ([], [SHADOW])
    [found] = planned["diagnostics"]
    assert (found["severity"], found["code"]) == ("warning", "edited-shadow")
    assert f"list {SHADOW} under `deletions`" in found["hint"]
    assert "edited-shadow" in project.run("drift").out
    blocked = project.plan(**NEW)["diagnostics"]
    assert [d["code"] for d in blocked] == ["shadow-conflict"]
    config = json.loads((project.files / "reconcile.yaml").read_text())
    gone = {"deletions": [{"slug": SHADOW, "reason": "left over"}]}
    project.write("reconcile.yaml", config | gone)
    assert project.apply().code == 0
    assert project.slugs() == ["alpha"]
    project.write("reconcile.yaml", config)
    assert project.apply(**NEW).code == 0


def test_an_edited_shadow_affects_only_runs_that_select_it(tmp_path: Path) -> None:
    project = applied(tmp_path)
    leftover(project)
    edit_shadow(project, "edited")
    assert project.plan("--exclude", SHADOW)["diagnostics"] == []
    project.config(prune="managed")
    # Without the setting, its credential is still there.
    planned = project.plan()
    assert [d["code"] for d in planned["diagnostics"]] == ["edited-shadow"]
    assert planned["unmanaged"] == [SHADOW]


def test_a_declared_integration_never_counts_as_a_shadow(tmp_path: Path) -> None:
    project = applied(tmp_path)
    leftover(project)
    project.integration(SHADOW, description="ours by file")
    planned = project.plan(**NEW)
    assert {a["slug"]: a["blocked_by"] for a in planned["actions"]} == {
        "alpha": ["shadow-conflict"],
        SHADOW: [],
    }


def test_a_rotation_whose_shadow_a_file_declares_is_blocked_in_the_plan(tmp_path: Path) -> None:
    project = applied(tmp_path)
    project.integration(SHADOW)
    planned = project.plan(**NEW)
    assert {a["slug"]: a["blocked_by"] for a in planned["actions"]} == {
        "alpha": ["shadow-conflict"],
        SHADOW: [],
    }
    done = project.run("-vv", "apply", "--yes", **NEW)
    assert (done.code, writes(done)) == (4, [])
    assert "which a file declares" in done.err


@pytest.mark.parametrize("prune", ["managed", "none"])
def test_a_withdrawn_integration_with_the_name_of_the_shadow_never_counts_as_one(
    tmp_path: Path, prune: str
) -> None:
    project = applied(tmp_path, prune=prune)
    # Its description is that of a shadow, and the ledger has recorded its create.
    [run] = project.run("history", "--format", "json").json["runs"]
    mark = f"Shadow of alpha while its credential is rotated, by run {run['run']}"
    project.integration(SHADOW, description=mark)
    project.apply()
    project.remove(SHADOW)
    planned = project.plan(**NEW)
    blocked = {a["slug"]: a["blocked_by"] for a in planned["actions"]}
    assert blocked["alpha"] == ["shadow-conflict"]
    assert (SHADOW in blocked) == (prune == "managed")
    done = project.run("-vv", "apply", "--yes", **NEW)
    assert (done.code, writes(done)) == (4, [])
    project.run("apply", "--yes", "--only", SHADOW)
    assert (SHADOW in project.slugs()) == (prune == "none")


@pytest.mark.parametrize("staged", [True, False])
def test_another_target_with_the_same_ledger_does_not_know_the_shadow(
    tmp_path: Path, *, staged: bool
) -> None:
    project = applied(tmp_path)
    leftover(project)
    path = project.files / "reconcile.yaml"
    config = json.loads(path.read_text())
    [(name, target)] = config["targets"].items()
    other = {**target, "rotation": {"staged": staged}}
    project.write("reconcile.yaml", {**config, "targets": {name: target, "other": other}})
    done = project.run("-vv", "--target", "other", "apply", "--yes", "--format", "json")
    assert (done.code, writes(done)) == (0, [])
    planned = project.run("--target", "other", "plan", "--format", "json").json
    assert planned["actions"] == []
    assert [d["code"] for d in planned["diagnostics"]] == ["unknown-shadow"]
    own = project.run("--target", name, "plan", "--format", "json").json
    assert [a["slug"] for a in own["actions"]] == [SHADOW]


def test_a_leftover_is_removed_after_the_setting_is_gone(tmp_path: Path) -> None:
    project = applied(tmp_path)
    leftover(project)
    project.config(prune="none", limits={"deletes": 0})
    planned = project.plan()
    assert [(a["action"], a["slug"]) for a in planned["actions"]] == [("delete", SHADOW)]
    assert planned["unmanaged"] == []
    pulled = project.run("pull")
    assert f"{SHADOW} is the shadow of a rotation" in pulled.err
    done = project.apply(**NEW)
    assert writes(done) == ["PUT /integrations/alpha", "DELETE /integrations/alpha--next"]
    assert project.run("plan", "--detailed-exitcode", **NEW).code == 0


@pytest.mark.parametrize("options", [(), ("--no-ledger",)])
def test_without_the_setting_an_unproven_shadow_is_unmanaged(
    tmp_path: Path, options: tuple[str, ...]
) -> None:
    project = applied(tmp_path)
    leftover(project, known=False)
    project.config(prune="managed")
    planned = project.plan()
    assert (planned["actions"], planned["unmanaged"]) == ([], [SHADOW])
    assert [d["code"] for d in planned["diagnostics"]] == ["unknown-shadow"]
    done = project.run("-vv", "apply", "--yes", *options)
    assert (done.code, writes(done)) == (0, [])


def test_an_integration_with_a_name_like_a_shadow_is_an_ordinary_one(tmp_path: Path) -> None:
    project = applied(tmp_path)
    other = project.elsewhere()
    other.integration(SHADOW, description="ours by hand")
    other.run("--dir", other.files, "apply", "--yes", "--no-ledger")
    for staged in (True, False):
        project.config(prune="managed", **{**STAGED, "rotation": {"staged": staged}})
        planned = project.plan()
        assert (planned["actions"], planned["unmanaged"]) == ([], [SHADOW])
        assert planned["diagnostics"] == []


@pytest.mark.parametrize("staged", [True, False])
def test_a_shadow_outside_the_scope_of_the_target_is_also_removed_or_reported(
    tmp_path: Path, *, staged: bool
) -> None:
    rules = {**STAGED, "rotation": {"staged": staged}, "scope": {"slugs": ["alpha"]}}
    project = applied(tmp_path, **rules)
    leftover(project)
    assert [(a["slug"], a["blocked_by"]) for a in project.plan()["actions"]] == [(SHADOW, [])]
    edit_shadow(project, "edited")
    planned = project.plan()
    assert (planned["actions"], planned["unmanaged"]) == ([], [])
    assert [d["code"] for d in planned["diagnostics"]] == ["edited-shadow"]
    edit_shadow(project, f"Shadow of alpha while its credential is rotated, by run {ANOTHER}")
    codes = [d["code"] for d in project.plan()["diagnostics"]]
    # Another repository, whose ledger knows it, may own it.
    assert codes == (["unknown-shadow"] if staged else [])
    assert writes(project.apply()) == []


def test_a_shard_removes_the_leftovers_of_its_integrations(tmp_path: Path) -> None:
    project = applied(tmp_path)
    leftover(project)
    found = [[a["slug"] for a in project.plan("--shard", f"{n}/2")["actions"]] for n in (1, 2)]
    assert sorted(found) == [[], [SHADOW]]
    assert [a["slug"] for a in project.plan("--only", "alpha")["actions"]] == [SHADOW]


# -- other views -------------------------------------------------------------------------


@pytest.mark.parametrize("staged", [True, False])
def test_drift_reports_a_leftover(tmp_path: Path, *, staged: bool) -> None:
    project = applied(tmp_path, rotation={"staged": staged})
    leftover(project)
    for options in ((), ("--incremental",)):
        drift = project.run("drift", "--format", "json", *options)
        assert SHADOW in drift.out, drift.out
        assert drift.code == 2


def test_a_leftover_is_not_drift_and_is_not_pulled(tmp_path: Path) -> None:
    project = applied(tmp_path)
    leftover(project, known=False)
    for options in ((), ("--incremental",)):
        drift = project.run("drift", "--format", "json", *options)
        assert (drift.code, drift.json["in_sync"]) == (0, True), drift.out
        assert (drift.json["unmanaged"], drift.json["undeclared"]) == ([], [])
    pulled = project.run("pull")
    assert pulled.code == 0, pulled.err
    assert f"{SHADOW} is the shadow of a rotation" in pulled.err
    assert not (project.files / f"integrations/{SHADOW}.yaml").exists()


def test_an_undo_does_not_restore_a_shadow(tmp_path: Path) -> None:
    project = applied(tmp_path)
    leftover(project)
    project.integration("alpha", description="new")
    run = project.run("apply", "--yes", "--format", "json").json["run"]
    undo = project.run("undo", run, "--out", "undo.json", "--format", "json")
    assert [a["slug"] for a in undo.json["actions"]] == ["alpha"]
    assert project.run("apply", "undo.json").code == 0
    assert project.slugs() == ["alpha"]


def test_an_undo_of_a_rotation_is_staged_too(tmp_path: Path) -> None:
    project = applied(tmp_path)
    project.integration("alpha", key="${env:SECRET_OTHER}")
    project.environment["SECRET_OTHER"] = SECOND
    run = project.run("apply", "--yes", "--format", "json").json["run"]
    undo = project.run("undo", run, "--out", "undo.json", "--format", "json")
    assert [a.get("staged_by") for a in undo.json["actions"]] == [SHADOW]
    done = project.run("-vv", "apply", "undo.json")
    assert done.code == 0, done.err
    assert "DELETE /integrations/alpha--next" in writes(done)


# -- what cannot be staged ---------------------------------------------------------------


def test_a_long_slug_cannot_be_staged(tmp_path: Path) -> None:
    project = Here(tmp_path)
    project.integration("a" * 250)
    project.integration("b" * 249)
    project.apply()
    project.config(prune="managed", **STAGED)
    planned = project.plan(**NEW)
    assert [a["blocked_by"] for a in planned["actions"]] == [["cannot-stage"], []]


def test_a_secret_that_only_the_api_has_cannot_be_staged(tmp_path: Path) -> None:
    project = Here(tmp_path)
    project.config(prune="managed", **STAGED)
    bedrock = {
        "ai_provider_id": "bedrock",
        "key": ...,
        "configurations": {
            "aws_auth_type": "accessKey",
            "aws_region": "eu-west-1",
            "aws_access_key_id": "AKIAEXAMPLE",
            "aws_secret_access_key": "${env:SECRET_KEY}",
        },
    }
    project.integration("alpha", **bedrock)
    project.apply()
    # From now on only a mapping is declared; the stored secret remains and cannot be read.
    project.integration(
        "alpha",
        ai_provider_id="bedrock",
        key=...,
        secret_mappings=[{"target_field": "key", "secret_reference_id": "ref"}],
    )
    planned = project.plan()
    [action] = planned["actions"]
    assert action["blocked_by"] == ["cannot-stage"]
    [found] = [d for d in planned["diagnostics"] if d["code"] == "cannot-stage"]
    assert "configurations.aws_secret_access_key" in found["summary"]
    assert found["line"]


def test_staging_needs_the_ledger(tmp_path: Path) -> None:
    project = applied(tmp_path)
    done = project.run("-vv", "apply", "--yes", "--no-ledger", **NEW)
    assert (done.code, writes(done)) == (3, [])
    assert "error[staging-needs-ledger]" in done.err


@pytest.mark.parametrize(
    ("rules", "code", "summary"),
    [
        ({"rotation": {"staged": True}}, "missing-field", "`staged` needs a `probe`"),
        (
            {"rotation": {"staged": True}, "probe": {"gateway": {}}},
            "missing-field",
            "needs `workspace` in `probe`",
        ),
        ({"rotation": {"staged": "yes"}}, "wrong-type", "`staged` must be true or false"),
        ({"rotation": {"stages": True}}, "unknown-field", "`stages` is not a field"),
        ({"rotation": True}, "wrong-type", "`rotation` must be a mapping"),
    ],
)
def test_bad_input_has_a_place_and_a_hint(
    tmp_path: Path, rules: dict[str, Any], code: str, summary: str
) -> None:
    project = Here(tmp_path)
    project.config(**rules)
    done = project.run("validate", "--format", "json")
    assert done.code == 3
    [found] = [d for d in done.json["diagnostics"] if d["severity"] == "error"]
    assert (found["code"], summary in found["summary"]) == (code, True), found
    assert found["hint"]
    assert found["file"].endswith("reconcile.yaml")
    assert found["line"] > 1


def test_the_schema_of_the_file_describes_a_rotation(tmp_path: Path) -> None:
    schema = Here(tmp_path).run("schema", "--kind", "config").json
    properties = schema["$defs"]["Rotation"]["properties"]
    assert properties.keys() == Rotation.model_fields.keys()
    assert all(properties[name]["description"] for name in properties)


# -- edited by others --------------------------------------------------------------------

GATEWAY = {"gateway": {"api_key": "${env:PORTKEY_API_KEY}"}, "workspace": "ws-p"}


@pytest.mark.parametrize(
    ("edited_at", "stored", "next_code"),
    [
        # Between the creation of the shadow and its probe, which it does not reach.
        (f"/integrations/{SHADOW}/workspaces", FIRST, "edited-shadow"),
        # After its probe.
        ("/integrations/alpha", SECOND, "shadow-conflict"),
    ],
)
def test_a_shadow_that_is_edited_during_the_rotation_is_left_and_reported(
    tmp_path: Path, edited_at: str, stored: str, next_code: str
) -> None:
    with scene(tmp_path, switches=Switches(dead_keys="*dead*")) as made:
        made.file("alpha")
        assert made.run("apply", "--yes").code == 0
        made.config(prune="managed", probe=GATEWAY, rotation={"staged": True})
        world = made.upstream.world

        def edit(request: Request) -> None:
            if request.path == edited_at:
                world.put("PUT", f"/integrations/{SHADOW}", {"description": "mine"})

        made.upstream.on_write = edit
        made.project.environment["SECRET_KEY"] = SECOND
        done = made.run("apply", "--yes", "--format", "json")
        made.upstream.on_write = None
        assert (done.code, SHADOW in made.upstream.remote.integrations) == (5, True)
        [outcome] = done.json["outcomes"]
        error = outcome["error"]
        assert error["code"] == "shadow-conflict"
        assert f"another client has edited the shadow {SHADOW}" in error["message"]
        assert "the next apply removes it" not in error["message"]
        assert made.upstream.remote.integrations["alpha"]["key"] == stored
        made.project.environment["SECRET_KEY"] = FIRST
        assert next_code in made.run("plan").out


@pytest.mark.parametrize("key", [SECOND, "sk-dead-11112222"])
def test_a_provider_that_has_the_name_of_the_shadow_is_not_probed_in_its_place(
    tmp_path: Path, key: str
) -> None:
    with scene(tmp_path, switches=Switches(dead_keys="*dead*")) as made:
        made.file("alpha")
        made.file("beta")
        assert made.run("apply", "--yes").code == 0
        grant = {"workspaces": [{"id": "ws-q", "enabled": True}], "create_default_provider": True}
        taken = {**grant, "default_provider_slug": SHADOW}
        made.upstream.world.put("PUT", "/integrations/beta/workspaces", taken)
        made.config(prune="managed", probe=GATEWAY, rotation={"staged": True})
        # Only alpha gets a new credential.
        made.file("alpha", key="${env:SECRET_OTHER}")
        made.project.environment["SECRET_OTHER"] = key
        done = made.run("apply", "--yes", "--format", "json")
        [outcome] = done.json["outcomes"]
        assert (done.code, outcome["error"]["code"]) == (5, "credential-unproven")
        assert f"the gateway has another provider @{SHADOW}" in outcome["error"]["message"]
        records = made.upstream.remote.integrations
        assert (records["alpha"]["key"], sorted(records)) == (FIRST, ["alpha", "beta"])


# -- in flight ---------------------------------------------------------------------------


def during_the_probe(folder: Path, look: Callable[[Here], None]) -> Done:
    """Apply a rotation, and run an action while its shadow is probed."""
    project = applied(folder)
    reached = folder / "reached"
    script = folder / "alive"
    command = f"{reached}; while [ -e {reached} ]; do sleep 0.02; done"
    script.write_text(f"#!/bin/sh\n[ -e {folder}/seen ] && exit 0\ntouch {folder}/seen {command}\n")
    script.chmod(0o755)
    project.environment["RECONCILE_ALLOWED_PROBES"] = str(script)
    probe = {"command": [str(script)], "workspace": "ws-p"}
    project.config(prune="managed", **{**STAGED, "probe": probe})
    return apply_and_look(project, reached, look)


def apply_and_look(project: Here, reached: Path, look: Callable[[Here], None]) -> Done:
    import subprocess  # a second process, because a lock belongs to a process

    from tests.end_to_end.harness import COMMAND

    with subprocess.Popen(
        [*COMMAND, "apply", "--yes"],
        cwd=project.folder,
        env={**project.environment, **NEW},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        while not reached.exists():
            with suppress(
                subprocess.TimeoutExpired
            ):  # waiting uses no CPU; polling used a whole core
                process.wait(timeout=0.05)
                raise AssertionError(process.communicate())
        try:
            look(project)
        finally:
            reached.unlink()
        out, err = process.communicate(timeout=60)
    return Done(process.returncode, out, err)


@pytest.mark.slow
def test_the_shadow_of_a_running_rotation_is_named_and_not_changed(tmp_path: Path) -> None:
    def look(project: Here) -> None:
        assert SHADOW in project.slugs()
        planned = project.plan()
        assert (planned["actions"], planned["unmanaged"]) == ([], [])
        assert [d["code"] for d in planned["diagnostics"]] == ["rotation-in-flight"]
        assert project.run("drift").code == 0
        assert [a["blocked_by"] for a in project.plan(**NEW)["actions"]] == [["shadow-conflict"]]

    done = during_the_probe(tmp_path, look)
    assert done.code == 0, done.err
    project = Here(tmp_path)
    assert FIRST not in json.dumps(done.out)
    assert project.slugs() == ["alpha"]


def test_a_fleet_stages_too(tmp_path: Path) -> None:
    project = applied(tmp_path)
    (tmp_path / "fleet.yaml").write_text(
        json.dumps({"version": 1, "members": [{"name": "one", "dir": "desired-state"}]})
    )
    done = project.run("fleet", "apply", "--yes", "--format", "json", **NEW)
    assert done.code == 0, done.err
    with sqlite3.connect(project.state / "ledger.db") as ledger:
        slugs = {row[0] for row in ledger.execute("select slug from calls")}
    assert slugs == {"alpha", SHADOW}
    assert project.slugs() == ["alpha"]

"""Options of `fleet apply` that lift a guard or probe credentials, like those of `apply`."""

import json
from pathlib import Path
from typing import Any

import pytest

from reconciler.fleet.markdown import markdown
from reconciler.fleet.outcome import decode_fleet_result
from tests.cli.test_catalogue import pinned
from tests.cli.test_change_windows import FROZEN, REASON
from tests.cli.test_costs import raised
from tests.cli.test_usage import graph
from tests.fleet.project import FleetProject, codes, statuses

FREEZE = ("--break-freeze", REASON)
UNSOAKED = ("--allow-unsoaked", REASON)
KEY = "${env:PORTKEY_API_KEY_ACME}"


def members(done: Any) -> dict[str, Any]:
    return {member["name"]: member for member in done.json["members"]}


def frozen(folder: Path) -> FleetProject:
    """Return a fleet of two members, of which the first is frozen."""
    project = FleetProject(folder)
    project.member("acme").config(api_key=KEY, freeze=FROZEN)
    project.member("globex")
    return project


def probing(folder: Path, text: str) -> FleetProject:
    """Return a fleet of one member with two integrations, whose credentials this script probes."""
    script = folder / "alive"
    script.write_text(f"#!/bin/sh\n{text}\n")
    script.chmod(0o755)
    project = FleetProject(folder, RECONCILE_ALLOWED_PROBES=str(script))
    project.member("acme", "alpha", "beta").config(api_key=KEY, probe={"command": [str(script)]})
    return project


def test_a_frozen_member_is_applied_for_a_reason_and_only_it_records_the_reason(
    tmp_path: Path,
) -> None:
    project = frozen(tmp_path)
    refused = project.fleet("apply", "--yes")
    assert statuses(refused) == {"acme": "refused", "globex": "applied"}
    done = project.fleet("apply", "--yes", *FREEZE)
    assert done.code == 0, done.out
    assert statuses(done) == {"acme": "applied", "globex": "in-sync"}
    found = members(done)
    assert found["acme"]["break_freeze"] == REASON
    assert "break_freeze" not in found["globex"]
    files = project.of("acme").files
    [run] = project.run("--dir", files, "history", "--format", "json").json["runs"]
    assert (run["run"], run["break_freeze"]) == (found["acme"]["run"], REASON)


def test_a_plan_of_the_fleet_names_members_that_cannot_be_applied_now(tmp_path: Path) -> None:
    project = frozen(tmp_path)
    for command in ("plan", "drift"):
        text = " ".join(project.run("fleet", command).out.split())
        assert text.count("outside-window: target `here` does not accept this plan before") == 1
        done = project.fleet(command)
        assert codes(done) == {"acme": {"outside-window"}, "globex": set()}
        shown = markdown(
            decode_fleet_result(done.out, name="f.json"), environment="all", limit=60_000
        )
        assert "outside-window" in shown
    applied = project.fleet("apply", "--yes", *FREEZE)
    assert codes(applied) == {"acme": set(), "globex": set()}


def test_the_table_has_the_reason_and_a_resumed_run_keeps_it(tmp_path: Path) -> None:
    project = frozen(tmp_path)
    (project.of("globex").files / "integrations/alpha.yaml").write_text("slug: [\n")
    done = project.run("fleet", "apply", "--yes", *FREEZE)
    assert f"    outside the change window, because: {REASON}\n" in done.out
    assert f"reconcile fleet apply '--break-freeze={REASON}' --resume " in done.out
    resumed = project.fleet("apply", "--yes", "--resume", done.out.split("run ")[1].split(" ")[0])
    assert members(resumed)["acme"]["break_freeze"] == REASON
    assert members(resumed)["acme"]["resumed"]


def test_the_prompt_uses_the_same_overrides(tmp_path: Path) -> None:
    project = frozen(tmp_path)
    done = project.ask("fleet", "apply", *FREEZE, answer="yes\n")
    assert done.code == 0, done.err
    assert f"outside the change window, because: {REASON}" in done.out


def test_a_member_that_has_not_soaked_is_applied_for_a_reason(tmp_path: Path) -> None:
    project = FleetProject(tmp_path)
    targets = {
        "staging": {"base_url": "simulator:"},
        "production": {
            "base_url": "simulator:",
            "promotion": {"from": "staging", "soak_hours": 24},
        },
    }
    member = project.member("acme", target="production")
    member.write("reconcile.yaml", {"version": 1, "targets": targets})
    refused = project.fleet("apply", "--yes")
    assert (refused.code, codes(refused)) == (4, {"acme": {"not-soaked"}})
    assert project.fleet("apply", "--yes", *FREEZE).code == 4
    done = project.fleet("apply", "--yes", *UNSOAKED)
    assert (done.code, members(done)["acme"]["allow_unsoaked"]) == (0, REASON)
    text = project.run("fleet", "apply", "--yes", *UNSOAKED).out
    assert "because" not in text  # there was nothing to apply, so it was not needed


@pytest.mark.parametrize("option", ["BREAK_FREEZE", "ALLOW_UNSOAKED"])
def test_a_variable_cannot_set_the_reason(tmp_path: Path, option: str) -> None:
    variables = {f"RECONCILE_FLEET_APPLY_{option}": REASON}
    assert frozen(tmp_path).fleet("apply", "--yes", **variables).code == 4


@pytest.mark.parametrize("option", ["--break-freeze", "--allow-unsoaked"])
def test_a_reason_must_be_a_sentence(tmp_path: Path, option: str) -> None:
    done = frozen(tmp_path).run("fleet", "apply", "--yes", option, " ")
    assert (done.code, "the reason is empty" in done.err) == (3, True)


def test_a_probe_runs_only_with_the_flag_and_working_credentials_are_counted(
    tmp_path: Path,
) -> None:
    project = probing(tmp_path, f"cat >> {tmp_path}/seen")
    unprobed = project.fleet("apply", "--yes")
    assert "probed" not in members(unprobed)["acme"]["summary"]
    assert not (tmp_path / "seen").exists()
    project.environment["SECRET_KEY"] = "sk-other-0a1b2c3d4e5f"
    done = project.fleet("apply", "--yes", "--probe")
    assert members(done)["acme"]["summary"]["probed"] == 2
    seen = (tmp_path / "seen").read_text()
    assert [seen.count(f'"slug": "{slug}"') for slug in ("alpha", "beta")] == [1, 1]


def test_a_dead_credential_fails_its_member_and_the_others_continue(tmp_path: Path) -> None:
    project = probing(tmp_path, "exit 1")
    project.environment["RECONCILE_ALLOWED_PROBES"] += ",/bin/true"
    project.member("globex").config(probe={"command": ["/bin/true"]})
    done = project.run("fleet", "apply", "--yes", "--probe")
    assert done.code == 5
    assert "credential-dead: alpha: " in done.out
    assert "✓ applied      globex  1 applied, 1 probed" in done.out
    assert "reconcile fleet apply --probe --resume" in done.out


def test_a_member_without_a_probe_is_invalid_and_not_written_unprobed(tmp_path: Path) -> None:
    project = probing(tmp_path, "exit 0")
    globex = project.member("globex")
    done = project.fleet("apply", "--yes", "--probe")
    assert statuses(done) == {"acme": "applied", "globex": "invalid"}
    assert codes(done)["globex"] == {"no-probe"}
    listed = project.run("--dir", globex.files, "list", "--format", "json")
    assert listed.json["integrations"] == []


def test_a_probe_in_a_fleet_needs_the_ledger(tmp_path: Path) -> None:
    done = probing(tmp_path, "exit 0").run("fleet", "apply", "--yes", "--probe", "--no-ledger")
    assert (done.code, "--probe cannot be used with --no-ledger" in done.err) == (3, True)


def test_used_integrations_are_removed_only_with_the_flag(tmp_path: Path) -> None:
    with graph(tmp_path) as scene:
        # This member prunes `openai-main`, which providers and configs use.
        listed = [{"name": "one", "dir": "desired-state"}]
        (tmp_path / "fleet.yaml").write_text(json.dumps({"version": 1, "members": listed}))
        command = ("fleet", "apply", "--yes", "--format", "json")
        refused = scene.run(*command)
        assert (refused.code, "in-use" in codes(refused)["one"]) == (4, True)
        planned = scene.run("fleet", "plan", "--allow-used")
        assert "To apply, run: reconcile fleet apply --allow-used\n" in planned.out
        assert "blocked" not in planned.out
        done = scene.run(*command, "--allow-used")
        assert done.code == 0, done.out


def test_a_budget_beyond_the_limits_needs_the_flag(tmp_path: Path) -> None:
    project = raised(tmp_path, budget_total=5000)
    listed = [{"name": "one", "dir": "desired-state"}]
    (tmp_path / "fleet.yaml").write_text(json.dumps({"version": 1, "members": listed}))
    refused = project.run("fleet", "apply", "--yes", "--format", "json")
    assert (refused.code, codes(refused)["one"]) == (4, {"budget-exceeded"})
    assert project.run("fleet", "apply", "--yes", "--allow-budget").code == 0


def gated(folder: Path) -> FleetProject:
    """Return a fleet of two members, of which the first declares a retiring model."""
    project = FleetProject(folder)
    project.member("acme")
    made = pinned(folder / "acme", gpt_4=5, gpt_5=None)
    assert made.files == project.of("acme").files
    project.member("globex")
    return project


@pytest.mark.parametrize("command", [("plan",), ("plan", "--detailed-exitcode"), ("drift",)])
def test_retiring_models_fail_the_gate_of_their_member(
    tmp_path: Path, command: tuple[str, ...]
) -> None:
    project = gated(tmp_path)
    done = project.fleet(*command, "--fail-on", "model-retiring:7d")
    assert done.code == 3
    found = members(done)
    assert (found["acme"]["status"], found["acme"]["exit_code"]) == ("invalid", 3)
    assert found["acme"]["summary"]["create"] == 1
    errors = [d for d in found["acme"]["diagnostics"] if d["severity"] == "error"]
    assert [d["code"] for d in errors] == ["model-retiring"]
    assert found["globex"]["status"] == "different"
    assert project.fleet(*command, "--fail-on", "model-retiring:3d").code in {0, 2}
    assert project.fleet(*command).code in {0, 2}


@pytest.mark.parametrize("command", ["plan", "drift"])
def test_a_resumed_run_does_not_skip_a_gate(tmp_path: Path, command: str) -> None:
    project = gated(tmp_path)
    run = project.fleet(command).json["run"]
    done = project.fleet(command, "--fail-on", "model-retiring:7d", "--resume", run)
    assert (done.code, members(done)["acme"]["status"]) == (3, "invalid")
    again = project.fleet(command, "--fail-on", "model-retiring:7d", "--resume", run)
    assert [m["resumed"] for m in again.json["members"]] == [False, True]


def test_a_gate_is_repeated_only_where_the_command_has_it(tmp_path: Path) -> None:
    project = gated(tmp_path)
    gates = ("--fail-on", "model-retiring:7d", "--fail-on", "model-unknown")
    failed = project.run("fleet", "plan", *gates)
    assert "model-retiring: " in failed.out
    words = "--fail-on=model-retiring:7d --fail-on=model-unknown --resume"
    assert f"reconcile fleet plan {words}" in failed.out
    passed = project.run("fleet", "plan", "--fail-on", "model-unknown")
    assert "To apply, run: reconcile fleet apply\n" in passed.out
    assert project.run("fleet", "apply", *gates).code == 3
    wrong = project.run("fleet", "drift", "--fail-on", "model")
    assert (wrong.code, "is not one of model-unknown" in wrong.err) == (3, True)


def test_a_worker_receives_a_task_with_its_overrides() -> None:
    messages = pytest.importorskip("reconciler.fleet.temporal.messages")
    from reconciler.fleet.outcome import FleetOperation
    from reconciler.fleet.task import MemberOverrides, MemberTask

    overrides = MemberOverrides(
        allow_budget=True, allow_used=True, break_freeze="a", allow_unsoaked="b", probe=True
    )
    gates = ("model-retiring:7d",)
    task = MemberTask("acme", FleetOperation.APPLY, overrides=overrides, fail_on=gates)
    assert messages.member_task(messages.workflow_input(task, fleet="")) == task


def test_an_issue_of_the_fleet_has_the_reason_as_inert_text(tmp_path: Path) -> None:
    hostile = "INC-7 ``` <img> @all"
    done = frozen(tmp_path).fleet("apply", "--yes", "--break-freeze", hostile)
    text = markdown(
        decode_fleet_result(done.out, name="fleet.json"), environment="all", limit=60_000
    )
    assert f"````text\noutside the change window, because: {hostile}\n````" in text

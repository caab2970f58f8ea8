"""`reconcile fleet` on one machine: independent members, one table and one exit code."""

import io
import json
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from reconciler.cli.console import Console
from reconciler.cli.fleet_options import TemporalOptions
from tests.end_to_end.harness import COMMAND
from tests.fleet.organisations import Organisations, serving
from tests.fleet.project import FleetProject, codes, statuses
from tests.fleet.temporal import process

SECRET = "sk-canary-of-acme"


def three(folder: Path) -> FleetProject:
    project = FleetProject(folder)
    for name in ("acme", "globex", "initech"):
        project.member(name, "alpha", "beta")
    return project


def test_a_fleet_is_planned_applied_and_then_in_sync(tmp_path: Path) -> None:
    project = three(tmp_path)
    planned = project.fleet("plan", "--detailed-exitcode")
    assert (planned.code, planned.json["exit_code"]) == (2, 2)
    assert project.fleet("plan").code == 0
    assert project.fleet("drift").code == 2
    done = project.fleet("apply", "--yes")
    assert done.code == 0
    assert (done.json["kind"], done.json["command"]) == ("fleet_result", "apply")
    assert (done.json["format_version"], done.json["engine"]) == ("1", "local")
    assert done.json["summary"]["applied"] == 3
    assert [m["name"] for m in done.json["members"]] == ["acme", "globex", "initech"]
    assert [m["summary"]["applied"] for m in done.json["members"]] == [2, 2, 2]
    again = project.fleet("drift")
    assert again.code == 0
    assert set(statuses(again).values()) == {"in-sync"}


def test_a_member_has_the_digest_and_the_run_of_its_own_command(tmp_path: Path) -> None:
    project = FleetProject(tmp_path)
    acme = project.member("acme")
    planned = project.fleet("plan").json["members"][0]
    alone = project.run("--dir", acme.files, "plan", "--format", "json")
    assert planned["digest"] == alone.json["digest"]
    applied = project.fleet("apply", "--yes").json["members"][0]
    history = project.run("--dir", acme.files, "history", "--format", "json")
    assert [run["run"] for run in history.json["runs"]] == [applied["run"]]


def test_the_table_names_every_member_and_the_next_command(tmp_path: Path) -> None:
    project = three(tmp_path)
    (tmp_path / "globex/desired-state/integrations/alpha.yaml").write_text("slug: [\n")
    done = project.run("fleet", "apply", "--yes")
    assert done.code == 3
    assert "✓ applied      acme     2 applied" in done.out
    assert "✗ invalid      globex" in done.out
    assert "syntax:" in done.out
    assert "globex/desired-state/integrations/alpha.yaml:2:1" in " ".join(done.out.split())
    assert "3 members: 2 applied, 1 invalid." in done.out
    run = done.out.split("run ")[1].split(" ")[0]
    assert f"reconcile fleet apply --resume {run}" in done.out


def test_the_next_command_is_for_the_same_members(tmp_path: Path) -> None:
    project = three(tmp_path)
    (tmp_path / "fleet.yaml").rename(tmp_path / "the fleet.yaml")
    chosen = ("--file", "the fleet.yaml", "--exclude", "in*", "--exclude", "far-away")
    shown = project.run("fleet", "plan", *chosen).out
    words = "--file 'the fleet.yaml' --exclude 'in*' --exclude far-away"
    assert f"To apply, run: reconcile fleet apply {words}\n" in shown
    (tmp_path / "globex/desired-state/integrations/alpha.yaml").write_text("slug: [\n")
    broken = project.run("fleet", "plan", *chosen).out
    assert f"    reconcile fleet plan {words} --resume 2" in broken


@pytest.mark.parametrize(
    ("options", "names"),
    [
        (("--only", "acme"), {"acme"}),
        (("--only", "*e*", "--exclude", "init*"), {"acme", "globex"}),
        (("--exclude", "acme", "--exclude", "globex"), {"initech"}),
    ],
)
def test_only_and_exclude_select_members(
    tmp_path: Path, options: tuple[str, ...], names: set[str]
) -> None:
    done = three(tmp_path).fleet("plan", *options)
    assert set(statuses(done)) == names
    assert done.json["partial"]


def test_the_command_without_arguments_lists_its_subcommands(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert FleetProject(tmp_path).run("fleet").code == 3
    assert "Commands:" in capsys.readouterr().err


def test_options_of_a_fleet_have_environment_variables(tmp_path: Path) -> None:
    done = three(tmp_path).run("fleet", "plan", RECONCILE_FLEET_PLAN_ONLY="acme globex")
    assert "2 members: 2 different." in done.out


@pytest.mark.parametrize(
    "words",
    [
        ("--target", "here", "fleet", "plan"),
        ("fleet", "apply", "--yes", "--target", "here"),
        ("fleet", "drift", "--target", "here"),
        ("worker", "--target", "here"),
    ],
)
def test_a_target_for_a_fleet_is_bad_input(tmp_path: Path, words: tuple[str, ...]) -> None:
    project = three(tmp_path)
    done = project.run(*words)
    assert (done.code, done.out) == (3, "")
    command = "worker" if "worker" in words else "fleet"
    assert f"error[usage]: --target cannot be used with `{command}`" in done.err
    assert "--only GLOB" in done.err


def test_a_folder_for_a_fleet_is_ignored_with_a_message(tmp_path: Path) -> None:
    project = three(tmp_path)
    done = project.run("--dir", "elsewhere", "fleet", "plan", "--format", "json")
    assert (done.code, len(done.json["members"])) == (0, 3)
    assert "--dir is ignored: fleet.yaml names the folders" in done.err
    assert "ignored" not in project.run("-q", "--dir", "elsewhere", "fleet", "plan").err


def test_global_options_in_the_environment_are_accepted_by_a_fleet(
    tmp_path: Path,
) -> None:
    project = three(tmp_path)
    done = project.run("fleet", "plan", RECONCILE_TARGET="here", RECONCILE_DIR="elsewhere")
    assert done.code == 0
    assert "ignored" not in done.err


def test_selecting_no_member_is_bad_input(tmp_path: Path) -> None:
    done = three(tmp_path).fleet("plan", "--only", "nobody")
    assert (done.code, done.json["diagnostics"][0]["code"]) == (3, "no-members")


def test_each_pattern_that_selects_no_member_is_bad_input(tmp_path: Path) -> None:
    project = three(tmp_path)
    done = project.fleet("apply", "--yes", "--only", "acme", "--only", "globx", "--only", "INI*")
    assert done.code == 3
    found = [(d["code"], d["summary"]) for d in done.json["diagnostics"]]
    assert found == [
        ("nothing-selected", "`--only globx` matches no member"),
        ("nothing-selected", "`--only INI*` matches no member"),
    ]
    assert project.fleet("drift").code == 2


def test_a_pattern_that_excludes_no_member_is_reported(tmp_path: Path) -> None:
    done = three(tmp_path).fleet("plan", "--exclude", "acme", "--exclude", "globx")
    assert set(statuses(done)) == {"globex", "initech"}
    assert "warning: `--exclude globx` matches no member" in done.err


@pytest.mark.parametrize("command", ["plan", "drift"])
def test_a_fleet_in_a_read_only_folder_can_be_read(tmp_path: Path, command: str) -> None:
    project = three(tmp_path)
    project.write_fleet(members=[*project.members, {"name": "missing", "dir": "missing"}])
    (tmp_path / ".reconcile").write_text("not a folder")
    done = project.run("fleet", command)
    assert done.code == 3
    assert "3 different, 1 invalid" in done.out
    assert "this run cannot be resumed" in done.err
    assert "--resume" not in done.out
    refused = project.fleet("apply", "--yes")
    assert [d["code"] for d in refused.json["diagnostics"]] == ["cannot-save"]


@pytest.mark.slow
def test_members_that_fail_hang_or_are_denied_do_not_affect_the_others(tmp_path: Path) -> None:
    names = ("acme", "broken", "denied", "hanging", "zeta")
    with serving(*names) as served:
        project = FleetProject(tmp_path, PORTKEY_API_KEY_DENIED="pk-of-somebody-else")
        for name in names:
            project.member(name, base_url=served.url(name))
        (tmp_path / "broken/desired-state/integrations/alpha.yaml").write_text("slug: [\n")
        served["hanging"].hangs = True
        done = project.fleet("apply", "--yes", "--deadline", "3")
        assert statuses(done) == {
            "acme": "applied",
            "broken": "invalid",
            "denied": "failed",
            "hanging": "failed",
            "zeta": "applied",
        }
        assert done.code == 1
        assert "deadline" in codes(done)["hanging"] or "timeout" in codes(done)["hanging"]
        assert served["acme"].slugs == served["zeta"].slugs == {"alpha"}
        assert served["denied"].requests == served["broken"].requests == []


def test_every_member_uses_its_own_api_and_key(tmp_path: Path) -> None:
    with serving("acme", "globex") as served:
        project = FleetProject(tmp_path, SECRET_ACME=SECRET, SECRET_GLOBEX="sk-globex-0123")
        for name in ("acme", "globex"):
            upper = name.upper()
            variables = {
                "SECRET_KEY": f"SECRET_{upper}",
                f"PORTKEY_API_KEY_{upper}": f"PORTKEY_API_KEY_{upper}",
            }
            project.member(name, base_url=served.url(name), variables=variables)
        spy = project.of("globex").integration("spy", key="${env:SECRET_ACME}")
        done = project.fleet("apply", "--yes")
        assert statuses(done) == {"acme": "applied", "globex": "invalid"}
        assert served["globex"].writes == 0
        spy.unlink()
        assert project.fleet("apply", "--yes").code == 0
        sent = {
            name: [
                request.body["key"] for request in organisation.requests if request.method == "POST"
            ]
            for name, organisation in served.organisations.items()
        }
        assert sent == {"acme": [SECRET], "globex": ["sk-globex-0123"]}
        state = "".join(f.read_text() for f in (tmp_path / ".reconcile/fleet").iterdir())
        assert SECRET not in state + done.out + done.err


def test_drift_of_a_fleet_reads_the_models_that_no_file_declares(tmp_path: Path) -> None:
    with serving("acme") as served:
        project = FleetProject(tmp_path, SECRET_ACME=SECRET)
        variables = {"SECRET_KEY": "SECRET_ACME", "PORTKEY_API_KEY_ACME": "PORTKEY_API_KEY_ACME"}
        project.member("acme", base_url=served.url("acme"), variables=variables)
        assert project.fleet("apply", "--yes").code == 0
        models = {"slug": "tune", "enabled": True, "is_custom": True, "base_model_slug": "gpt-5"}
        models["configurations"] = {"custom_host": "https://llm.corp.example"}
        served["acme"].world.put("PUT", "/integrations/alpha/models", {"models": [models]})
        assert "undeclared-host" not in project.fleet("plan").out
        assert "undeclared-host" in project.fleet("drift").out


def test_a_run_is_resumed_where_it_stopped(tmp_path: Path) -> None:
    with serving("acme", "globex", "initech") as served:
        project = FleetProject(tmp_path)
        for name in served.organisations:
            project.member(name, base_url=served.url(name))
        file = tmp_path / "globex/desired-state/integrations/alpha.yaml"
        good = file.read_text()
        file.write_text("slug: [\n")
        first = project.fleet("apply", "--yes")
        assert first.code == 3
        asked = {
            name: len(organisation.requests) for name, organisation in served.organisations.items()
        }
        file.write_text(good)
        second = project.fleet("apply", "--yes", "--resume", first.json["run"])
        assert second.code == 0
        assert second.json["run"] == first.json["run"]
        resumed = {m["name"]: m["resumed"] for m in second.json["members"]}
        assert resumed == {"acme": True, "globex": False, "initech": True}
        assert len(served["acme"].requests) == asked["acme"]
        assert len(served["initech"].requests) == asked["initech"]
        assert served["globex"].slugs == {"alpha"}


def test_a_member_that_was_changed_since_is_applied_again(tmp_path: Path) -> None:
    project = three(tmp_path)
    first = project.fleet("apply", "--yes")
    project.members[0]["target"] = "here"
    project.write_fleet(members=project.members)
    second = project.fleet("apply", "--yes", "--resume", first.json["run"])
    resumed = {m["name"]: m["resumed"] for m in second.json["members"]}
    assert resumed == {"acme": False, "globex": True, "initech": True}


def test_a_resumed_plan_has_the_requested_exit_code(tmp_path: Path) -> None:
    project = three(tmp_path)
    missing = {"name": "missing", "dir": "missing"}
    project.write_fleet(members=[*project.members, missing])
    first = project.fleet("plan")
    project.write_fleet(members=project.members)
    run = first.json["run"]
    again = project.fleet("plan", "--resume", run)
    assert {m["resumed"] for m in again.json["members"]} == {True}
    strict = project.fleet("plan", "--detailed-exitcode", "--resume", run)
    assert (strict.code, {m["resumed"] for m in strict.json["members"]}) == (2, {False})
    assert project.fleet("plan", "--resume", run).code == 0


def test_the_command_that_resumes_keeps_the_exit_code(tmp_path: Path) -> None:
    project = three(tmp_path)
    planned = project.run("fleet", "plan", "--detailed-exitcode")
    assert "To apply, run: reconcile fleet apply\n" in planned.out
    project.write_fleet(members=[*project.members, {"name": "missing", "dir": "missing"}])
    failed = project.run("fleet", "plan", "--detailed-exitcode")
    assert "reconcile fleet plan --detailed-exitcode --resume " in failed.out


@pytest.mark.parametrize(
    ("operation", "run", "code"),
    [
        ("apply", "20200101T000000Z-00000000", "unknown-run"),
        ("apply", "../../etc/passwd", "unknown-run"),
        ("drift", None, "other-command"),
        ("apply", "broken", "unreadable-run"),
    ],
)
def test_a_run_that_cannot_be_resumed_is_bad_input(
    tmp_path: Path, operation: str, run: str | None, code: str
) -> None:
    project = three(tmp_path)
    first = project.fleet("plan") if run is None else None
    folder = tmp_path / ".reconcile/fleet"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "broken.json").write_text("[]")
    words = ("--yes",) if operation == "apply" else ()
    done = project.fleet(operation, *words, "--resume", run or (first.json["run"] if first else ""))
    assert (done.code, done.json["diagnostics"][0]["code"]) == (3, code)


def test_a_damaged_state_is_bad_input(tmp_path: Path) -> None:
    project = three(tmp_path)
    run = project.fleet("plan").json["run"]
    file = tmp_path / f".reconcile/fleet/{run}.json"
    whole = file.read_text()
    for field in ("exit_code", "name", "run", "summary", "target"):
        for value in (float("inf"), [1], "text"):
            state = json.loads(whole)
            state["members"]["acme"]["outcome"][field] = value
            file.write_text(json.dumps(state))
            done = project.fleet("plan", "--resume", run)
            if value == "text" and field in {"run", "target"}:
                assert [m["name"] for m in done.json["members"]] == ["acme", "globex", "initech"]
                continue
            assert (done.code, done.json["diagnostics"][0]["code"]) == (3, "unreadable-run")


def test_without_a_terminal_and_without_yes_nothing_is_even_planned(tmp_path: Path) -> None:
    with serving("acme") as served:
        project = FleetProject(tmp_path)
        project.member("acme", base_url=served.url("acme"))
        done = project.fleet("apply")
        assert (done.code, done.json["diagnostics"][0]["code"]) == (3, "no-terminal")
        assert served["acme"].requests == []


@pytest.mark.parametrize(("answer", "code", "slugs"), [("y", 0, {"alpha"}), ("n", 4, set())])
def test_the_prompt_shows_the_plan_and_the_answer_is_respected(
    tmp_path: Path, answer: str, code: int, slugs: set[str]
) -> None:
    with serving("acme", "globex") as served:
        project = FleetProject(tmp_path)
        for name in served.organisations:
            project.member(name, base_url=served.url(name))
        done = project.ask("fleet", "apply", answer=answer)
        assert "2 to create. Apply to these 2 members? [y/N]" in done.err
        assert done.err.index("acme") < done.err.index("globex") < done.err.index("Apply to these")
        assert done.err.count("1 create") == 2
        # The question is the next step, and a run that applies is not resumed as a plan.
        assert "fleet plan --resume" not in done.err
        assert "To apply, run" not in done.err
        assert done.code == code
        assert served["acme"].slugs == served["globex"].slugs == slugs


def test_every_line_of_the_log_names_its_member(tmp_path: Path) -> None:
    done = three(tmp_path).fleet("apply", "--yes", "--log-format", "json")
    lines = [json.loads(line) for line in done.err.splitlines()]
    requests = [line for line in lines if line["event"] == "request"]
    assert {line["member"] for line in requests} == {"acme", "globex", "initech"}
    assert {line["fleet_run"] for line in requests} == {done.json["run"]}
    ended = [line for line in lines if line["event"] == "member_ended"]
    assert {line["status"] for line in ended} == {"applied"}
    assert len({line["run"] for line in ended}) == 3


def test_the_metrics_of_a_fleet_include_every_member(tmp_path: Path) -> None:
    project, file = three(tmp_path), tmp_path / "fleet.prom"
    project.fleet("apply", "--yes", "--only", "acme")
    (tmp_path / "initech/desired-state/integrations/alpha.yaml").write_text("slug: [\n")
    done = project.fleet("drift", "--metrics-file", file)
    families = text_string_to_metric_families(file.read_text())
    found = {f.name: {tuple(s.labels.values()): s.value for s in f.samples} for f in families}
    drift = "fleet drift"
    assert found["reconcile_fleet_exit_code"] == {(drift,): done.code} == {(drift,): 3}
    assert found["reconcile_fleet_members"][drift, "in-sync"] == 1
    assert found["reconcile_member_exit_code"] == {
        (drift, "acme", "here"): 0,
        (drift, "globex", "here"): 2,
        (drift, "initech", ""): 3,
    }
    assert found["reconcile_member_drift_items"] == {
        (drift, "acme", "here"): 0,
        (drift, "globex", "here"): 2,
    }


def test_the_metrics_of_an_unreadable_fleet_have_the_exit_code(tmp_path: Path) -> None:
    project, file = FleetProject(tmp_path), tmp_path / "fleet.prom"
    project.write_fleet(members=[])
    assert project.fleet("drift", "--metrics-file", file).code == 3
    assert 'reconcile_fleet_exit_code{command="fleet drift"} 3' in file.read_text()
    assert "reconcile_fleet_members" not in file.read_text()


@contextmanager
def stuck(folder: Path, served: Organisations, *slugs: str) -> Iterator["subprocess.Popen[str]"]:
    """Run an apply whose first member waits for the response to a create."""
    project = FleetProject(folder)
    for name in served.organisations:
        project.member(name, *slugs, base_url=served.url(name))
    served.gate.close_after(0, room=1)
    words = ("fleet", "apply", "--yes", "--parallelism", "1", "--format", "json")
    with process([*COMMAND, *words], cwd=folder, env=project.environment) as running:
        assert served.gate.full.wait(60)
        yield running


@pytest.mark.slow
def test_ctrl_c_lets_the_running_member_finish_and_starts_no_other(tmp_path: Path) -> None:
    with serving("acme", "globex") as served, stuck(tmp_path, served) as running:
        running.send_signal(signal.SIGINT)
        assert running.stderr is not None
        assert "finishing the calls in progress" in running.stderr.readline()
        served.open()
        out, _ = running.communicate(timeout=60)
        result = json.loads(out)
        assert (running.returncode, result["exit_code"]) == (130, 130)
        assert [m["status"] for m in result["members"]] == ["applied", "not-run"]
        assert (served["acme"].slugs, served["globex"].requests) == ({"alpha"}, [])
        project = FleetProject(tmp_path)
        project.environment |= {"PORTKEY_API_KEY_ACME": "pk-acme"}
        rest = {"PORTKEY_API_KEY_GLOBEX": "pk-globex"}
        done = project.fleet("apply", "--yes", "--resume", result["run"], **rest)
        assert [m["resumed"] for m in done.json["members"]] == [True, False]
        assert (done.code, served["globex"].slugs) == (0, {"alpha"})


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_member_that_a_signal_stops_has_the_exit_code_of_its_command(
    tmp_path: Path, number: signal.Signals
) -> None:
    # More than are written at the same time.
    slugs = [f"one-{n}" for n in range(24)]
    with serving("acme") as served, stuck(tmp_path, served, *slugs) as running:
        running.send_signal(number)
        assert running.stderr is not None
        assert "finishing the calls in progress" in running.stderr.readline()
        served.open()
        out, _ = running.communicate(timeout=60)
        result = json.loads(out)
        (member,) = result["members"]
        code = 128 + number
        assert (running.returncode, result["exit_code"], member["exit_code"]) == (code, code, code)
        assert member["status"] == "interrupted"


def test_a_result_that_cannot_be_printed_is_not_reported_as_without_writes(
    tmp_path: Path,
) -> None:
    project = three(tmp_path)
    with Path("/dev/full").open("w") as full:
        console = Console(stdin=None, stdout=full, stderr=io.StringIO())
        assert project.run("fleet", "apply", "--yes", "--format", "json", console=console).code == 5
    assert project.fleet("drift").code == 0


@pytest.mark.slow
def test_a_second_signal_ends_it_at_once_and_quietly(tmp_path: Path) -> None:
    with serving("acme") as served, stuck(tmp_path, served) as running:
        running.send_signal(signal.SIGTERM)
        assert running.stderr is not None
        assert "finishing the calls in progress" in running.stderr.readline()
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=60)
        assert (running.returncode, err.strip()) == (143, "")
        assert [found["code"] for found in json.loads(out)["diagnostics"]] == ["interrupted"]


def test_the_next_command_uses_the_same_temporal_server() -> None:
    given = TemporalOptions(address="temporal:7233", namespace="fleet", queue="nightly", tls=True)
    words = ("--address", "temporal:7233", "--namespace", "fleet", "--queue", "nightly", "--tls")
    assert given.options == words
    assert TemporalOptions().options == ()

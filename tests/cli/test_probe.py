"""`apply --probe`: what the environment allows, what a dead credential does, and the way back."""

import json
import sqlite3
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from reconciler.domain.policy import GatewayProbe, Probe
from reconciler.simulator.switches import Switches
from tests.cli.project import FIRST, SECOND, Here, writes
from tests.cli.scene import Scene, scene
from tests.end_to_end.harness import Done

DEAD = "sk-dead-11112222"
GATEWAY_KEY = "pk-canary-gateway"


def script(folder: Path, text: str) -> Path:
    path = folder / "alive"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def probing(folder: Path, text: str = "exit 0", **rules: Any) -> Here:
    """Return a project with one integration, whose credential this script probes."""
    path = script(folder, text)
    project = Here(folder, RECONCILE_ALLOWED_PROBES=str(path))
    project.config(probe={"command": [str(path)], **rules})
    project.integration("alpha")
    return project


def apply(project: Here, *options: object, **variables: str) -> Done:
    return project.run("-vv", "apply", "--yes", "--probe", *options, **variables)


# -- what the environment allows ---------------------------------------------------------


@pytest.mark.parametrize("allowed", ["", "/elsewhere/alive", "{path} --fast", "*"])
def test_a_command_that_the_environment_does_not_list_is_refused(
    tmp_path: Path, allowed: str
) -> None:
    project = probing(tmp_path, "touch ran")
    listed = allowed.format(path=tmp_path / "alive")
    done = apply(project, RECONCILE_ALLOWED_PROBES=listed)
    assert (done.code, writes(done)) == (4, [])
    assert "error[probe-not-allowed]" in done.err
    assert "RECONCILE_ALLOWED_PROBES" in done.err
    assert "reconcile.yaml:" in done.err
    assert not list(tmp_path.rglob("ran"))


def test_without_the_flag_no_command_runs(tmp_path: Path) -> None:
    project = probing(tmp_path, f"touch {tmp_path}/ran")
    assert project.run("apply", "--yes", RECONCILE_ALLOWED_PROBES="").code == 0
    assert project.run("plan").code == 0
    assert not (tmp_path / "ran").exists()


def test_a_target_without_a_probe_is_bad_input(tmp_path: Path) -> None:
    project = Here(tmp_path)
    project.integration("alpha")
    done = apply(project)
    assert (done.code, "error[no-probe]" in done.err, writes(done)) == (3, True, [])
    assert "desired-state/reconcile.yaml:5:" in done.err


def test_a_probe_needs_the_ledger(tmp_path: Path) -> None:
    done = apply(probing(tmp_path), "--no-ledger")
    assert (done.code, writes(done)) == (3, [])
    assert "--probe cannot be used with --no-ledger" in done.err


def test_a_missing_program_stops_the_run_before_the_first_write(tmp_path: Path) -> None:
    project = probing(tmp_path)
    (tmp_path / "alive").unlink()
    done = apply(project)
    assert (done.code, "error[missing-program]" in done.err, writes(done)) == (3, True, [])


def test_a_name_is_not_looked_up_in_the_repository(tmp_path: Path) -> None:
    project = probing(tmp_path)
    inside, links, outside = project.files / "bin", tmp_path / "links", tmp_path / "outside"
    for folder in (inside, links, outside):
        folder.mkdir()
    script(inside, f"touch {tmp_path}/ran")
    (links / "alive").symlink_to(inside / "alive")
    project.config(probe={"command": ["alive"]})
    allowed = {"RECONCILE_ALLOWED_PROBES": "alive"}
    for path in (str(inside), f"{inside}/", f"{inside}/../bin", "desired-state/bin", str(links)):
        done = apply(project, PATH=path, **allowed)
        assert (done.code, "error[missing-program]" in done.err, writes(done)) == (3, True, [])
    script(outside, f"command -v alive > {tmp_path}/found")
    assert apply(project, PATH=f"{inside}:{outside}", **allowed).code == 0
    # The program does not find programs there either.
    assert (tmp_path / "found").read_text() == f"{outside}/alive\n"
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("name", "variables", "code"),
    [
        ("SECRET_PROBE", {}, "missing-value"),
        ("OTHER", {"OTHER": "x"}, "secret-not-allowed"),
    ],
)
def test_a_variable_is_passed_only_if_it_is_allowed_and_set(
    tmp_path: Path, name: str, variables: dict[str, str], code: str
) -> None:
    done = apply(probing(tmp_path, variables=[name]), **variables)
    assert (done.code, f"error[{code}]" in done.err, writes(done)) == (3, True, [])


def test_a_command_gets_the_listed_variables_and_no_others(tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    project = probing(tmp_path, f"env > {seen}; cat >> {seen}", variables=["SECRET_PROBE"])
    assert apply(project, SECRET_PROBE="probe-value").code == 0
    text = seen.read_text()
    assert "SECRET_PROBE=probe-value" in text
    assert FIRST not in text
    assert "RECONCILE_" not in text
    document = text[text.index("{") :]
    assert json.loads(document)["slug"] == "alpha"


# -- dead credentials --------------------------------------------------------------------


def test_a_dead_credential_fails_until_it_is_corrected(tmp_path: Path) -> None:
    answer = tmp_path / "answer"
    answer.write_text("0")
    project = probing(tmp_path, f"exit $(cat {answer})")
    assert "credential alive" in apply(project).out
    answer.write_text("1")
    dead = apply(project, SECRET_KEY=SECOND)
    assert (dead.code, writes(dead)) == (5, ["PUT /integrations/alpha"])
    assert "credential-dead: the credential was written and does not work" in dead.out
    assert "set env:SECRET_KEY to the previous value" in " ".join(dead.out.split())
    assert "reconcile --target here apply --probe --only alpha" in dead.out
    # The ledger does not record the dead credential as in sync.
    assert project.run("plan", "--detailed-exitcode", SECRET_KEY=SECOND).code == 2
    assert apply(project, SECRET_KEY=SECOND).code == 5
    # Rollback: the previous value is written again, although the ledger knows it.
    answer.write_text("0")
    back = apply(project)
    assert (back.code, writes(back)) == (0, ["PUT /integrations/alpha"])
    assert project.run("plan", "--detailed-exitcode").code == 0


def test_a_dead_credential_of_a_create_is_sent_again(tmp_path: Path) -> None:
    answer = tmp_path / "answer"
    answer.write_text("1")
    project = probing(tmp_path, f"exit $(cat {answer})")
    assert apply(project).code == 5
    assert project.run("plan", "--detailed-exitcode").code == 2
    answer.write_text("0")
    done = apply(project)
    assert (done.code, writes(done)) == (0, ["PUT /integrations/alpha"])
    assert project.run("plan", "--detailed-exitcode").code == 0


def test_without_a_pepper_a_dead_credential_is_sent_again_too(tmp_path: Path) -> None:
    answer = tmp_path / "answer"
    answer.write_text("1")
    project = probing(tmp_path, f"exit $(cat {answer})")
    # On a runner, a local ledger without the variable stores no fingerprint.
    runner = {"GITLAB_CI": "true"}
    assert apply(project, **runner).code == 5
    with sqlite3.connect(project.state / "ledger.db") as ledger:
        assert ledger.execute("select count(*) from secrets").fetchone() == (0,)
    assert project.run("plan", "--detailed-exitcode", **runner).code == 2
    answer.write_text("0")
    assert apply(project, **runner).code == 0
    assert project.run("plan", "--detailed-exitcode", **runner).code == 0


def test_output_of_a_probe_is_never_shown(tmp_path: Path) -> None:
    project = probing(tmp_path, "echo canary-out; echo canary-err >&2; exit 1")
    done = apply(project, "--format", "json")
    assert done.code == 5
    assert "canary" not in done.out + done.err
    shown = project.run("history", done.json["run"]).out
    assert "the credential was written and does not work" in shown
    assert "canary" not in shown


def test_the_result_is_a_valid_document(tmp_path: Path) -> None:
    project = probing(tmp_path)
    done = apply(project, "--format", "json")
    schema = project.run("schema", "--kind", "result").json
    jsonschema.Draft202012Validator(schema).validate(done.json)
    [outcome] = done.json["outcomes"]
    assert outcome["probe"] == "alive"
    (tmp_path / "result.json").write_text(done.out)
    assert "credential alive" in project.run("show", "result.json").out


# -- the gateway -------------------------------------------------------------------------


def served(made: Scene, **gateway: Any) -> Scene:
    made.config(probe={"gateway": {"api_key": "${env:PORTKEY_GATEWAY_KEY}", **gateway}})
    made.file("alpha")
    return made


def test_the_gateway_distinguishes_good_and_dead_credentials(tmp_path: Path) -> None:
    with scene(tmp_path, switches=Switches(dead_keys="*dead*")) as made:
        project = served(made).project
        project.environment["PORTKEY_GATEWAY_KEY"] = GATEWAY_KEY
        assert apply(project).code == 0
        dead = apply(project, SECRET_KEY=DEAD)
        assert (dead.code, "credential-dead" in dead.out) == (5, True)
        assert apply(project).code == 0
        assert project.run("plan", "--detailed-exitcode").code == 0
        assert GATEWAY_KEY not in dead.out + dead.err


def test_the_key_of_the_gateway_goes_to_known_hosts_only(tmp_path: Path) -> None:
    with scene(tmp_path) as made:
        project = served(made, base_url="https://gateway.example/v1").project
        done = apply(project, PORTKEY_GATEWAY_KEY=GATEWAY_KEY)
        assert (done.code, "error[host-not-allowed]" in done.err) == (4, True)
        assert made.upstream.writes == []


def test_an_unset_gateway_key_stops_the_run_before_the_first_write(tmp_path: Path) -> None:
    with scene(tmp_path) as made:
        done = apply(served(made).project)
        assert (done.code, made.upstream.writes) == (3, [])
        assert "probe.gateway.api_key of target here" in done.err


def test_the_embedded_simulator_has_a_gateway(tmp_path: Path) -> None:
    project = Here(tmp_path)
    project.config(probe={"gateway": {}})
    project.integration("alpha")
    done = apply(project)
    assert (done.code, "credential alive" in done.out) == (0, True), done.err


# -- reconcile.yaml ----------------------------------------------------------------------

KEY = "${env:PORTKEY_GATEWAY_KEY}"


@pytest.mark.parametrize(
    ("probe", "code", "summary"),
    [
        ({}, "missing-field", "`probe` has no command"),
        ({"command": ["a"], "gateway": {}}, "invalid-value", "both"),
        ({"command": []}, "invalid-value", "`command` is empty"),
        ({"command": [""]}, "invalid-value", "a word of `command` is empty"),
        ({"command": ["./alive"]}, "invalid-value", "cannot be a relative path"),
        ({"command": ["probes/alive"]}, "invalid-value", "cannot be a relative path"),
        ({"command": "alive"}, "wrong-type", "`command` must be a list"),
        ({"command": [["a"]]}, "wrong-type", "must be a string"),
        ({"command": ["a"], "variables": ["A B"]}, "invalid-value", "variable name"),
        (
            {"command": ["a"], "variables": ["A=sk-canary"]},
            "invalid-value",
            "invalid variable name",
        ),
        ({"command": ["a"], "variables": ["PORTKEY_API_KEY"]}, "reference-forbidden", "reserved"),
        ({"command": ["a"], "variables": ["GITHUB_TOKEN"]}, "reference-forbidden", "reserved"),
        ({"command": ["a"], "timeout_seconds": 0}, "invalid-value", "`timeout_seconds`"),
        ({"command": ["a"], "timeout_seconds": 301}, "invalid-value", "`timeout_seconds`"),
        ({"command": ["a"], "workspace": ""}, "invalid-value", "`workspace` is empty"),
        ({"command": ["a"], "comand": ["b"]}, "unknown-field", "`comand` is not a field"),
        ({"gateway": {"api_key": "pk-canary"}}, "literal-secret", "must be a reference"),
        ({"gateway": {"api_key": "${env:HOME}"}}, "reference-forbidden", "cannot be the API key"),
        ({"gateway": {"base_url": "https://x/v1"}}, "missing-field", "needs `api_key`"),
        (
            {"gateway": {"base_url": "http://x?k=sk-canary", "api_key": KEY}},
            "invalid-base-url",
            "`base_url` of the gateway",
        ),
    ],
)
def test_bad_input_has_a_place_and_a_hint(
    tmp_path: Path, probe: dict[str, Any], code: str, summary: str
) -> None:
    project = Here(tmp_path)
    project.config(probe=probe)
    done = project.run("validate", "--format", "json")
    assert done.code == 3
    [found] = [d for d in done.json["diagnostics"] if d["severity"] == "error"]
    assert (found["code"], summary in found["summary"]) == (code, True), found
    assert found["hint"]
    assert found["file"].endswith("reconcile.yaml")
    assert found["line"] > 1
    assert "canary" not in project.run("validate").err


def test_the_schema_of_the_file_describes_a_probe(tmp_path: Path) -> None:
    schema = Here(tmp_path).run("schema", "--kind", "config").json
    for model in (Probe, GatewayProbe):
        properties = schema["$defs"][model.__name__]["properties"]
        assert properties.keys() == model.model_fields.keys()
        assert all(properties[name]["description"] for name in properties)
    document = {
        "version": 1,
        "targets": {"p": {"base_url": "simulator:", "probe": {"command": ["/opt/alive"]}}},
    }
    jsonschema.Draft202012Validator(schema).validate(document)


@pytest.mark.parametrize(("value", "code"), [("true", 3), ("1", 3), ("", 0), ("false", 0)])
def test_a_variable_sets_the_flag_and_an_empty_one_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str, code: int
) -> None:
    project = Here(tmp_path)
    project.integration("alpha")
    # GitHub passes an unset variable as an empty one.
    monkeypatch.setenv("RECONCILE_APPLY_PROBE", value)
    done = project.run("apply", "--yes")
    assert (done.code, "error[no-probe]" in done.err) == (code, code == 3)

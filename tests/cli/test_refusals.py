"""Every refusal of the contract: its output, exit code 4, and only GET requests."""

import json
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.project import Here
from tests.cli.scene import Scene, scene
from tests.cli.test_ledger_condition import somebody_holding_the_lock


def other_target(at: Scene) -> list[object]:
    saved = planned(at)
    config = json.loads((at.project.files / "reconcile.yaml").read_text())
    config["targets"]["there"] = config["targets"]["here"]
    at.project.write("reconcile.yaml", config)
    return [saved, "--target", "there"]


def other_organisation(at: Scene) -> list[object]:
    assert at.run("apply", "--yes").code == 0
    for record in at.upstream.remote.integrations.values():
        record["organisation_id"] = "00000000-0000-4000-8000-00000000ffff"
    return ["--yes"]


def old(at: Scene) -> list[object]:
    at.config(limits={"plan_age_hours": 1e-9})
    return [planned(at)]


def edited(at: Scene) -> list[object]:
    saved = planned(at)
    saved.write_text(saved.read_text().replace('"alpha"', '"omega"'))
    return [saved]


def mismatched(at: Scene) -> list[object]:
    return ["--expect-digest", "sha256:0"]


def unapproved(at: Scene) -> list[object]:
    saved = planned(at)
    at.file("beta")
    return [saved]


def planned(at: Scene) -> Path:
    saved = at.project.folder / "plan.json"
    assert at.run("plan", "--out", saved).code == 0
    return saved


@pytest.mark.parametrize(
    ("code", "arrange", "said"),
    [
        ("wrong-target", other_target, "the plan was made for here at http://127.0.0.1:"),
        (
            "wrong-target",
            other_organisation,
            "the integrations of here belong to organisation 00000000-0000-4000-8000-",
        ),
        ("expired-plan", old, "the plan was made at 20"),
        ("tampered-plan", edited, ""),
        ("digest-mismatch", mismatched, "the plan's digest is sha256:"),
        ("not-approved", unapproved, "no approved plan contains this: create beta"),
    ],
    ids=lambda case: getattr(case, "__name__", None),
)
def test_a_refusal_is_printed_and_nothing_is_written(
    tmp_path: Path, code: str, arrange: Callable[[Scene], list[object]], said: str
) -> None:
    with scene(tmp_path) as at:
        at.file("alpha")
        options = arrange(at)
        at.upstream.requests.clear()
        text = at.run("apply", *options)
        assert text.code == 4
        assert f"error[{code}]: {said}" in text.err
        assert "hint: " in text.err
        document = at.run("apply", *options, "--format", "json")
        assert document.code == document.json["exit_code"] == 4
        assert {d["code"] for d in document.json["diagnostics"]} == {code}
        assert at.upstream.methods <= {"GET"}


def test_a_lock_is_refused_before_anything_is_sent(tmp_path: Path) -> None:
    with scene(tmp_path) as at:
        at.file("alpha")
        with somebody_holding_the_lock(at.project.state, at.upstream.url):
            done = at.run("apply", "--yes")
        assert done.code == 4
        assert (
            "error[locked]: another run holds the lock of target here: process 4711 on build-7 "
            "since 2026-11-23T12:00:00Z, by ada, run run-9" in done.err
        )
        assert at.upstream.requests == []


@pytest.mark.parametrize("command", [("plan",), ("apply", "--yes"), ("drift",), ("list",)])
def test_a_host_that_is_not_allowed_is_not_contacted(
    tmp_path: Path, command: tuple[str, ...]
) -> None:
    project = Here(tmp_path, PORTKEY_API_KEY="pk-canary")
    project.config("https://gateway.example", api_key="${env:PORTKEY_API_KEY}")
    project.integration("alpha")
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setblocking(False)
        proxy = f"http://127.0.0.1:{listening.getsockname()[1]}"
        done = project.run(*command, RECONCILE_PROXY=proxy)
        with pytest.raises(BlockingIOError):
            listening.accept()
    assert done.code == 4
    assert (
        "error[host-not-allowed]: target here: the API key is not sent to gateway.example"
        in done.err
    )
    assert "RECONCILE_ALLOWED_HOSTS" in done.err

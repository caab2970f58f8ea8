"""Every guard: output of plan and apply, exit code 4, and only GET requests."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from reconciler.simulator.switches import Switches
from tests.cli.scene import Scene, scene

PROXIED = {"custom_host": "https://old.example", "provider_auth_type": "apiKey"}


def empty(at: Scene) -> None:
    at.exists("alpha", "beta")


def many_deletes(at: Scene) -> None:
    at.exists(*(f"n{i}" for i in range(4)))
    at.file("kept")


def large_share(at: Scene) -> None:
    at.config(limits={"deletes": 99})
    at.exists(*(f"n{i}" for i in range(10)))
    for i in range(4, 10):
        at.file(f"n{i}")


def replace(at: Scene) -> None:
    at.exists("alpha")
    at.file("alpha", ai_provider_id="anthropic")


def many_replaces(at: Scene) -> None:
    at.config(limits={"replaces": 1})
    for slug in ("alpha", "beta"):
        at.exists(slug)
        at.file(slug, ai_provider_id="anthropic")


def many_credentials(at: Scene) -> None:
    at.config(limits={"credential_changes": 0})
    at.exists("alpha", key="sk-others-99")
    at.file("alpha")


def many_removals(at: Scene) -> None:
    at.config(limits={"access_removals": 0})
    at.exists("alpha")
    at.file("alpha", workspaces=[{"id": "ws-a", "enabled": True}])
    assert at.run("apply", "--yes").code == 0
    at.file("alpha", workspaces=[])


def protected_replace(at: Scene) -> None:
    at.options = ["--allow-replace"]
    at.exists("alpha")
    at.file("alpha", ai_provider_id="anthropic", lifecycle={"protected": True})


def protected_without_its_file(at: Scene) -> None:
    at.options = ["--max-deletes", 9, "--allow-empty", "--prune", "all"]
    at.file("alpha", lifecycle={"protected": True})
    assert at.run("apply", "--yes").code == 0
    at.project.remove("alpha")


def foreign(at: Scene) -> None:
    at.config(scope={"slugs": ["team-a-*"]})
    at.file("team-b-x")


def retarget(at: Scene) -> None:
    at.exists("alpha", configurations=PROXIED)
    at.file("alpha", key=..., configurations={**PROXIED, "custom_host": "https://new.example"})


def masked(at: Scene) -> None:
    at.exists("alpha", configurations={"custom_headers": {"Authorization": "Bearer 0123456789"}})
    at.file("alpha", configurations={"openai_project": "p"})


def archived(at: Scene) -> None:
    at.exists("alpha")
    at.upstream.world.put("DELETE", "/integrations/alpha")
    at.file("alpha")


def unconfigured(at: Scene) -> None:
    at.file("alpha", ai_provider_id="azure-openai")


class Guard(NamedTuple):
    """Scene that triggers a guard, and the expected messages."""

    code: str
    arrange: Callable[[Scene], None]
    summary: str
    hint: str


GUARDS = [
    Guard(
        "empty-desired-state",
        empty,
        "the files declare no integration, but 2 would be deleted",
        "check --dir; to delete every integration, add --allow-empty",
    ),
    Guard(
        "too-many-deletes",
        many_deletes,
        "4 integrations would be deleted, but the limit is 3",
        "if that is intended, add --max-deletes 4",
    ),
    Guard(
        "too-many-deletes",
        large_share,
        "4 integrations would be deleted, but the limit is 30% of 10 owned",
        "if that is intended, add --max-deletes 4",
    ),
    Guard(
        "too-many-replaces",
        many_replaces,
        "2 integrations would be replaced (deleted and re-created), but the limit is 1",
        "raise limits.replaces, or exclude some with --exclude",
    ),
    Guard(
        "too-many-credential-changes",
        many_credentials,
        "1 credential change planned, but the limit is 0",
        "if that is intended, add --max-credential-changes 1",
    ),
    Guard(
        "too-many-access-removals",
        many_removals,
        "1 access removal planned, but the limit is 0",
        "if that is intended, add --max-access-removals 1",
    ),
    Guard(
        "replace-not-allowed",
        replace,
        "1 integration would be replaced (deleted and re-created): alpha",
        "an immutable field differs; use a new slug, or allow it with --allow-replace",
    ),
    Guard(
        "protected",
        protected_replace,
        "alpha is protected, but would be replaced (deleted and re-created)",
        "remove the file and add a tombstone under `deletions` in reconcile.yaml",
    ),
    Guard(
        "protected",
        protected_without_its_file,
        "alpha is protected, but would be deleted",
        "remove the file and add a tombstone under `deletions` in reconcile.yaml",
    ),
    Guard(
        "not-owned",
        foreign,
        "team-b-x is outside the scope of this target",
        "widen the target's scope in reconcile.yaml, or move the file to its owner",
    ),
    Guard(
        "credential-retarget",
        retarget,
        "alpha: a stored credential would be sent to another host: key",
        "declare each credential as a reference, so that the same write replaces it",
    ),
    Guard(
        "masked-write",
        masked,
        "alpha: configurations must be sent as a whole, but only the mask of "
        "configurations.custom_headers.Authorization is known",
        "declare the secret in the file: Authorization: ${env:SECRET_ALPHA_AUTHORIZATION}",
    ),
    Guard(
        "archived",
        archived,
        "alpha is archived, and the API cannot restore it",
        "use another slug, or restore the integration in the console",
    ),
    Guard(
        "missing-configurations",
        unconfigured,
        "alpha: azure-openai cannot be created without configurations",
        "add the fields that this provider requires",
    ),
]


@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.arrange.__name__)
def test_a_guard_is_printed_by_plan_and_stops_apply_before_any_write(
    tmp_path: Path, guard: Guard
) -> None:
    said = f"error[{guard.code}]: {guard.summary}", f"hint: {guard.hint}"
    with scene(tmp_path, switches=Switches(delete="archived")) as at:
        guard.arrange(at)
        before = json.dumps(dict(at.upstream.remote.integrations), sort_keys=True)
        at.upstream.requests.clear()

        plan = at.run("plan")
        assert plan.code == 0
        for line in said:
            assert line in unwrapped(plan.out)

        text = at.run("apply", "--yes", *at.options)
        assert text.code == 4
        assert [line for line in said if line not in text.err.splitlines()] == []

        document = at.run("apply", "--yes", "--format", "json", *at.options)
        assert document.code == document.json["exit_code"] == 4
        assert [d["code"] for d in document.json["diagnostics"]] == [guard.code]
        held_back = {code for a in document.json["plan"]["actions"] for code in a["blocked_by"]}
        assert guard.code in held_back

        assert at.upstream.methods == {"GET"}
        assert json.dumps(dict(at.upstream.remote.integrations), sort_keys=True) == before


def unwrapped(text: str) -> str:
    return " ".join(text.split())


def test_only_a_tombstone_lifts_protection(tmp_path: Path) -> None:
    with scene(tmp_path) as at:
        protected_without_its_file(at)
        assert at.run("apply", "--yes", *at.options).code == 4
        config = json.loads((at.project.files / "reconcile.yaml").read_text())
        config["deletions"] = [{"slug": "alpha", "reason": "contract ended"}]
        at.project.write("reconcile.yaml", config)
        assert at.run("apply", "--yes", "--allow-empty").code == 0
        assert at.upstream.remote.integrations == {}

"""The three tools that validate, plan and detect drift, with and without candidate files."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from reconciler.adapter.declared_files import DeclaredFiles
from reconciler.adapter.gitops_tools import GitopsTools, gitops_tools
from reconciler.adapter.problems import Refusal
from reconciler.desired.load import Loaded
from reconciler.desired.source import MemorySource
from reconciler.planning import codec
from reconciler.planning.policy_guard import objections
from reconciler.planning.policy_verdict import PolicyVerdict
from reconciler.remote.errors import NotSent
from reconciler.workflows import Session
from tests.adapter.ports import READER, Ports
from tests.adapter.test_tools import call, talk
from tests.runs import World

CONFIG = b"version: 1\ndefault_target: here\ntargets: {here: {base_url: 'simulator:'}}\n"
ALPHA = b"slug: alpha\nname: Alpha\nai_provider_id: openai\nkey: ${env:SECRET_KEY}\n"


class Here:
    """Repository in memory, with a simulated organisation as its target."""

    def __init__(self, **files: bytes) -> None:
        self.world = World()
        named = {f"integrations/{name}.yaml": content for name, content in files.items()}
        self.folder = {"reconcile.yaml": CONFIG, **named}
        self.files = DeclaredFiles(
            source=lambda: MemorySource(self.folder),
            target=None,
            today=lambda: date(2026, 11, 23),
        )
        self.opened = 0

    @asynccontextmanager
    async def session(self, loaded: Loaded) -> AsyncIterator[Session]:
        assert loaded.state is not None
        self.opened += 1
        yield self.world.session(loaded.state, secrets={}, diagnostics=loaded.diagnostics)

    @property
    def ports(self) -> Ports:
        gitops = GitopsTools(self.files, self.session, asyncio.Lock())
        return Ports(more=tuple(gitops_tools(gitops)))

    def call(self, name: str, **arguments: Any) -> Any:
        return call(self.ports, name, arguments)


def test_they_are_listed_after_the_raw_tools_and_are_read_only() -> None:
    listed = talk(Here().ports, lambda client: client.list_tools(), token=READER)
    names = [tool.name for tool in listed.tools]
    assert names[-3:] == ["validate-desired-state", "plan-changes", "detect-drift"]
    for tool in listed.tools[-3:]:
        assert tool.annotations.read_only_hint
        assert not tool.annotations.destructive_hint
    assert "validate-desired-state" not in [
        tool.name for tool in talk(Ports(), lambda client: client.list_tools()).tools
    ]


def test_files_are_checked() -> None:
    good = Here(alpha=ALPHA).call("validate-desired-state").structured_content
    assert good == {
        "format_version": "1",
        "kind": "validation",
        "valid": True,
        "diagnostics": [],
    }
    bad = Here(alpha=b"slug: alpha\nnme: x\n").call("validate-desired-state")
    assert (bad.is_error, bad.structured_content["valid"]) == (False, False)
    assert "unknown-field" in {d["code"] for d in bad.structured_content["diagnostics"]}


def test_a_proposal_is_checked_and_planned_without_being_saved() -> None:
    here = Here(alpha=ALPHA)
    proposal = {"integrations/beta.yml": ALPHA.decode().replace("alpha", "beta")}
    planned = here.call("plan-changes", documents=proposal).structured_content
    assert planned["kind"] == "plan"
    assert [action["slug"] for action in planned["actions"]] == ["alpha", "beta"]
    today = here.call("plan-changes").structured_content
    assert [action["slug"] for action in today["actions"]] == ["alpha"]
    checked = here.call("validate-desired-state", documents={"integrations/beta.yml": "slug: [\n"})
    assert not checked.structured_content["valid"]


def test_a_proposal_may_replace_and_remove_files() -> None:
    here = Here(alpha=ALPHA)
    here.world.put("POST", "/integrations", {"slug": "alpha", "name": "Old", **_account()})
    changed = ALPHA.decode().replace("name: Alpha", "name: New")
    planned = here.call("plan-changes", documents={"integrations/alpha.yaml": changed})
    [action] = planned.structured_content["actions"]
    assert ("name", "New") in {(c["path"], c["after"]) for c in action["changes"]}
    removed = here.call("plan-changes", documents={"integrations/alpha.yaml": None})
    assert removed.structured_content["actions"] == []
    assert removed.structured_content["unmanaged"] == ["alpha"]


def test_drift_is_reported_as_by_the_command() -> None:
    here = Here(alpha=ALPHA)
    here.world.put("POST", "/integrations", {"slug": "alpha", "name": "Moved", **_account()})
    report = here.call("detect-drift").structured_content
    assert (report["kind"], report["in_sync"]) == ("drift_report", False)
    assert [item["slug"] for item in report["items"]] == ["alpha"]


def test_no_tool_writes() -> None:
    here = Here(alpha=ALPHA)
    seen: list[str] = []
    here.world.wire._before = lambda request: seen.append(request.method)
    for name in ("validate-desired-state", "plan-changes", "detect-drift"):
        here.call(name)
    assert set(seen) == {"GET"}


def test_files_with_errors_are_not_planned() -> None:
    here = Here(alpha=b"slug: alpha\n")
    result = here.call("plan-changes")
    assert result.is_error
    assert (result.structured_content["kind"], result.structured_content["exit_code"]) == (
        "error",
        3,
    )
    assert here.opened == 0


def test_an_upstream_that_fails_is_an_error_document() -> None:
    class Broken(Here):
        @asynccontextmanager
        async def session(self, loaded: Loaded) -> AsyncIterator[Session]:
            raise NotSent("no way", code="unreachable")
            yield

    result = Broken(alpha=ALPHA).call("detect-drift")
    assert result.is_error
    assert result.structured_content["exit_code"] == 1
    assert result.structured_content["diagnostics"][0]["code"] == "unreachable"


@pytest.mark.parametrize(
    "path",
    [
        "reconcile.yaml",
        "../integrations/a.yaml",
        "integrations/../reconcile.yaml",
        "/etc/passwd",
        "integrations/.hidden.yaml",
        "integrations/a.txt",
        "integrations/",
        "integrations/a.yaml\n",
        "elsewhere/a.yaml",
    ],
)
def test_a_proposal_cannot_change_targets_or_files_elsewhere(path: str) -> None:
    result = Here().call("plan-changes", documents={path: "x: 1"})
    assert result.is_error
    assert result.structured_content["status"] == 400


def test_files_are_read_again_for_each_call() -> None:
    here = Here(alpha=ALPHA)
    assert asyncio.run(here.files.declared_in("alpha")) == "desired-state/integrations/alpha.yaml"
    assert asyncio.run(here.files.declared_in("beta")) is None
    here.folder = {
        "reconcile.yaml": CONFIG,
        "integrations/b.yaml": ALPHA.replace(b"alpha", b"beta"),
    }
    assert asyncio.run(here.files.declared_in("alpha")) is None
    assert asyncio.run(here.files.declared_in("beta")) == "desired-state/integrations/b.yaml"


def test_unreadable_files_block_every_write() -> None:
    with pytest.raises(Refusal) as caught:
        asyncio.run(Here(alpha=b"slug: [").files.declared_in("anything"))
    assert caught.value.problem.status == 409


def _account() -> dict[str, Any]:
    return {"ai_provider_id": "openai", "key": "sk-0123456789abcdef"}


def test_a_plan_states_that_no_policy_judged_it_and_is_not_an_approval() -> None:
    here = Here(alpha=ALPHA)
    without = here.call("plan-changes").structured_content
    rules = b"policies: [{name: rules, command: [rules]}]\n"
    here.folder["reconcile.yaml"] = CONFIG + rules
    for name in ("plan-changes", "detect-drift"):
        document = here.call(name).structured_content
        [found] = [d for d in document["diagnostics"] if d["code"] == "policy-not-run"]
        assert found["severity"] == "warning"
        assert "`apply` runs them before it writes" in found["hint"]
        assert "policies" not in document
    # Neither its digest nor the saved plan approves a plan that policies have judged.
    planned = here.call("plan-changes").structured_content
    assert planned["digest"] == without["digest"]
    unjudged = codec.decode(json.dumps(planned), name="plan.json")
    judged = replace(unjudged, policies=(PolicyVerdict("rules", "sha256:a"),))
    assert not judged.has_digest(planned["digest"])
    assert [d.code for d in objections([unjudged], judged)] == ["policy-changed"]

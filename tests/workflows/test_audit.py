"""An audit reads undeclared values: it names access and hosts, and never changes an action."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from reconciler import workflows
from reconciler.domain.policy import Prune
from reconciler.domain.state import Declared, Ignored, LastApplied, LastAppliedState, Lifecycle
from reconciler.planning.plan import Plan, PlanOptions
from reconciler.remote.errors import Unauthorised
from reconciler.simulator.api import SimulatedAPI
from reconciler.simulator.faults import Fault, FaultKind, FaultScript, Wire
from reconciler.simulator.messages import Request, Response
from tests.builders import KEY, declared, desired
from tests.runs import World

HOST = "https://llm.corp.example"
LOST = "so an undeclared host or custom model in them is not reported"
NAMELESS = "so the workspaces that have access are not named"
TUNE = {"slug": "tune", "enabled": True, "is_custom": True, "base_model_slug": "gpt-5"}


@dataclass
class Organisation:
    """Simulated organisation after an apply of the files, and the requests since then."""

    files: tuple[Declared, ...]
    faults: tuple[Fault, ...] = ()
    asked: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.world = World()
        self.serve(SimulatedAPI)

    def serve(self, kind: type[SimulatedAPI]) -> None:
        """Apply the files to a new organisation with these switches of the API."""
        world = self.world
        world.remote = kind(world.switches, world.now, world.new_id)
        world.wire = Wire(world.remote)
        world.apply(desired(*self.files))
        world.wire = Wire(world.remote, faults=FaultScript(self.faults), before=self._hear)

    def _hear(self, request: Request) -> None:
        self.asked.append(f"{request.method} {request.path}")

    def models(self, slug: str, *models: Mapping[str, Any], **fields: Any) -> None:
        """Edit models outside Git."""
        self.world.put("PUT", f"/integrations/{slug}/models", {"models": [*models], **fields})

    def grant(self, slug: str, *ids: str, enabled: bool = True) -> None:
        """Grant or revoke access outside Git."""
        entries = [{"id": id_, "enabled": enabled} for id_ in ids]
        self.world.put("PUT", f"/integrations/{slug}/workspaces", {"workspaces": entries})

    def plan(self, *files: Declared, audit: bool = False, **more: Any) -> Plan:
        self.asked.clear()
        state = desired(*(files or self.files))
        options = {"audit": audit, "prune": Prune.NONE}
        return self.world.plan(state, options=options, **more)

    def drift(self, *files: Declared, **more: Any) -> Plan:
        self.asked.clear()
        session = self.world.session(desired(*(files or self.files)), **more)
        return asyncio.run(workflows.drift(session, PlanOptions(prune=Prune.NONE))).plan

    @property
    def parts(self) -> list[str]:
        """Return the sub-resources that the last command read."""
        return sorted(a.removeprefix("GET /integrations/") for a in self.asked if a.count("/") == 3)


def codes(plan: Plan, code: str) -> list[str]:
    return [d.summary for d in plan.diagnostics if d.code == code]


def undeclared(plan: Plan) -> list[str]:
    return [f"{item.slug} {item.path}" for item in plan.undeclared]


def three() -> Organisation:
    """Return integrations that declare all, none and some of their access."""
    return Organisation(
        (
            declared("all", key=KEY, models=[TUNE], workspaces=[{"id": "ws-a", "enabled": True}]),
            declared("none", key=KEY),
            declared("open", key=KEY),
        )
    )


def test_drift_reads_workspaces_only_if_the_list_counts_undeclared_ones() -> None:
    there = three()
    there.grant("open", "ws-b", "ws-a")
    report = there.drift()
    assert there.parts == [
        "all/models",
        "all/workspaces",
        "none/models",
        "open/models",
        "open/workspaces",
    ]
    assert codes(report, "undeclared-access") == [
        "open: 2 workspaces have access, but no file lists workspaces: ws-a, ws-b"
    ]
    assert undeclared(report) == ["open workspaces[ws-a]", "open workspaces[ws-b]"]
    assert report.in_sync


def test_a_plan_counts_them_without_a_call_and_names_them_only_with_an_audit() -> None:
    there = three()
    there.grant("open", "ws-a")
    quiet = there.plan()
    assert there.parts == ["all/models", "all/workspaces"]
    assert codes(quiet, "undeclared-access") == [
        "open: 1 workspace has access, but no file lists workspaces"
    ]
    assert "open/workspaces" in (there.plan(audit=True), there.parts)[1]


@pytest.mark.parametrize(
    ("configurations", "said"),
    [
        ({"custom_host": HOST}, ["custom_host"]),
        ({"custom_headers": {"x-route": "elsewhere"}}, ["custom_headers.x-route"]),
        ({"routing_base": HOST}, ["routing_base"]),
        ({"upstream": {"address": HOST}}, ["upstream.address"]),
        ({"custom_host": HOST, "endpoint_v2": HOST}, ["custom_host", "endpoint_v2"]),
    ],
)
def test_a_host_of_a_model_that_no_file_declares_is_a_warning(
    configurations: dict[str, Any], said: list[str]
) -> None:
    there = Organisation((declared(key=KEY),))
    there.models("alpha", TUNE | {"configurations": configurations})
    assert codes(there.plan(), "undeclared-host") == []
    for plan in (there.plan(audit=True), there.drift()):
        assert codes(plan, "undeclared-host") == [
            f"alpha: models[tune].configurations.{path} is set in the API, but no file declares it"
            for path in said
        ]
        assert "alpha models[tune]" in undeclared(plan)
        assert HOST not in str(plan.as_json())


def test_an_audit_changes_neither_actions_nor_digest_nor_preconditions() -> None:
    there = three()
    there.models("none", TUNE | {"configurations": {"custom_host": HOST}})
    there.grant("open", "ws-a")
    changed = tuple(
        replace(item, fields={**item.fields, "description": "new"}) for item in there.files
    )
    plain, audited = there.plan(*changed), there.plan(*changed, audit=True)
    assert len(plain.actions) == len(there.files)
    assert [a.as_json() for a in audited.actions] == [a.as_json() for a in plain.actions]
    assert audited.digest == plain.digest == there.drift(*changed).digest
    assert {d.code for d in audited.diagnostics} > {d.code for d in plain.diagnostics}


def test_it_costs_one_call_for_each_integration_that_declares_no_models() -> None:
    there = Organisation(tuple(declared(f"i-{n}", key=KEY) for n in range(7)))
    there.plan()
    before = len(there.asked)
    there.plan(audit=True)
    assert len(there.asked) == before + 7
    assert there.parts == [f"i-{n}/models" for n in range(7)]


def test_models_that_are_ignored_or_already_read_are_not_read() -> None:
    ignoring = Lifecycle(ignore=(Ignored(("models",)),))
    there = Organisation(
        (
            declared("by-hand", key=KEY, lifecycle=ignoring),
            declared("switch", key=KEY, allow_all_models=True),
        )
    )
    there.drift()
    assert there.parts == ["switch/models"]


def test_base_models_under_allow_all_models_are_not_reported() -> None:
    there = Organisation((declared(key=KEY),))
    there.models("alpha", {"slug": "gpt-5", "enabled": True})
    assert undeclared(there.drift()) == []
    there.models("alpha", {"slug": "gpt-5", "enabled": True}, allow_all_models=False)
    assert "alpha models[gpt-5]" in undeclared(there.drift())


def no_answer(status: int, path: str) -> Fault:
    kind = FaultKind.STATUS
    return Fault(kind=kind, method="GET", path=path, times=-1, status=status, code="AB03")


@pytest.mark.parametrize("status", [403, 404, 500])
def test_unreadable_models_do_not_count_as_none_and_the_plan_is_kept(status: int) -> None:
    files = tuple(declared(slug, key=KEY, description="as declared") for slug in "abcdefg")
    there = Organisation(files, (no_answer(status, "/models$"),))
    changed = (replace(files[0], fields={**files[0].fields, "description": "new"}), *files[1:])
    for plan in (there.plan(*changed, audit=True), there.drift(*changed)):
        assert codes(plan, "not-audited") == [
            f"a, b, c, d, e and 2 more: the models could not be read (HTTP {status}, AB03), {LOST}"
        ]
        assert [action.slug for action in plan.actions] == ["a"]
        assert plan.digest == there.plan(*changed).digest


def test_workspaces_that_cannot_be_read_are_still_counted() -> None:
    there = Organisation((declared(key=KEY),), (no_answer(403, "/workspaces$"),))
    there.grant("alpha", "ws-a")
    report = there.drift()
    assert codes(report, "undeclared-access") == [
        "alpha: 1 workspace has access, but no file lists workspaces"
    ]
    assert codes(report, "not-audited") == [
        f"alpha: the workspaces could not be read (HTTP 403, AB03), {NAMELESS}"
    ]


def test_a_rejected_key_stops_an_audit() -> None:
    there = Organisation((declared(key=KEY),), (no_answer(401, "/models$"),))
    with pytest.raises(Unauthorised):
        there.drift()


class Uncounted(SimulatedAPI):
    """API whose responses have no count of workspaces."""

    def handle(self, request: Request) -> Response:
        response = super().handle(request)
        return replace(response, body=without_counts(response.body))


def without_counts(body: Any) -> Any:
    if isinstance(body, dict):
        return {
            name: None if name in {"workspaces_count", "workspace_count"} else without_counts(item)
            for name, item in body.items()
        }
    return [without_counts(item) for item in body] if isinstance(body, list) else body


def test_without_a_count_only_drift_reads_workspaces() -> None:
    there = three()
    there.serve(Uncounted)
    assert codes(there.plan(), "undeclared-access") == []
    there.grant("open", "ws-a")
    report = there.drift()
    assert "none/workspaces" in there.parts
    assert codes(report, "undeclared-access") == [
        "open: 1 workspace has access, but no file lists workspaces: ws-a"
    ]


def test_entries_without_access_do_not_count_once_they_are_read() -> None:
    there = Organisation((declared(key=KEY),))
    there.grant("alpha", "ws-a", "ws-b")
    there.grant("alpha", "ws-b", enabled=False)
    assert codes(there.drift(), "undeclared-access") == [
        "alpha: 1 workspace has access, but no file lists workspaces: ws-a"
    ]


def test_an_integration_of_one_workspace_grants_no_other() -> None:
    there = Organisation((declared(key=KEY, workspace_id="ws-a"),))
    report = there.drift()
    assert there.parts == ["alpha/models"]
    assert codes(report, "undeclared-access") == []


@pytest.mark.parametrize("audit", [True, False])
def test_a_withdrawn_list_that_still_grants_access_is_one_warning(audit: bool) -> None:
    listing = declared(key=KEY, workspaces=[{"id": "ws-a", "enabled": True}])
    there = Organisation((listing,))
    last_applied = LastAppliedState({"alpha": LastApplied(listing.fields)}, complete=True)
    plan = there.plan(declared(key=KEY), audit=audit, last_applied=last_applied)
    names = ": ws-a" if audit else ""
    assert codes(plan, "undeclared-access") == [
        f"alpha: 1 workspace has access, but no file lists workspaces{names}"
    ]

"""Reading the users of integrations: exact for generated graphs, few calls, and gaps."""

import asyncio
import json
import random
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from reconciler.domain.policy import Prune
from reconciler.domain.usage import Usage, UsageReading
from reconciler.planning.actions import ActionKind
from reconciler.remote.api import IntegrationsAPI
from reconciler.remote.usage import read_usage
from reconciler.simulator.faults import Fault, FaultKind, FaultScript, Wire
from reconciler.simulator.messages import Request
from reconciler.simulator.seeds import apply_seed
from reconciler.simulator.switches import Switches
from tests.builders import declared, desired
from tests.runs import World

LISTS = ("/admin/workspaces", "/providers", "/configs")


def read(world: World, wanted: Mapping[str, str | None]) -> UsageReading:
    api: IntegrationsAPI = world.api
    return asyncio.run(read_usage(api, wanted))


def ids(world: World) -> dict[str, str | None]:
    return {slug: record["id"] for slug, record in world.remote.integrations.items()}


def seeded(*faults: Fault, **switches: Any) -> World:
    world = World(switches=Switches.parse(switches))
    apply_seed(world.remote, "usage")
    return faulty(world, *faults)


def faulty(world: World, *faults: Fault) -> World:
    world.wire = Wire(world.remote, faults=FaultScript(faults))
    return world


# -- generated graphs ---------------------------------------------------------------------------


@dataclass
class Graph:
    """Organisation with its providers and configs, as generated."""

    world: World
    rng: random.Random
    providers: dict[str, set[tuple[str, str]]] = field(default_factory=dict)
    configs: dict[str, set[tuple[str, str]]] = field(default_factory=dict)
    # Workspace → slug of a provider → its integration.
    named: dict[str, dict[str, str]] = field(default_factory=dict)
    config_places: list[str] = field(default_factory=list)

    def add_integration(self, slug: str, workspaces: list[str]) -> None:
        body = {"slug": slug, "name": slug, "ai_provider_id": "openai", "key": "sk-0123456789ab"}
        self.world.put("POST", "/integrations", body)
        entries = [{"id": workspace, "enabled": True} for workspace in workspaces]
        access = {"workspaces": entries, "create_default_provider": False}
        self.world.put("PUT", f"/integrations/{slug}/workspaces", access)
        self.providers[slug], self.configs[slug] = set(), set()

    def add_provider(self, integration: str, workspace: str) -> None:
        # A slug is unique in its workspace only, and often that of an integration.
        slug = self.rng.choice([integration, f"main-{len(self.named[workspace])}", "openai"])
        if slug in self.named[workspace]:
            return
        body = {"name": slug, "integration_id": integration, "workspace_id": workspace}
        self.world.put("POST", "/providers", {**body, "slug": slug})
        self.named[workspace][slug] = integration
        self.providers[integration].add((workspace, slug))

    def add_config(self, workspace: str, number: int) -> None:
        known = sorted(self.named[workspace])
        chosen = self.rng.sample(known, k=min(len(known), self.rng.randrange(4)))
        content = self.content(chosen)
        body = {"name": f"c{number}", "workspace_id": workspace, "config": content}
        made = self.world.put("POST", "/configs", body)["slug"]
        self.config_places.append(workspace)
        for slug in chosen:
            self.configs[self.named[workspace][slug]].add((workspace, made))

    def content(self, slugs: list[str]) -> dict[str, Any]:
        """Return a config that refers to providers in every form, among other values."""
        targets: list[dict[str, Any]] = [self.reference(slug) for slug in slugs]
        # Neither a provider type nor the slug of an integration is a reference.
        targets.append({"provider": "openai", "api_key": "sk-canary", "weight": 1})
        targets.append({"override_params": {"model": "i-1/gpt-5"}, "provider": "i-1"})
        self.rng.shuffle(targets)
        while len(targets) > 2 and self.rng.random() < 0.5:
            targets = [{"strategy": {"mode": "fallback"}, "targets": targets[:2]}, *targets[2:]]
        if len(slugs) == 1 and self.rng.random() < 0.3:
            return {"retry": {"attempts": 2}, **self.reference(slugs[0])}
        return {"strategy": {"mode": "loadbalance"}, "targets": targets}

    def reference(self, slug: str) -> dict[str, Any]:
        return self.rng.choice(
            [
                {"provider": f"@{slug}"},
                {"virtual_key": slug},
                {"virtualKey": slug, "provider": "openai"},
                {"override_params": {"model": f"@{slug}/gpt-5"}},
            ]
        )


def graph(seed: int, *, integrations: int, workspaces: int, configs: int) -> Graph:
    made = Graph(World(), random.Random(seed))
    places = [f"ws-{number}" for number in range(workspaces)]
    made.named = {place: {} for place in places}
    for number in range(integrations):
        slug = f"i-{number}"
        enabled = made.rng.sample(places, k=made.rng.randrange(4))
        made.add_integration(slug, enabled)
        for place in enabled:
            for _ in range(made.rng.randrange(3)):
                made.add_provider(slug, place)
    for number in range(configs):
        made.add_config(made.rng.choice(places), number)
    return made


def truth(made: Graph, usage: Usage, slug: str) -> bool:
    providers = {(p.workspace, p.slug) for p in usage.providers}
    configs = {(c.workspace, c.slug) for c in usage.configs if not c.possible}
    possible = [c for c in usage.configs if c.possible]
    expected = made.providers[slug], made.configs[slug]
    return (providers, configs) == expected and not possible and usage.complete


def pages(count: int) -> int:
    return max(1, -(-count // 100))


@pytest.mark.parametrize(
    "seed", [1, pytest.param(2, marks=pytest.mark.slow), pytest.param(3, marks=pytest.mark.slow)]
)
def test_the_shown_users_of_a_thousand_integrations_are_exact(seed: int) -> None:
    made = graph(seed, integrations=1000, workspaces=25, configs=300)
    reading = read(made.world, ids(made.world))
    assert (reading.refusal, reading.gaps) == ("", ())
    wrong = [s for s, usage in reading.by_slug.items() if not truth(made, usage, s)]
    assert wrong == []
    assert sum(bool(u.providers) for u in reading.by_slug.values()) > 300
    assert sum(bool(u.configs) for u in reading.by_slug.values()) > 100
    assert sum(not u.may_be_used for u in reading.by_slug.values()) > 100
    # The list of workspaces fits on one page, including those without a provider.
    known = {place for place, slugs in made.named.items() if slugs}
    listed = sum(pages(len(made.named[place])) for place in made.named)
    details = sum(place in known for place in made.config_places)
    further = (listed - 1) + (pages(300) - 1) + details
    assert reading.calls <= further + 3


@pytest.mark.slow
def test_a_plan_of_a_thousand_deletes_shows_the_users_and_blocks_used_ones() -> None:
    made = graph(4, integrations=1000, workspaces=25, configs=100)
    files = desired(declared("new"), prune=Prune.ALL, usage=True)
    plan = made.world.plan(files, options={"max_deletes": 1000})
    deletes = [action for action in plan.actions if action.kind is ActionKind.DELETE]
    assert len(deletes) == 1000
    for action in deletes:
        assert action.used_by is not None
        assert truth(made, action.used_by, action.slug)
        is_used = bool(made.providers[action.slug])
        assert action.blocked_by == (("in-use",) if is_used else ())


def test_the_number_of_calls_does_not_grow_with_the_integrations() -> None:
    few = graph(7, integrations=20, workspaces=5, configs=30)
    calls = read(few.world, ids(few.world)).calls
    for number in range(200):
        few.add_integration(f"more-{number}", ["ws-1"])
    assert read(few.world, ids(few.world)).calls == calls


def test_the_work_is_linear_in_integrations_providers_and_configs() -> None:
    def work(times: int) -> int:
        made = graph(7, integrations=20 * times, workspaces=5 * times, configs=20 * times)
        wanted, calls = ids(made.world), 0

        def count(_frame: object, event: str, _argument: object) -> None:
            nonlocal calls
            calls += event in {"call", "c_call"}

        before = sys.getprofile()
        sys.setprofile(count)
        try:
            read(made.world, wanted)
        finally:
            sys.setprofile(before)
        return calls

    assert work(8) < 1.2 * 4 * work(2)


def test_only_configs_in_workspaces_with_users_of_these_integrations_are_read() -> None:
    made = graph(5, integrations=40, workspaces=10, configs=100)
    [(slug, users)] = [(s, u) for s, u in made.providers.items() if len(u) == 2][:1]
    near = {workspace for workspace, _ in users}
    reading = read(made.world, {slug: ids(made.world)[slug]})
    assert truth(made, reading.by_slug[slug], slug)
    details = sum(place in near for place in made.config_places)
    assert reading.calls == 1 + 10 + 1 + details


# -- gaps and refusals --------------------------------------------------------------------------

FAULTS = [
    Fault(kind=FaultKind.STATUS, status=500),
    Fault(kind=FaultKind.STATUS, status=429, code="AB06"),
    Fault(kind=FaultKind.STATUS, status=400, code="AB01"),
    Fault(kind=FaultKind.RESET_BEFORE),
    Fault(kind=FaultKind.HANG_BEFORE),
    Fault(kind=FaultKind.TRUNCATE),
    Fault(kind=FaultKind.HTML),
    Fault(kind=FaultKind.EMPTY),
    Fault(kind=FaultKind.WRONG_TOTAL),
    Fault(kind=FaultKind.WRONG_TOTAL, amount=-1),
    Fault(kind=FaultKind.MISSING_TOTAL),
    Fault(kind=FaultKind.RAW, status=404, body="<html>not here</html>"),
    Fault(kind=FaultKind.RAW, status=200, body="[]"),
    Fault(kind=FaultKind.RAW, status=200, body='{"total": 0}'),
    Fault(kind=FaultKind.EDIT, merge={"data": "none"}),
    Fault(kind=FaultKind.EDIT, merge={"data": [None], "total": 1}),
    Fault(kind=FaultKind.EDIT, merge={"data": [{"slug": "../x"}], "total": 1}),
    Fault(kind=FaultKind.EDIT, merge={"total": True}),
    Fault(kind=FaultKind.EDIT, merge={"total": None}),
    Fault(kind=FaultKind.EDIT, merge={"has_more": True}),
]


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize("fault", FAULTS, ids=lambda f: f"{f.kind.value} {f.status or f.merge}")
def test_with_an_incomplete_list_nothing_counts_as_unused(path: str, fault: Fault) -> None:
    world = seeded(replace(fault, path=f"^{path}$", times=-1))
    reading = read(world, ids(world))
    assert reading.refusal == ""
    assert reading.gaps
    for usage in reading.by_slug.values():
        assert not usage.complete
        assert usage.may_be_used
        assert usage.may_be_used_in("ws-idle")


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_key_without_a_scope_is_a_refusal(path: str, status: int) -> None:
    fault = Fault(kind=FaultKind.STATUS, path=f"^{path}$", status=status, code="AB03", times=-1)
    world = seeded(fault)
    reading = read(world, ids(world))
    assert reading.refusal.endswith(f"HTTP {status}, AB03")
    assert (reading.by_slug, reading.gaps) == ({}, ())


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
def test_a_refusal_after_the_first_page_is_a_gap(path: str, status: int) -> None:
    # The first page promises more, so each list has a second one.
    promised = Fault(kind=FaultKind.EDIT, path=f"^{path}$", times=1, merge={"total": 7_000})
    refused = Fault(
        kind=FaultKind.STATUS, path=f"^{path}$", status=status, code="AB03", skip=1, times=-1
    )
    world = seeded(refused, promised)
    reading = read(world, ids(world))
    assert reading.refusal == ""
    assert any(gap.endswith(f"HTTP {status}, AB03") for gap in reading.gaps)
    assert all(usage.may_be_used for usage in reading.by_slug.values())


def plain(rows: list[Any], **more: Any) -> Fault:
    """Return a fault that answers one page of configs in the documented envelope."""
    body = json.dumps({"success": True, "data": rows, **more})
    return Fault(kind=FaultKind.RAW, path="^/configs$", status=200, body=body, times=1)


def config_rows(count: int) -> list[Any]:
    """Return the configs of the seed, and more of a workspace without users."""
    request = Request("GET", "/configs", {"page_size": "100", "current_page": "0"})
    listed = seeded().remote.handle(request).body["data"]
    more = [{**listed[0], "id": f"id-{n}", "slug": f"pc-{n}"} for n in range(count - len(listed))]
    return [*listed, *({**row, "workspace_id": "ws-idle"} for row in more)]


@pytest.mark.parametrize(
    ("answers", "is_complete"),
    [
        # The same rows again show that the list has no pages; so does an empty page.
        (lambda: [plain(config_rows(12))] * 2, True),
        (lambda: [plain(config_rows(120))] * 2, True),
        (lambda: [plain(config_rows(50)), plain([])], True),
        (lambda: [plain(config_rows(12)), plain(config_rows(12), total=12)], True),
        (lambda: [plain(config_rows(12), total=12, has_more=True), plain([], total=12)], True),
        # A page may be full, so the same rows again can be the first page of several.
        (lambda: [plain(config_rows(50))] * 4, False),
        (lambda: [plain(config_rows(90)[:60]), plain(config_rows(90)[60:])] * 2, False),
        (lambda: [plain(config_rows(12)[:6], total=12), plain([])] * 2, False),
        (lambda: [plain(config_rows(12)), plain(config_rows(13))] * 2, False),
        (lambda: [plain(config_rows(12), has_more=True)] * 4, False),
    ],
)
def test_a_list_in_the_documented_envelope_is_complete_if_it_repeats(
    answers: Callable[[], list[Fault]], is_complete: bool
) -> None:
    world = seeded(*answers())
    reading = read(world, ids(world))
    assert bool(reading.gaps) is not is_complete
    usage = reading.by_slug["openai-main"]
    assert (usage.complete, len(usage.providers)) == (is_complete, 3)
    assert not is_complete or len(usage.configs) == 5


A, B = "00000000-0000-4000-8000-00000000000a", "00000000-0000-4000-8000-00000000000b"


def listing(workspaces: list[dict[str, Any]], *pages: list[dict[str, Any]]) -> World:
    """Return a world that answers the reads of providers with these rows in turn."""
    faults = [
        Fault(
            kind=FaultKind.EDIT,
            path="^/admin/",
            times=-1,
            merge={"data": workspaces, "total": len(workspaces)},
        ),
        Fault(kind=FaultKind.EDIT, path="^/configs$", times=-1, merge={"data": [], "total": 0}),
    ]
    for page in pages:
        merge = {"data": page, "total": len(page)}
        faults.append(Fault(kind=FaultKind.EDIT, path="^/providers$", times=1, merge=merge))
    return seeded(*faults)


TWO = [{"id": A, "slug": "ws-a"}, {"id": B, "slug": "ws-b"}]


def row(slug: str, integration: str, **more: Any) -> dict[str, Any]:
    return {"slug": slug, "integration_id": integration, **more}


def test_a_provider_that_is_listed_for_two_workspaces_can_be_in_either() -> None:
    one = row("p", "bedrock-us", id="x")
    world = listing(TWO, [one], [one])
    usage = read(world, ids(world)).by_slug["bedrock-us"]
    assert [(p.slug, p.workspace) for p in usage.providers] == [("p", None)]
    assert usage.may_be_used_in("ws-a")
    assert usage.may_be_used_in("ws-b")


@pytest.mark.parametrize("turned", [False, True])
def test_providers_with_the_same_id_and_different_content_are_all_users(turned: Any) -> None:
    pages = [[row("p", "bedrock-us", id="x")], [row("q", "openai-main", id="x")]]
    world = listing(TWO, *(reversed(pages) if turned else pages))
    reading = read(world, ids(world))
    assert len(reading.by_slug["bedrock-us"].providers) == 1
    assert len(reading.by_slug["openai-main"].providers) == 1


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("statuses", [("archived", "active"), ("active", "archived")])
def test_a_provider_that_is_archived_in_one_of_two_workspaces_is_a_user(
    statuses: tuple[str, str], turned: Any
) -> None:
    pages = [[row("p", "bedrock-us", id="x", status=status)] for status in statuses]
    world = listing(TWO, *(reversed(pages) if turned else pages))
    assert read(world, ids(world)).by_slug["bedrock-us"].providers


@pytest.mark.parametrize(
    "second", [{"id": B, "slug": "ws-a"}, {"id": B, "slug": A}, {"id": "ws-a", "slug": "ws-b"}]
)
def test_workspaces_with_the_same_name_hide_no_provider(second: dict[str, Any]) -> None:
    user = [row("p", "bedrock-us")]
    for pages in ([user, []], [[], user]):
        world = listing([TWO[0], second], *pages)
        reading = read(world, ids(world))
        assert reading.by_slug["bedrock-us"].providers
        assert reading.gaps == (f"the list of workspaces: several are called {_shared(second)}",)


def _shared(second: dict[str, Any]) -> str:
    [name] = {A, "ws-a"} & set(second.values())
    return str(name)


def test_a_config_of_a_workspace_that_is_not_listed_is_a_gap() -> None:
    row = {"id": "00000000-0000-4000-8000-00000000000a", "slug": "ws-only"}
    hidden = Fault(
        kind=FaultKind.EDIT, path="^/admin/", times=-1, merge={"data": [row], "total": 1}
    )
    world = seeded(hidden)
    reading = read(world, ids(world))
    lacking = "the list of workspaces: one that it lacks has providers or configs"
    assert reading.gaps == (lacking,)
    assert all(usage.may_be_used for usage in reading.by_slug.values())


@pytest.mark.parametrize("configs", [[], [{"slug": "c", "workspace_id": "ws-a", "config": {}}]])
def test_without_visible_workspaces_nothing_counts_as_unused(configs: list[Any]) -> None:
    empty = {"data": [], "total": 0}
    listed = {"data": configs, "total": len(configs)}
    world = seeded(
        Fault(kind=FaultKind.EDIT, path="^/admin/", times=-1, merge=empty),
        Fault(kind=FaultKind.EDIT, path="^/configs$", times=-1, merge=listed),
    )
    reading = read(world, ids(world))
    assert reading.gaps
    assert all(usage.may_be_used for usage in reading.by_slug.values())


def test_a_provider_of_a_workspace_that_is_not_listed_is_a_gap() -> None:
    row = {"slug": "p", "integration_id": "bedrock-us", "workspace_id": "ws-hidden"}
    listed, none = {"data": [row], "total": 1}, {"data": [], "total": 0}
    world = seeded(
        Fault(kind=FaultKind.EDIT, path="^/providers$", times=-1, merge=listed),
        Fault(kind=FaultKind.EDIT, path="^/configs$", times=-1, merge=none),
    )
    reading = read(world, ids(world))
    assert reading.gaps
    assert all(usage.may_be_used for usage in reading.by_slug.values())


def test_a_key_of_one_workspace_needs_no_list_of_workspaces() -> None:
    world = World(
        switches=Switches(denied_scopes="workspaces.list", providers_workspace="optional")
    )
    own = {"slug": "own", "name": "Own", "ai_provider_id": "openai", "key": "sk-0123456789ab"}
    world.put("POST", "/integrations", {**own, "workspace_id": "ws-a"})
    world.put("POST", "/configs", {"name": "c", "workspace_id": "ws-a", "config": {}})
    [provider] = world.remote.providers
    reading = read(world, ids(world))
    assert (reading.refusal, reading.gaps) == ("", ())
    usage = reading.by_slug["own"]
    assert [(p.slug, p.workspace) for p in usage.providers] == [(provider["slug"], None)]
    # Without the list of workspaces, it can be in any of them.
    assert usage.may_be_used_in("ws-b")


@pytest.mark.parametrize("form", ["slug", "uuid"])
def test_a_provider_names_its_integration_in_either_form(form: Any) -> None:
    world = seeded(provider_integration_form=form)
    reading = read(world, ids(world))
    assert len(reading.by_slug["openai-main"].providers) == 3
    assert reading.by_slug["bedrock-us"].complete
    assert not reading.by_slug["bedrock-us"].may_be_used


def test_an_unknown_id_can_be_that_of_an_integration_without_an_id() -> None:
    world = seeded(provider_integration_form="uuid")
    assert read(world, {"bedrock-us": None}).by_slug["bedrock-us"].may_be_used


@pytest.mark.parametrize("kind", ["observed", "documented"])
def test_both_shapes_of_a_config_are_decoded(kind: Any) -> None:
    world = seeded(detail_shape=kind)
    usage = read(world, ids(world)).by_slug["openai-main"]
    assert [config.possible for config in usage.configs] == [False] * 5


@pytest.mark.parametrize(
    "fault",
    [
        Fault(kind=FaultKind.STATUS, status=500),
        Fault(kind=FaultKind.STATUS, status=403, code="AB03"),
        Fault(kind=FaultKind.STATUS, status=404, code="AB08"),
        Fault(kind=FaultKind.TRUNCATE),
        Fault(kind=FaultKind.EDIT, merge={"config": None}),
        Fault(kind=FaultKind.EDIT, merge={"config": "{"}),
        Fault(kind=FaultKind.EDIT, merge={"config": '{"targets": 3}'}),
        Fault(kind=FaultKind.EDIT, merge={"config": '{"virtual_key": "{{key}}"}'}),
        Fault(kind=FaultKind.EDIT, merge={"config": "[" * 5000}),
    ],
    ids=lambda f: f"{f.kind.value} {f.status or f.merge}"[:40],
)
def test_a_config_that_cannot_be_decoded_is_a_possible_user(fault: Fault) -> None:
    world = seeded()
    config = {"name": "Support2", "workspace_id": "ws-support", "config": {}}
    made = world.put("POST", "/configs", config)["slug"]
    world = faulty(world, replace(fault, path=f"^/configs/{made}$", times=-1))
    by_slug = read(world, ids(world)).by_slug
    for slug in ("openai-main", "anthropic-eu"):
        assert (made, True) in {(c.slug, c.possible) for c in by_slug[slug].configs}
    # Nothing in the workspace of the config uses this integration.
    assert by_slug["bedrock-us"].configs == ()


@pytest.mark.parametrize(
    ("status", "used"), [("archived", False), ("exhausted", True), ("expired", True), (None, True)]
)
def test_only_an_archived_provider_is_unused(status: str | None, *, used: bool) -> None:
    row = {"slug": "p", "integration_id": "bedrock-us", "status": status}
    fault = Fault(
        kind=FaultKind.EDIT, path="^/providers$", times=-1, merge={"data": [row], "total": 1}
    )
    world = seeded(fault)
    assert read(world, ids(world)).by_slug["bedrock-us"].may_be_used is used


@pytest.mark.parametrize(
    "row",
    [
        {"slug": "p"},
        {"slug": "p", "integration_id": None},
        {"slug": "p", "integration_id": ""},
        {"slug": "p", "integration_id": 7},
        {"slug": "p", "integration_id": ["bedrock-us"]},
        {"slug": "p", "integration_id": "a b"},
        {"slug": "p", "integration_id": "bedrock-us", "workspace_id": {"id": 1}},
        {"slug": "p", "integration_id": "bedrock-us", "status": ["active"]},
        {"integration_id": "bedrock-us"},
    ],
)
def test_a_provider_that_cannot_be_decoded_may_use_any_integration(row: dict[str, Any]) -> None:
    fault = Fault(
        kind=FaultKind.EDIT, path="^/providers$", times=-1, merge={"data": [row], "total": 1}
    )
    world = seeded(fault)
    reading = read(world, ids(world))
    assert reading.gaps
    assert all(usage.may_be_used for usage in reading.by_slug.values())


def test_a_provider_of_a_deleted_integration_uses_no_other() -> None:
    row = {"slug": "p", "integration_id": "gone", "status": "active"}
    fault = Fault(
        kind=FaultKind.EDIT, path="^/providers$", times=-1, merge={"data": [row], "total": 1}
    )
    world = seeded(fault)
    reading = read(world, ids(world))
    assert reading.gaps == ()
    assert not any(usage.may_be_used for usage in reading.by_slug.values())

"""Probes of written credentials in an apply: what is probed, what stops, and what fails."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from reconciler.domain.policy import Probe, Prune
from reconciler.domain.secrets import Redacted, SecretRef
from reconciler.domain.state import Declared
from reconciler.execution.cancellation import CancelToken
from reconciler.execution.credential_probe import ProbeRequest, ProbeResult, ProbeVerdict
from reconciler.execution.events import CallStarted
from reconciler.execution.result import ApplyResult, Outcome
from reconciler.simulator.faults import Fault, FaultKind, FaultScript, Wire
from reconciler.simulator.messages import Request
from reconciler.simulator.switches import Switches
from tests.builders import KEY, declared, desired
from tests.runs import World

GOOD, DEAD = "sk-good-000111222", "sk-dead-333444555"
PROBE = Probe()
DYING = Switches(dead_keys="*dead*")


@dataclass
class GatewayOfWorld:
    """Prober that queries the simulated gateway, and records its calls."""

    world: World
    asked: list[ProbeRequest] = field(default_factory=list)
    in_flight: int = 0
    act: Callable[[], None] = lambda: None
    answer: ProbeVerdict | None = None

    async def probe(self, request: ProbeRequest) -> ProbeResult:
        self.asked.append(request)
        self.in_flight += 1
        assert self.in_flight == 1, "two credentials are unproven at a time"
        await asyncio.sleep(0)
        self.act()
        self.in_flight -= 1
        provider = f"@{request.gateway_slug}"
        response = self.world.remote.handle(Request("GET", "/models", provider=provider))
        verdicts = {200: ProbeVerdict.ALIVE, 401: ProbeVerdict.DEAD}
        return ProbeResult(
            self.answer or verdicts.get(response.status, ProbeVerdict.UNKNOWN), "asked"
        )

    async def obstacle(self, request: ProbeRequest) -> str:
        raise AssertionError("only a shadow can have an obstacle")


def probed(
    world: World,
    *files: Declared,
    values: Mapping[SecretRef, str] | str = GOOD,
    prober: GatewayOfWorld | None = None,
    probe: Probe = PROBE,
    **more: Any,
) -> ApplyResult:
    """Run an apply with a probe."""
    known = {KEY: values} if isinstance(values, str) else values
    return world.apply(
        desired(*files, probe=probe),
        secrets={ref: Redacted(text) for ref, text in known.items()},
        prober=prober or GatewayOfWorld(world),
        **more,
    )


def ended(result: ApplyResult) -> dict[str, tuple[str, str | None]]:
    return {
        outcome.slug: (outcome.status.value, outcome.error.code if outcome.error else None)
        for outcome in result.outcomes
    }


def only(result: ApplyResult) -> Outcome:
    [outcome] = result.outcomes
    return outcome


def stored(world: World) -> dict[str, str | None]:
    return {slug: record["key"] for slug, record in world.remote.integrations.items()}


def exists(world: World, slug: str = "alpha", **fields: Any) -> None:
    body = {"slug": slug, "name": slug.title(), "ai_provider_id": "openai", "key": "sk-first-0001"}
    world.put("POST", "/integrations", body | fields)


ROTATE = {"options": {"push_secrets": True}}


def test_a_working_credential_is_applied_and_reported_as_alive() -> None:
    world = World(DYING)
    outcome = only(probed(world, declared(key=KEY)))
    assert outcome.status.value == "applied"
    assert outcome.as_json()["probe"] == "alive"


def test_without_a_prober_nothing_is_probed() -> None:
    result = World(DYING).apply(desired(declared(key=KEY), probe=Probe()))
    assert "probe" not in only(result).as_json()


def test_a_dead_credential_fails_and_names_the_way_back() -> None:
    world = World(DYING)
    exists(world)
    outcome = only(probed(world, declared(key=KEY), values=DEAD, **ROTATE))
    assert outcome.status.value == "failed"
    assert outcome.error is not None
    assert outcome.error.code == "credential-dead"
    assert "set env:SECRET_KEY to the previous value" in outcome.error.hint
    assert DEAD not in repr(outcome)


@pytest.mark.parametrize("verdict", [ProbeVerdict.UNKNOWN, ProbeVerdict.DEAD])
def test_only_a_positive_answer_proves_a_credential(verdict: ProbeVerdict) -> None:
    world = World()
    prober = GatewayOfWorld(world, answer=verdict)
    outcome = only(probed(world, declared(key=KEY), prober=prober))
    expected = "credential-dead" if verdict is ProbeVerdict.DEAD else "credential-unproven"
    assert ended(probed(world, declared("beta", key=KEY), prober=prober))["beta"] == (
        "failed",
        expected,
    )
    assert (outcome.status.value, outcome.error and outcome.error.code) == ("failed", expected)


@pytest.mark.parametrize("parallelism", [1, 10])
def test_after_a_dead_credential_no_further_one_is_written(parallelism: int) -> None:
    world = World(DYING)
    refs = {SecretRef("env", f"SECRET_{n}"): DEAD if n == 2 else GOOD for n in range(1, 7)}
    for n in range(1, 7):
        exists(world, f"s{n}", description="old")
    files = [
        declared(f"s{n}", key=SecretRef("env", f"SECRET_{n}"), description="old")
        for n in range(1, 7)
    ]
    result = probed(world, *files, values=refs, parallelism=parallelism, **ROTATE)
    found = ended(result)
    failed = [slug for slug, end in found.items() if end == ("failed", "credential-dead")]
    assert failed == ["s2"]
    assert [key for key in stored(world).values() if key == DEAD] == [DEAD]
    # Earlier ones are alive; later ones were not tried.
    assert {end for slug, end in found.items() if slug != "s2"} <= {
        ("applied", None),
        ("skipped", "skipped"),
    }
    assert ("skipped", "skipped") in found.values()
    skipped = next(o for o in result.outcomes if o.status.value == "skipped")
    assert skipped.error is not None
    assert "the credential of s2 does not work" in skipped.error.message


def test_changes_without_a_credential_continue() -> None:
    world = World(DYING)
    exists(world, "a-key")
    exists(world, "z-text", description="old")
    result = probed(
        world,
        declared("a-key", key=KEY),
        declared("z-text", description="new"),
        values=DEAD,
        parallelism=1,
        **ROTATE,
    )
    assert ended(result) == {
        "a-key": ("failed", "credential-dead"),
        "z-text": ("applied", None),
    }


def test_a_dead_credential_stops_deletes() -> None:
    world = World(DYING)
    exists(world)
    exists(world, "old")
    options = {"push_secrets": True, "prune": Prune.ALL, "max_deletes": 1}
    result = probed(world, declared(key=KEY), values=DEAD, options=options)
    assert ended(result)["old"] == ("skipped", "skipped")
    assert "old" in stored(world)


def test_an_action_that_writes_no_credential_is_not_probed() -> None:
    world = World(DYING)
    exists(world, description="old")
    prober = GatewayOfWorld(world)
    result = probed(world, declared(description="new"), prober=prober)
    assert (ended(result), prober.asked) == ({"alpha": ("applied", None)}, [])


@pytest.mark.parametrize(
    "change",
    [
        {"secret_mappings": [{"target_field": "key", "secret_reference_id": "ref-new"}]},
        {"configurations": {"custom_host": "https://new.example"}, "key": KEY},
    ],
)
def test_every_change_of_a_credential_or_host_is_probed(change: dict[str, Any]) -> None:
    world = World(DYING)
    exists(world, configurations={"openai_organization": "org-1"})
    prober = GatewayOfWorld(world)
    probed(world, declared(**change), prober=prober)
    assert [asked.slug for asked in prober.asked] == ["alpha"]


@pytest.mark.parametrize(
    ("fields", "settings", "workspace", "provider"),
    [
        ({}, {}, None, "alpha"),
        ({"workspaces": [{"id": "ws-b", "enabled": True}]}, {}, "ws-b", "alpha"),
        (
            {"workspaces": [{"id": i, "enabled": i != "ws-a"} for i in ("ws-c", "ws-b", "ws-a")]},
            {},
            "ws-b",
            "alpha",
        ),
        ({"workspaces": [{"id": "ws-b", "enabled": True}]}, {"workspace": "ws-p"}, "ws-p", "alpha"),
        (
            {
                "workspaces": [{"id": "ws-b", "enabled": True, "default_provider_slug": "prov"}],
                "default_provider_slug": "common",
            },
            {},
            "ws-b",
            "prov",
        ),
        ({"workspace_id": "ws-own", "default_provider_slug": "common"}, {}, "ws-own", "common"),
    ],
)
def test_a_probe_receives_slug_provider_and_workspace(
    fields: dict[str, Any], settings: dict[str, Any], workspace: str | None, provider: str
) -> None:
    world = World()
    prober = GatewayOfWorld(world, answer=ProbeVerdict.ALIVE)
    probed(world, declared(key=KEY, **fields), prober=prober, probe=Probe(**settings))
    [asked] = prober.asked
    assert asked.gateway_slug == provider
    assert asked.as_json() == {
        "slug": "alpha",
        "integration": "alpha",
        "provider": "openai",
        "workspace": workspace,
    }


def test_a_run_that_ends_during_a_probe_is_not_applied() -> None:
    world, cancel = World(), CancelToken()
    cancelled: list[bool] = []

    class Endless:
        async def probe(self, request: ProbeRequest) -> ProbeResult:
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
            cancelled.append(True)
            await asyncio.sleep(0)
            raise AssertionError(request)

        async def obstacle(self, request: ProbeRequest) -> str:
            raise AssertionError(request)

    result = world.apply(desired(declared(key=KEY), probe=Probe()), prober=Endless(), cancel=cancel)
    assert cancelled == [True]
    assert ended(result) == {"alpha": ("failed", "interrupted")}


def test_a_failed_write_is_not_probed() -> None:
    world = World(Switches(duplicate_slug="409_AB07"))
    prober = GatewayOfWorld(world)
    files = declared(key=KEY)

    def taken(event: object) -> None:
        if isinstance(event, CallStarted):
            exists(world)

    result = probed(world, files, prober=prober, listen=taken)
    assert (ended(result)["alpha"][0], prober.asked) == ("failed", [])


def test_a_dead_credential_of_a_create_and_of_a_replace_fails() -> None:
    world = World(DYING)
    assert ended(probed(world, declared(key=KEY), values=DEAD)) == {
        "alpha": ("failed", "credential-dead")
    }
    other = declared(key=KEY, ai_provider_id="anthropic")
    result = probed(world, other, values=DEAD, options={"allow_replace": True})
    assert ended(result) == {"alpha": ("failed", "credential-dead")}


@pytest.mark.parametrize("value", [GOOD, DEAD])
def test_a_credential_that_the_api_does_not_show_is_not_proven_by_the_old_one(value: str) -> None:
    world = World(DYING)
    exists(world)
    late = Fault(
        kind=FaultKind.RAW, method="PUT", path="^/integrations/alpha$", status=200, body="{}"
    )
    world.wire = Wire(world.remote, faults=FaultScript([late]))
    files = declared(key=KEY)
    outcome = only(probed(world, files, values=value, **ROTATE))
    assert stored(world) == {"alpha": "sk-first-0001"}
    assert outcome.error is not None
    assert (outcome.status.value, outcome.error.code) == ("failed", "credential-unproven")
    assert "still shows the old key" in outcome.error.message
    # Once the API shows the new credential, the probe decides.
    again = probed(world, files, values=value, **ROTATE)
    expected = ("applied", None) if value == GOOD else ("failed", "credential-dead")
    assert ended(again) == {"alpha": expected}

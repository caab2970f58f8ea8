"""Seeds: deterministic, with every kind of provider, safe to apply twice."""

import pytest

from reconciler.simulator.messages import Request
from reconciler.simulator.seeds import SEEDS, UnknownSeed, apply_seed
from tests.contract.api import make_remote


def test_the_same_number_generates_the_same_integrations() -> None:
    first, second = make_remote(), make_remote()
    assert apply_seed(first, "50") == apply_seed(second, "50") == 50
    assert first.integrations == second.integrations


def test_generated_integrations_have_every_kind_of_provider() -> None:
    remote = make_remote()
    apply_seed(remote, "24")
    kinds = {record["ai_provider_id"] for record in remote.integrations.values()}
    assert kinds == {
        "openai",
        "azure-openai",
        "azure-ai",
        "anthropic",
        "bedrock",
        "sagemaker",
        "vertex-ai",
        "workers-ai",
        "huggingface",
        "cortex",
        "mistral-ai",
    }
    assert {record["type"] for record in remote.integrations.values()} == {
        "organisation",
        "workspace",
    }


def test_some_have_models_and_workspaces_and_none_has_a_provider() -> None:
    remote = make_remote()
    apply_seed(remote, "24")
    assert any(record["models"] for record in remote.integrations.values())
    assert any(record["workspaces"] for record in remote.integrations.values())
    assert remote.providers == []


@pytest.mark.parametrize("name", sorted(SEEDS))
def test_a_named_seed_can_be_applied_twice_and_keeps_what_exists(name: str) -> None:
    remote = make_remote()
    created = apply_seed(remote, name)
    assert created == len(remote.integrations)
    for slug in remote.integrations:
        remote.handle(Request("PUT", f"/integrations/{slug}", {}, {"name": "Kept"}))
        remote.handle(
            Request(
                "PUT",
                f"/integrations/{slug}/workspaces",
                {},
                {"workspaces": [{"id": "ws-search", "enabled": False}]},
            )
        )
    before = remote.integrations
    assert apply_seed(remote, name) == 0
    assert remote.integrations == before


def test_the_seed_of_users_has_them_once_however_often_it_is_applied() -> None:
    remote = make_remote()
    for _ in range(2):
        apply_seed(remote, "usage")
        used = [p["integration_slug"] for p in remote.providers]
        assert used == [*["openai-main"] * 3, "anthropic-eu"]
        assert remote.handle(Request("GET", "/configs")).body["total"] == 6


@pytest.mark.parametrize("seed", ["unheard-of", "-1", "1.5", "", "12345678", "²"])
def test_a_seed_other_than_a_name_or_a_number_is_refused(seed: str) -> None:
    with pytest.raises(UnknownSeed) as caught:
        apply_seed(make_remote(), seed)
    assert caught.value.exit_code == 3
    assert "demo" in caught.value.hint

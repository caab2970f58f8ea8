"""A secret mapping for a host redirects a stored credential, like a literal host."""

from typing import Any

import pytest

from reconciler.domain.providers import PROVIDERS
from reconciler.domain.schema import integration_schema
from reconciler.domain.secrets import Mask
from reconciler.planning.plan import Plan
from reconciler.planning.planner import make_plan
from tests.builders import KEY, NOON, declared, desired, observed, state

UNKNOWN = ["newvendor_base_url", "api_host", "endpoint"]


def host_fields() -> list[tuple[str, str]]:
    found = [("openai", name) for name in ["custom_host", *UNKNOWN]]
    for provider in sorted(PROVIDERS):
        members = integration_schema(provider).child("configurations").fields
        own = [name for name, field in members.items() if field.facts.host or field.facts.endpoint]
        found += [(provider, name) for name in own if name != "custom_host"]
    return found


def mapping(field: str) -> list[dict[str, Any]]:
    return [{"target_field": f"configurations.{field}", "secret_reference_id": "elsewhere"}]


def planned(provider: str, want: Any, have: Any, **fields: Any) -> Plan:
    fields = {"ai_provider_id": provider, **fields}
    stored = {"ai_provider_id": provider, "key": Mask("sk*****abc"), "secret_mappings": have}
    return make_plan(
        desired=desired(declared(secret_mappings=want, **fields)),
        observed=state(observed(**stored)),
        created_at=NOON,
    )


def blocks(plan: Plan) -> set[str]:
    return {code for action in plan.actions for code in action.blocked_by}


@pytest.mark.parametrize(("provider", "field"), host_fields())
def test_a_mapping_for_a_host_is_blocked_while_a_key_is_stored_that_no_file_declares(
    provider: str, field: str
) -> None:
    assert blocks(planned(provider, mapping(field), None)) == {"credential-retarget"}
    assert blocks(planned(provider, [], mapping(field))) == {"credential-retarget"}


def test_a_declared_key_is_sent_with_the_mapping() -> None:
    plan = planned("openai", mapping("custom_host"), None, key=KEY)
    assert blocks(plan) == set()
    assert ("key", "resend") in {(c.path, c.op.value) for a in plan.actions for c in a.changes}


def test_a_mapping_for_another_field_is_not_a_host_change() -> None:
    assert blocks(planned("openai", mapping("openai_project"), None)) == set()


def test_a_mapping_for_a_host_that_no_file_declares_is_an_undeclared_host() -> None:
    stored = {"key": Mask("sk*****abc"), "secret_mappings": mapping("custom_host")}
    plan = make_plan(
        desired=desired(declared()), observed=state(observed(**stored)), created_at=NOON
    )
    assert [d.code for d in plan.diagnostics] == ["undeclared-host"]

"""Generated desired states and organisations with every kind of field and overlapping names."""

from typing import Any

from hypothesis import strategies as st

from reconciler.domain.state import Declared
from reconciler.simulator.switches import Switches
from tests.builders import KEY, declared

words = st.sampled_from(["a", "b", "two words", "ümlaut", "0123", "x" * 40])
maybe_words = st.one_of(st.none(), st.just(""), words)
slugs = st.sampled_from(["one", "two", "three", "four", "five"])
models = st.sampled_from(["gpt-5", "gpt-4.1", "tuned-a", "tuned-b"])
workspaces = st.sampled_from(["ws-a", "ws-b", "ws-c"])


def optional(fields: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=fields)


usage_limits = st.one_of(
    st.none(),
    st.just([]),
    st.builds(
        lambda entry, credit: [{"type": "cost", "credit_limit": credit, **entry}],
        optional({"alert_threshold": st.integers(1, 9), "periodic_reset": st.just("monthly")}),
        st.integers(1, 9),
    ),
)
rate_limits = st.one_of(
    st.none(),
    st.builds(lambda v: [{"type": "requests", "unit": "rpm", "value": v}], st.integers(1, 9)),
)
limits = optional({"usage_limits": usage_limits, "rate_limits": rate_limits})


@st.composite
def model_lists(draw: st.DrawFn) -> list[dict[str, Any]]:
    entries = []
    for slug in draw(st.lists(models, unique=True)):
        entry: dict[str, Any] = {"slug": slug, "enabled": draw(st.booleans())}
        if slug.startswith("tuned"):
            entry |= {"is_custom": True, "base_model_slug": "gpt-5"}
        entries.append(entry)
    return entries


@st.composite
def workspace_lists(draw: st.DrawFn) -> list[dict[str, Any]]:
    return [
        {"id": id_, "enabled": draw(st.booleans()), **draw(limits)}
        for id_ in draw(st.lists(workspaces, unique=True))
    ]


access = st.one_of(
    st.none(),
    st.builds(lambda enabled, more: {"enabled": enabled, **more}, st.booleans(), limits),
)
openai = optional({"openai_organization": maybe_words, "openai_project": maybe_words})


@st.composite
def azure(draw: st.DrawFn) -> dict[str, Any]:
    names = draw(st.lists(st.sampled_from("pqr"), unique=True, min_size=1))
    return {
        "azure_auth_mode": "entra",
        "azure_resource_name": "resource",
        "azure_entra_tenant_id": draw(words),
        "azure_entra_client_id": draw(words),
        "azure_entra_client_secret": KEY,
        "azure_deployment_config": [
            {
                "azure_deployment_name": name,
                "azure_api_version": draw(st.sampled_from(["1", "2"])),
                "azure_model_slug": "gpt-5",
                "alias": f"alias-{name}",
                "is_default": index == 0,
            }
            for index, name in enumerate(names)
        ],
    }


mappings = st.builds(
    lambda field, reference, value_format: {
        "target_field": field,
        "secret_reference_id": reference,
        **value_format,
    },
    st.sampled_from(["configurations.aws_secret_access_key", "configurations.other"]),
    st.sampled_from(["ref-a", "ref-b"]),
    optional({"value_format": st.sampled_from(["json", "string"])}),
)
common = optional(
    {
        "description": maybe_words,
        "tags": st.one_of(st.none(), st.dictionaries(words, words, max_size=2)),
        "pricing_adjustments": st.one_of(
            st.none(),
            st.builds(lambda n: {"multiplier": {"default": n}}, st.sampled_from([0.5, 1])),
        ),
        "allow_all_models": st.booleans(),
        "models": model_lists(),
        "workspaces": workspace_lists(),
        "global_workspace_access": access,
        "create_default_provider": st.just(False),
        "secret_mappings": st.lists(mappings, unique_by=lambda m: m["target_field"], max_size=2),
    }
)


@st.composite
def integrations(draw: st.DrawFn) -> dict[str, dict[str, Any]]:
    result = {}
    for slug in draw(st.lists(slugs, unique=True)):
        fields = {"name": draw(words), "key": KEY, **draw(common)}
        if slug in {"one", "two"}:
            fields |= {"ai_provider_id": "azure-openai", "configurations": draw(azure())}
        elif draw(st.booleans()):
            fields["configurations"] = draw(openai)
        result[slug] = fields
    return result


def as_declared(trees: dict[str, dict[str, Any]]) -> list[Declared]:
    return [declared(slug, **fields) for slug, fields in trees.items()]


switches = st.builds(
    Switches,
    configurations_put=st.sampled_from(["replace", "merge"]),
    missing=st.sampled_from(["404_AB08", "403_AB03"]),
    detail_shape=st.sampled_from(["observed", "documented"]),
    flexbool=st.sampled_from(["mixed", "bool"]),
    put_body=st.sampled_from(["{}", "empty"]),
    server_added_fields=st.booleans(),
    mask_aws_ids=st.booleans(),
    access_touches_integration=st.booleans(),
    page_max=st.sampled_from([1, 2, 100]),
    workspace_id_form=st.sampled_from(["slug", "uuid"]),
    reference_form=st.sampled_from(["as_sent", "uuid"]),
)

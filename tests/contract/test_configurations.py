"""remote/API.md §1.4, §3 and §4, fact by fact: masking, provider fields, mappings, providers."""

from typing import Any

import pytest

from tests.contract.api import Api, azure, openai


def detail(api: Api, body: dict[str, Any]) -> dict[str, Any]:
    answer = api.call("POST", "/integrations", body)
    assert answer.status == 200, answer.body
    return dict(api.call("GET", f"/integrations/{body['slug']}").body)


def hosted(provider: str, **configurations: Any) -> dict[str, Any]:
    return openai("one", ai_provider_id=provider, key=..., configurations=configurations)


# §1.4 Masking


def test_1_4_the_key_is_returned_as_a_mask_only(api: Api) -> None:
    shown = detail(api, openai())
    assert "key" not in shown
    assert shown["masked_key"] == "sk*****b4a"


def test_1_4_a_mask_is_null_when_there_is_no_key(api: Api) -> None:
    mapping = {"target_field": "key", "secret_reference_id": "openai-prod"}
    assert detail(api, openai(key=..., secret_mappings=[mapping]))["masked_key"] is None


def test_1_4_a_short_key_is_masked_completely(api: Api) -> None:
    assert detail(api, openai(key="short"))["masked_key"] == "*****"


def test_1_4_a_secret_field_is_returned_as_a_masked_field(api: Api) -> None:
    shown = detail(api, azure())["configurations"]
    assert shown["masked_azure_entra_client_secret"] == "en*****890"
    assert "azure_entra_client_secret" not in shown
    assert shown["azure_entra_client_id"] == "client"


def test_1_4_a_secret_object_is_masked_completely(api: Api) -> None:
    body = hosted(
        "vertex-ai",
        vertex_auth_type="serviceAccount",
        vertex_region="europe-west4",
        vertex_service_account_json={"private_key": "canary-canary-canary"},
    )
    shown = detail(api, body)["configurations"]
    assert shown["masked_vertex_service_account_json"] == "*****"


def test_3_the_values_of_custom_headers_are_masked(api: Api) -> None:
    headers = {"x-auth": "canary-canary-canary"}
    shown = detail(api, openai("one", configurations={"custom_headers": headers}))["configurations"]
    assert shown == {"masked_custom_headers": {"x-auth": "ca*****ary"}}


def test_3_a_role_arn_is_not_masked(api: Api) -> None:
    role = "arn:aws:iam::1:role/gateway"
    body = hosted("bedrock", aws_auth_type="assumedRole", aws_region="us-east-1", aws_role_arn=role)
    assert detail(api, body)["configurations"]["aws_role_arn"] == role


@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_2_a_masked_field_is_refused(api: Api, method: str) -> None:
    masked = {"configurations": {"masked_custom_headers": {"a": "*****"}}}
    if method == "PUT":
        detail(api, openai())
        answer = api.call("PUT", "/integrations/openai-main", masked)
    else:
        answer = api.call("POST", "/integrations", openai(**masked))
    assert answer.code == "AB01"


# §3 Providers


@pytest.mark.parametrize(
    "field",
    [
        "azure_auth_mode",
        "azure_resource_name",
        "azure_deployment_config",
        "azure_entra_tenant_id",
        "azure_entra_client_secret",
    ],
)
def test_3_azure_with_entra_requires_its_fields(api: Api, field: str) -> None:
    assert api.call("POST", "/integrations", azure(**{field: ...})).code == "AB01"


@pytest.mark.parametrize(
    "mode",
    [
        {"azure_auth_mode": "managed"},
        {"azure_auth_mode": "entraFederated"},
        {
            "azure_auth_mode": "workload",
            "azure_workload_tenant_id": "t",
            "azure_workload_client_id": "c",
        },
    ],
)
def test_3_azure_without_a_secret_needs_no_key(api: Api, mode: dict[str, Any]) -> None:
    detail(api, azure(azure_entra_client_secret=..., **mode))


def test_3_azure_in_its_default_mode_needs_a_key(api: Api) -> None:
    body = azure(azure_auth_mode="default")
    assert api.call("POST", "/integrations", body).code == "AB01"
    detail(api, {**body, "key": "azure-key-1234567890"})


def test_3_a_deployment_has_three_required_fields(api: Api) -> None:
    bad = [{"azure_deployment_name": "main"}]
    assert api.call("POST", "/integrations", azure(azure_deployment_config=bad)).code == "AB01"
    assert api.call("POST", "/integrations", azure(azure_deployment_config=[])).code == "AB01"


@pytest.mark.parametrize(
    "fields",
    [
        {"aws_auth_type": "assumedRole", "aws_role_arn": "arn:aws:iam::1:role/a"},
        {"aws_auth_type": "serviceRole"},
        {"aws_auth_type": "accessKey", "aws_access_key_id": "A", "aws_secret_access_key": "s"},
    ],
)
def test_3_bedrock_needs_no_key(api: Api, fields: dict[str, Any]) -> None:
    detail(api, hosted("bedrock", aws_region="us-east-1", **fields))


@pytest.mark.parametrize(
    ("provider", "fields"),
    [
        ("bedrock", {"aws_auth_type": "assumedRole", "aws_region": "us-east-1"}),
        ("bedrock", {"aws_auth_type": "apiKey", "aws_region": "us-east-1"}),
        ("sagemaker", {"aws_auth_type": "serviceRole"}),
        ("vertex-ai", {"vertex_auth_type": "basic", "vertex_region": "r"}),
        ("vertex-ai", {"vertex_auth_type": "serviceAccount", "vertex_region": "r"}),
        ("vertex-ai", {"vertex_auth_type": "other", "vertex_region": "r"}),
        ("bedrock-mantle", {"aws_auth_type": "accessKey", "aws_region": "us-east-1"}),
        ("bedrock-mantle", {"aws_auth_type": "serviceRole"}),
        ("bedrock-mantle", {"aws_auth_type": "apiKey", "aws_region": "us-east-1"}),
        ("claude-platform-aws", {"aws_auth_type": "apiKey", "aws_region": "us-east-1"}),
        ("claude-platform-aws", {"aws_auth_type": "serviceRole"}),
        ("oracle", {"oracle_region": "eu-frankfurt-1"}),
        ("databricks", {}),
        ("workers-ai", {}),
        ("cortex", {}),
        ("azure-ai", {"azure_auth_mode": "managed"}),
    ],
)
def test_3_required_fields_by_provider_and_mode(
    api: Api, provider: str, fields: dict[str, Any]
) -> None:
    assert api.call("POST", "/integrations", hosted(provider, **fields)).code == "AB01"


@pytest.mark.parametrize(
    "host",
    [
        "ftp://models.example.com",
        "https://models.example.com/#x",
        "http://127.0.0.1/v1",
        "http://169.254.169.254/latest",
        "http://[::1]/",
        "http://localhost:8000",
        "https://LOCALHOST.",
        "https://2130706433",
        "https://0x7f000001",
        "https://127.1",
        "https://[::ffff:10.0.0.1]",
        "https://10.0.0.1.nip.io",
        "https://models.internal",
        "https://e.com/" + "a" * 2_048,
        "http://user@models.example.com",
        "models.example.com",
        7,
    ],
)
def test_3_a_custom_host_is_public_http_without_fragment(api: Api, host: Any) -> None:
    assert api.call("POST", "/integrations", openai(configurations={"custom_host": host})).code == (
        "AB01"
    )


@pytest.mark.parametrize(
    "host", ["https://models.example.com/v1", "http://vllm.models.svc.cluster.local:8000/v1"]
)
def test_3_a_custom_host_may_be_an_internal_name(api: Api, host: str) -> None:
    shown = detail(api, openai(configurations={"custom_host": host}))
    assert shown["configurations"] == {"custom_host": host}


ORACLE = {
    "oracle_region": "eu-frankfurt-1",
    "oracle_tenancy": "ocid1.tenancy.a",
    "oracle_user": "ocid1.user.a",
    "oracle_fingerprint": "aa:bb",
    "oracle_private_key": "canary-canary-canary",
}


@pytest.mark.parametrize(
    ("provider", "fields"),
    [
        ("oracle", ORACLE),
        ("bedrock-mantle", {"aws_auth_type": "serviceRole", "aws_region": "us-east-1"}),
        ("claude-platform-aws", {"aws_auth_type": "serviceRole", "aws_region": "us-east-1"}),
        ("groq", {"custom_headers": {"Authorization": "canary-canary-canary"}}),
    ],
)
def test_3_these_providers_need_no_key(api: Api, provider: str, fields: dict[str, Any]) -> None:
    detail(api, hosted(provider, **fields))


def test_3_byteplus_has_two_regions(api: Api) -> None:
    for region, status in (("eu-west-1", 200), ("us-east-1", 400)):
        body = openai(region, ai_provider_id="byteplus", configurations={"byteplus_region": region})
        assert api.call("POST", "/integrations", body).status == status


def test_3_a_mixture_of_fields_is_accepted(api: Api) -> None:
    mixture = {"openai_project": "p", "custom_host": "https://models.example.com"}
    assert detail(api, openai(configurations=mixture))["configurations"] == mixture


# §4 Mappings and default providers


def test_4_a_mapping_replaces_a_required_secret(api: Api) -> None:
    mapping = {
        "target_field": "configurations.vertex_service_account_json",
        "secret_reference_id": "vertex-prod",
        "value_format": "json",
    }
    body = hosted("vertex-ai", vertex_auth_type="serviceAccount", vertex_region="r")
    assert detail(api, {**body, "secret_mappings": [mapping]})["secret_mappings"] == [mapping]


@pytest.mark.parametrize(
    "mappings",
    [
        [{"target_field": "name", "secret_reference_id": "r"}],
        [{"target_field": "key"}],
        [{"target_field": "key", "secret_reference_id": "r", "value_format": "xml"}],
        [{"target_field": "key", "secret_reference_id": "r"}] * 2,
        ["key"],
    ],
)
def test_4_malformed_and_duplicate_mappings_are_refused(api: Api, mappings: list[Any]) -> None:
    assert api.call("POST", "/integrations", openai(secret_mappings=mappings)).code == "AB01"


def test_4_a_workspace_scoped_create_creates_a_provider_unless_it_is_declined(api: Api) -> None:
    receipt = api.call("POST", "/integrations", openai("loud", workspace_id="ws-a")).body
    (provider,) = api.remote.providers
    assert receipt["provider_id"] == provider["id"]
    assert provider["note"] == "Created automatically on integration access grant"
    quiet = openai("quiet", workspace_id="ws-a", create_default_provider=False)
    assert api.call("POST", "/integrations", quiet).body["provider_id"] is None
    assert len(api.remote.providers) == 1


def test_4_the_slug_of_a_default_provider_must_be_free(api: Api) -> None:
    for slug, status in (("first", 200), ("second", 400)):
        body = openai(slug, workspace_id="ws-a", default_provider_slug="mine")
        assert api.call("POST", "/integrations", body).status == status
    assert api.call("GET", "/integrations/second").status == 404
    elsewhere = openai("third", workspace_id="ws-b", default_provider_slug="mine")
    assert api.call("POST", "/integrations", elsewhere).status == 200


def test_4_a_workspace_makes_the_type_workspace(api: Api) -> None:
    shown = detail(api, openai(workspace_id="ws-a"))
    assert (shown["type"], shown["workspace_id"]) == ("workspace", "ws-a")


@pytest.mark.parametrize("odd", [[1], {"a": 1}, 5, True])
def test_3_a_choice_of_another_type_is_refused(api: Api, odd: Any) -> None:
    body = openai("one", ai_provider_id="byteplus", configurations={"byteplus_region": odd})
    assert api.call("POST", "/integrations", body).code == "AB01"


def test_3_a_field_without_a_name_breaks_nothing(api: Api) -> None:
    body = openai("one", ai_provider_id="brand-new", configurations={"": [697157259, []]})
    assert api.call("POST", "/integrations", body).status == 200

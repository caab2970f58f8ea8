"""Seeds: named sets of integrations, and any number of generated ones.

A seed is deterministic, including its made-up secrets. Requests to the API create its integrations,
so a seed contains nothing that a client could not create.
"""

from collections.abc import Callable, Iterator, Mapping

from reconciler.errors import ReconcilerError
from reconciler.simulator.api import SimulatedAPI
from reconciler.simulator.messages import JsonObject, Request

Body = JsonObject


class UnknownSeed(ReconcilerError):
    """Raised for a seed that is neither a known name nor a number."""

    exit_code = 3

    def __init__(self, seed: str) -> None:
        super().__init__(
            f"there is no seed {seed!r}",
            code="unknown-seed",
            hint=f"pass a number, or one of: {', '.join(sorted(SEEDS))}",
        )


def apply_seed(api: SimulatedAPI, seed: str) -> int:
    """Create the integrations of a seed that do not exist; return how many were created.

    `seed` is a name in `SEEDS` or a number of integrations to generate.
    """
    if seed.isascii() and seed.isdigit() and len(seed) <= 7:
        requests = generated_requests(int(seed))
    elif seed in SEEDS:
        requests = SEEDS[seed]()
    else:
        raise UnknownSeed(seed)
    created = 0
    skipped: set[str] = set()
    for request in requests:
        # Nothing that belongs to an existing integration is changed. The integrations that a config
        # names are not checked.
        if _slug_in(request) in skipped or (request.path == "/configs" and skipped):
            continue
        response = api.handle(request)
        if request.method != "POST" or request.path != "/integrations":
            continue
        if response.status == 200:
            created += 1
        else:
            skipped.add(request.body["slug"])
    return created


def _slug_in(request: Request) -> str | None:
    """Return the integration that a request writes to, except in a create."""
    if request.path == "/providers":
        return str(request.body["integration_id"])
    parts = request.path.split("/")
    return parts[2] if len(parts) > 2 else None


def generated_requests(count: int) -> Iterator[Request]:
    """Generate integrations of all providers in turn, some with models and workspaces."""
    makers = tuple(_MAKERS)
    # The remainders 3, 4, 5 and 7 mix providers, models and workspaces without a random number.
    for number in range(count):
        maker = makers[number % len(makers)]
        slug = f"seed-{number:05d}"
        body = {"slug": slug, "name": f"Seed {number}", "description": f"number {number}"}
        yield _create({**body, **maker(number)})
        if number % 3 == 0:
            yield _models(slug, f"model-{number % 7}")
        if number % 4 == 0:
            yield _workspaces(slug, f"ws-team-{number % 5}")


def _demo_requests() -> Iterator[Request]:
    """Generate a small organisation with an integration that was not created from Git."""
    yield _create(
        {"slug": "openai-main", "name": "OpenAI", "tags": {"team": "platform"}, **_openai(1)}
    )
    yield _models("openai-main", "gpt-5")
    yield _workspaces("openai-main", "ws-search")
    yield _create({"slug": "azure-eu", "name": "Azure OpenAI Europe", **_azure_openai(2)})
    yield _create({"slug": "bedrock-us", "name": "Bedrock", **_bedrock(3)})
    yield _create({"slug": "made-by-hand", "name": "Made by hand", **_hosted(4)})


def _usage_requests() -> Iterator[Request]:
    """Generate an organisation with providers and configs: some integrations are used."""
    yield _create({"slug": "openai-main", "name": "OpenAI", **_openai(1)})
    for workspace in ("ws-search", "ws-support"):
        yield _workspaces("openai-main", workspace)
    yield _models("openai-main", "gpt-5")
    yield _create({"slug": "anthropic-eu", "name": "Anthropic", **_anthropic(2)})
    yield _workspaces("anthropic-eu", "ws-support")
    yield _workspaces("anthropic-eu", "ws-idle")
    yield _create({"slug": "bedrock-us", "name": "Bedrock", **_bedrock(3)})
    yield _workspaces("bedrock-us", "ws-idle")
    yield _provider("openai-main", "ws-search", "openai")
    yield _provider("openai-main", "ws-search", "openai-batch")
    yield _provider("openai-main", "ws-support", "openai")
    yield _provider("anthropic-eu", "ws-support", "anthropic")
    fallback = {"strategy": {"mode": "fallback"}}
    yield _config("ws-search", "Search", {"provider": "@openai"})
    yield _config("ws-search", "Batch", {"virtual_key": "openai-batch", "retry": {"attempts": 3}})
    nested = [{"targets": [{"provider": "@openai"}]}, {"provider": "@openai-batch"}]
    yield _config("ws-search", "Nested", {**fallback, "targets": nested})
    model = {"override_params": {"model": "@openai/gpt-5"}}
    yield _config("ws-search", "Model", model)
    both = [{"provider": "@openai"}, {"provider": "@anthropic"}]
    yield _config("ws-support", "Support", {**fallback, "targets": both})
    # A key of the provider itself, which no output may show.
    own_key = {"provider": "openai", "api_key": _key(4), "cache": {"mode": "simple"}}
    yield _config("ws-search", "Own key", own_key)


def _no_requests() -> Iterator[Request]:
    """Generate nothing."""
    return iter(())


SEEDS: Mapping[str, Callable[[], Iterator[Request]]] = {
    "demo": _demo_requests,
    "empty": _no_requests,
    "usage": _usage_requests,
}
"""Named seeds."""


def _create(body: Body) -> Request:
    return Request("POST", "/integrations", {}, body)


def _models(slug: str, model: str) -> Request:
    custom = {
        "slug": f"{model}-tuned",
        "enabled": True,
        "is_custom": True,
        "base_model_slug": model,
    }
    listed = [{"slug": model, "enabled": True}, custom]
    body = {"allow_all_models": False, "models": listed}
    return Request("PUT", f"/integrations/{slug}/models", {}, body)


def _workspaces(slug: str, workspace: str) -> Request:
    limit = {"type": "cost", "credit_limit": 500, "periodic_reset": "monthly"}
    body = {
        "workspaces": [{"id": workspace, "enabled": True, "usage_limits": [limit]}],
        # The default would create a provider in the workspace (remote/API.md §4).
        "create_default_provider": False,
    }
    return Request("PUT", f"/integrations/{slug}/workspaces", {}, body)


def _provider(integration: str, workspace: str, slug: str) -> Request:
    body = {"integration_id": integration, "workspace_id": workspace, "slug": slug, "name": slug}
    return Request("POST", "/providers", {}, body)


def _config(workspace: str, name: str, config: Body) -> Request:
    body = {"workspace_id": workspace, "name": name, "config": config}
    return Request("POST", "/configs", {}, body)


def _key(number: int) -> str:
    return f"sk-seed-{number:05d}-not-a-real-key"


def _openai(number: int) -> Body:
    configurations = {"openai_organization": f"org-{number}", "openai_project": f"proj-{number}"}
    return {"ai_provider_id": "openai", "key": _key(number), "configurations": configurations}


def _anthropic(number: int) -> Body:
    pricing = {"multiplier": {"default": 0.9}}
    return {
        "ai_provider_id": "anthropic",
        "key": _key(number),
        "pricing_adjustments": pricing,
        "tags": {"cost-center": str(number)},
    }


def _azure_openai(number: int) -> Body:
    deployment = {
        "azure_api_version": "2025-04-01",
        "azure_deployment_name": f"gpt-{number}",
        "azure_model_slug": "gpt-5",
        "is_default": True,
    }
    configurations = {
        "azure_auth_mode": "entra",
        "azure_resource_name": f"resource-{number}",
        "azure_deployment_config": [deployment],
        "azure_entra_tenant_id": f"tenant-{number}",
        "azure_entra_client_id": f"client-{number}",
        "azure_entra_client_secret": f"entra-{number:05d}-not-a-real-secret",
    }
    return {"ai_provider_id": "azure-openai", "configurations": configurations}


def _azure_ai(number: int) -> Body:
    configurations = {
        "azure_auth_mode": "default",
        "azure_foundry_url": f"https://foundry-{number}.services.ai.azure.com",
    }
    return {"ai_provider_id": "azure-ai", "key": _key(number), "configurations": configurations}


def _bedrock(number: int) -> Body:
    configurations = {
        "aws_auth_type": "assumedRole",
        "aws_region": "us-east-1",
        "aws_role_arn": f"arn:aws:iam::{number:012d}:role/gateway",
    }
    return {"ai_provider_id": "bedrock", "configurations": configurations}


def _sagemaker(number: int) -> Body:
    configurations = {
        "aws_auth_type": "accessKey",
        "aws_region": "eu-west-1",
        "aws_access_key_id": f"AKIASEED{number:012d}",
        "aws_secret_access_key": f"aws-{number:05d}-not-a-real-secret",
    }
    return {"ai_provider_id": "sagemaker", "configurations": configurations}


def _vertex(number: int) -> Body:
    configurations = {
        "vertex_auth_type": "serviceAccount",
        "vertex_region": "europe-west4",
        "vertex_project_id": f"project-{number}",
    }
    mapping = {
        "target_field": "configurations.vertex_service_account_json",
        "secret_reference_id": f"vertex-{number}",
        "value_format": "json",
    }
    return {
        "ai_provider_id": "vertex-ai",
        "configurations": configurations,
        "secret_mappings": [mapping],
    }


def _workers_ai(number: int) -> Body:
    configurations = {"workers_ai_account_id": f"account-{number}"}
    return {"ai_provider_id": "workers-ai", "key": _key(number), "configurations": configurations}


def _huggingface(number: int) -> Body:
    configurations = {"huggingface_base_url": f"https://{number}.endpoints.huggingface.cloud"}
    return {"ai_provider_id": "huggingface", "key": _key(number), "configurations": configurations}


def _cortex(number: int) -> Body:
    configurations = {"snowflake_account": f"account-{number}"}
    return {"ai_provider_id": "cortex", "key": _key(number), "configurations": configurations}


def _hosted(number: int) -> Body:
    configurations = {
        "custom_host": f"https://models-{number}.example.com/v1",
        "custom_headers": {"x-team": f"team-{number}"},
    }
    return {"ai_provider_id": "mistral-ai", "key": _key(number), "configurations": configurations}


def _scoped(number: int) -> Body:
    return {
        **_openai(number),
        "workspace_id": f"ws-team-{number % 5}",
        "create_default_provider": False,
    }


_MAKERS: tuple[Callable[[int], Body], ...] = (
    _openai,
    _azure_openai,
    _bedrock,
    _vertex,
    _anthropic,
    _azure_ai,
    _sagemaker,
    _workers_ai,
    _huggingface,
    _cortex,
    _hosted,
    _scoped,
)

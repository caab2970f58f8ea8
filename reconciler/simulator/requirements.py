"""What the API demands of a credential and of `configurations`, by provider (remote/API.md §3).

Only what a create or an update is refused for; enums are wide because the API's are.
"""

import ipaddress
import re
from collections.abc import Collection, Mapping
from typing import Any

KEYLESS_PROVIDERS = frozenset(
    {
        "bedrock",
        "bedrock-mantle",
        "claude-platform-aws",
        "sagemaker",
        "vertex-ai",
        "ollama",
        "oracle",
        "triton",
    }
)
"""Providers whose credential lives in `configurations`, or that need none."""

_AZURE_MODES = {
    "default": (),
    "managed": (),
    "entra": ("azure_entra_tenant_id", "azure_entra_client_id", "azure_entra_client_secret"),
    "entraFederated": ("azure_entra_tenant_id", "azure_entra_client_id"),
    "workload": ("azure_workload_tenant_id", "azure_workload_client_id"),
}
_AWS_MODES = {
    "accessKey": ("aws_access_key_id", "aws_secret_access_key"),
    "assumedRole": ("aws_role_arn",),
    "serviceRole": (),
    "apiKey": (),
}
_MANTLE_MODES = {
    "apiKey": (),
    "assumedRole": ("aws_role_arn", "aws_region"),
    "serviceRole": ("aws_region",),
}
_CLAUDE_MODES = {
    "accessKey": ("aws_access_key_id", "aws_secret_access_key"),
    "assumedRole": ("aws_role_arn",),
    "serviceRole": (),
}
_VERTEX_MODES = {
    "basic": ("vertex_project_id",),
    "workload": ("vertex_project_id",),
    "serviceAccount": ("vertex_service_account_json",),
}

_RULES: Mapping[str, tuple[tuple[str, ...], str | None, Mapping[str, tuple[str, ...]]]] = {
    "azure-openai": (
        ("azure_auth_mode", "azure_resource_name", "azure_deployment_config"),
        "azure_auth_mode",
        _AZURE_MODES,
    ),
    "azure-ai": (("azure_auth_mode", "azure_foundry_url"), "azure_auth_mode", _AZURE_MODES),
    "bedrock": (("aws_auth_type", "aws_region"), "aws_auth_type", _AWS_MODES),
    "bedrock-mantle": (("aws_auth_type",), "aws_auth_type", _MANTLE_MODES),
    "claude-platform-aws": (("aws_auth_type", "aws_region"), "aws_auth_type", _CLAUDE_MODES),
    "sagemaker": (("aws_auth_type", "aws_region"), "aws_auth_type", _AWS_MODES),
    "vertex-ai": (("vertex_auth_type", "vertex_region"), "vertex_auth_type", _VERTEX_MODES),
    "workers-ai": (("workers_ai_account_id",), None, {}),
    "cortex": (("snowflake_account",), None, {}),
    "databricks": (("databricks_workspace",), None, {}),
    "oracle": (
        (
            "oracle_region",
            "oracle_tenancy",
            "oracle_user",
            "oracle_fingerprint",
            "oracle_private_key",
        ),
        None,
        {},
    ),
}
"""Provider → required fields, the field that chooses the mode, and what each mode adds."""


_CHOICES: Mapping[str, tuple[str, frozenset[str]]] = {
    "byteplus": ("byteplus_region", frozenset({"ap-southeast-1", "eu-west-1"})),
}
"""Provider → a field beside the mode whose values are documented as a closed list."""

_CREDENTIAL_HEADER = re.compile(r"auth|key|token|secret", re.IGNORECASE)
_INNER_ENDINGS = (
    *(".localhost", ".localdomain", ".internal", ".intranet", ".lan", ".home", ".corp", ".onion"),
    *(".nip.io", ".sslip.io", ".xip.io", ".localtest.me", ".lvh.me", ".metadata.goog", ".consul"),
    *(".metadata.azure.com", ".metadata.cloud.ibm.com", ".internal.cloudapp.net"),
)
_INNER_NAMES = frozenset({"localhost", "metadata", "instance-data", "kubernetes", "lvh.me"})
_NUMERIC = re.compile(r"(0x[0-9a-f]*|[0-9]+)(\.(0x[0-9a-f]*|[0-9]+))*", re.IGNORECASE)

_URL = re.compile(
    r"https?://(?P<name>\[[0-9a-f:.]+\]|[^\s/:?#@\[\]]+)(:[0-9]+)?([/?][^\s#]*)?", re.IGNORECASE
)
"""An absolute URL without userinfo and fragment."""


def missing_fields(
    provider: str, configurations: Mapping[str, Any], mapped: Collection[str]
) -> list[str]:
    """Name the required fields that are neither present nor mapped to a secret reference."""
    required, selector, modes = _RULES.get(provider, ((), None, {}))
    by_mode = modes.get(_text(configurations.get(selector)), ()) if selector else ()
    return [
        field
        for field in (*required, *by_mode)
        if configurations.get(field) in (None, "", [], {})
        and f"configurations.{field}" not in mapped
    ]


def wrong_choice(provider: str, configurations: Mapping[str, Any]) -> str | None:
    """Return the field whose value is none that the provider knows: the mode or a closed list."""
    if provider in _CHOICES:
        name, choices = _CHOICES[provider]
        if configurations.get(name) is not None and _text(configurations[name]) not in choices:
            return name
    _, selector, modes = _RULES.get(provider, ((), None, {}))
    if selector and selector in configurations and _text(configurations[selector]) not in modes:
        return selector
    return None


def needs_key(provider: str, configurations: Mapping[str, Any]) -> bool:
    """Tell whether a create without `key`, and without a mapping for it, is refused."""
    if configurations.get("is_key_required") is False:
        return False
    if configurations.get("azure_auth_mode", "default") != "default":
        return False
    if provider in KEYLESS_PROVIDERS:
        return configurations.get("aws_auth_type") == "apiKey"
    headers = configurations.get("custom_headers")
    return not (isinstance(headers, Mapping) and any(map(_CREDENTIAL_HEADER.search, headers)))


def is_refused_host(host: Any) -> bool:
    """Tell whether a `custom_host` fails the API's check against internal addresses (1.16.2)."""
    found = _URL.fullmatch(host) if isinstance(host, str) else None
    if found is None:
        return True
    name = found["name"].strip("[]").lower().rstrip(".")
    is_inner = name in _INNER_NAMES or name.endswith(_INNER_ENDINGS)
    return len(host) > 2_048 or is_inner or "%" in name or _is_private(name)


def _is_private(name: str) -> bool:
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return _NUMERIC.fullmatch(name) is not None  # an address in another form
    embedded = address.ipv4_mapped if address.version == 6 else None
    return not address.is_global or (embedded is not None and not embedded.is_global)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""

"""Validation of the integration's own bodies (remote/API.md §1.3, §2, §3, §4).

The public functions come first; below them are the checks of single fields, and then what each
provider requires of a credential and of `configurations`. The facts are deliberately declared here
a second time, independently of `reconciler.domain`; otherwise, a test against the simulator would
confirm the schema with itself. Bodies of the two sub-resources: `reconciler.simulator.access`.
"""

import ipaddress
import re
from collections.abc import Callable, Collection, Mapping
from typing import NamedTuple

from reconciler.simulator.messages import JsonObject, invalid_request
from reconciler.simulator.switches import Switches

UPDATABLE = frozenset(
    {
        "name",
        "key",
        "description",
        "configurations",
        "secret_mappings",
        "pricing_adjustments",
        "tags",
    }
)
"""Fields an update accepts; the others of an integration are immutable or sub-resources."""

_REPLACEABLE = UPDATABLE | {"ai_provider_id"}
"""Fields an update accepts with the switch `immutable_fields: change`."""

CREATABLE = UPDATABLE | {
    "slug",
    "ai_provider_id",
    "workspace_id",
    # Sent by user tokens and older clients (remote/API.md §1.3).
    "organisation_id",
    "create_default_provider",
    "default_provider_slug",
}

SLUG_MAX_LENGTH = 255


def updatable_fields(switches: Switches) -> frozenset[str]:
    """Return the fields that an update can change."""
    return _REPLACEABLE if switches.immutable_fields == "change" else UPDATABLE


def require_object(body: object) -> JsonObject:
    """Return the body if it is a JSON object; raise `RequestRefused` otherwise."""
    if not isinstance(body, dict):
        raise invalid_request()
    return body


def expected_fields(body: JsonObject, allowed: frozenset[str], switches: Switches) -> JsonObject:
    """Return the fields to store; `unexpected_fields` decides about those not allowed."""
    unexpected = sorted(set(body) - allowed)
    if unexpected and switches.unexpected_fields == "refuse":
        raise invalid_request(f"unexpected fields: {', '.join(unexpected)}")
    if switches.unexpected_fields == "keep":
        return dict(body)
    return {name: value for name, value in body.items() if name in allowed}


def check_create(body: JsonObject, switches: Switches) -> None:
    """Refuse a create whose fields are missing, malformed or contradict each other."""
    for name in ("name", "ai_provider_id"):
        if not body.get(name):
            raise invalid_request(f"{name} is required")
    check_fields(body)
    # The defaults of a create, so that both checks see a whole record.
    record: JsonObject = {"key": None, "configurations": {}, "secret_mappings": None, **body}
    check_record(record, switches)
    has_key = record["key"] or "key" in _mapped_fields(record)
    if not has_key and _needs_key(record["ai_provider_id"], record["configurations"] or {}):
        raise invalid_request("key is required")


def check_fields(body: Mapping[str, object]) -> None:
    """Refuse fields of the wrong type or form, one by one."""
    for name, value in body.items():
        if name in _FIELD_CHECKS and not _FIELD_CHECKS[name](value):
            raise invalid_request(f"{name} is invalid")


def check_record(record: JsonObject, switches: Switches) -> None:
    """Refuse a record whose configurations do not fit its provider."""
    configurations = record["configurations"] or {}
    masked = sorted(name for name in configurations if name.startswith("masked_"))
    if masked:
        raise invalid_request(f"masked values cannot be sent: {', '.join(masked)}")
    provider = record["ai_provider_id"]
    missing = _missing_fields(provider, configurations, _mapped_fields(record))
    if missing:
        raise invalid_request(f"configurations.{missing[0]} is required")
    wrong = _wrong_choice(provider, configurations)
    if wrong:
        raise invalid_request(f"configurations.{wrong} is invalid")
    _check_custom_host(configurations, switches)
    _check_deployments(configurations.get("azure_deployment_config"))


def is_slug(value: object) -> bool:
    """Return whether the API accepts a value as a slug (remote/API.md §1.3)."""
    return isinstance(value, str) and _SLUG.fullmatch(value) is not None


def is_refused_host(host: object) -> bool:
    """Return whether a `custom_host` fails the check against internal addresses (1.16.2)."""
    found = _URL.fullmatch(host) if isinstance(host, str) else None
    if found is None:
        return True
    # A host with a trailing dot is the same host.
    name = found["name"].strip("[]").lower().rstrip(".")
    is_internal = name in _INTERNAL_NAMES or name.endswith(_INTERNAL_SUFFIXES)
    # The maximum length is documented (remote/API.md §3).
    return len(found[0]) > 2_048 or is_internal or "%" in name or _is_private(name)


def _mapped_fields(record: JsonObject) -> frozenset[str]:
    """Return the fields that are filled from secret references."""
    return frozenset(mapping["target_field"] for mapping in record["secret_mappings"] or ())


def _check_custom_host(configurations: Mapping[str, object], switches: Switches) -> None:
    host = configurations.get("custom_host")
    if not host:
        return
    if is_refused_host(host):
        raise invalid_request("configurations.custom_host is invalid")
    has_auth_type = configurations.get("provider_auth_type") == "apiKey"
    if switches.require_provider_auth_type and not has_auth_type:
        raise invalid_request("configurations.provider_auth_type is required with custom_host")


def _check_deployments(deployments: object) -> None:
    if deployments is None:
        return
    required = ("azure_api_version", "azure_deployment_name", "azure_model_slug")
    is_valid = isinstance(deployments, list) and all(
        isinstance(item, dict) and all(_text(1, 255)(item.get(name)) for name in required)
        for item in deployments
    )
    if not is_valid:
        raise invalid_request("configurations.azure_deployment_config is invalid")


# -- fields one by one -------------------------------------------------------------------

Check = Callable[[object], bool]

_SLUG = re.compile(rf"[A-Za-z0-9_-]{{1,{SLUG_MAX_LENGTH}}}")
_TARGET_FIELD = re.compile(r"key|configurations\.[A-Za-z0-9_]+")
_MULTIPLIERS = frozenset(
    {
        "default",
        "request_token",
        "response_token",
        "cache_read_input_token",
        "cache_write_input_token",
        "cache_read_audio_input_token",
        "request_audio_token",
        "response_audio_token",
        "reasoning_token",
        "prediction_accepted_token",
        "prediction_rejected_token",
        "request_image_token",
        "response_image_token",
        "request_text_token",
        "response_text_token",
        "cache_read_image_input_token",
        "cache_read_text_input_token",
        "cache_write_text_input_token",
        "cache_write_image_input_token",
    }
)


def _text(shortest: int, longest: int) -> Check:
    return lambda value: isinstance(value, str) and shortest <= len(value) <= longest


def _or_null(check: Check) -> Check:
    return lambda value: value is None or check(value)


def _is_object(value: object) -> bool:
    return isinstance(value, dict)


def _is_configurations(value: object) -> bool:
    if not isinstance(value, dict):
        return False
    headers = value.get("custom_headers")
    return headers is None or (
        isinstance(headers, dict) and all(isinstance(item, str) for item in headers.values())
    )


def _are_mappings(value: object) -> bool:
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        return False
    targets = [item.get("target_field") for item in value]
    return (
        all(isinstance(name, str) and _TARGET_FIELD.fullmatch(name) for name in targets)
        and len(set(targets)) == len(targets)
        and all(_text(1, 255)(item.get("secret_reference_id")) for item in value)
        and all(item.get("value_format") in (None, "json", "string") for item in value)
    )


def _is_pricing(value: object) -> bool:
    if not isinstance(value, dict) or set(value) - {"multiplier"}:
        return False
    multiplier = value.get("multiplier")
    if multiplier is None:
        return True
    return isinstance(multiplier, dict) and all(
        _is_factor(name, factor) for name, factor in multiplier.items()
    )


def _is_factor(name: str, factor: object) -> bool:
    """Return whether a member of `multiplier` fits the vendor's specification."""
    if factor is None:
        return name in _MULTIPLIERS or name in {"image", "additional_units"}
    if name == "image":
        return isinstance(factor, dict) and not set(factor) - {"default"} and _are_amounts(factor)
    if name == "additional_units":
        return isinstance(factor, dict) and _are_amounts(factor)
    return name in _MULTIPLIERS and _is_amount(factor)


def _are_amounts(factors: Mapping[str, object]) -> bool:
    return all(factor is None or _is_amount(factor) for factor in factors.values())


def _is_amount(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value >= 0


# Below the checks, because it refers to them.
_FIELD_CHECKS: Mapping[str, Check] = {
    "name": _text(1, 255),
    "ai_provider_id": _text(1, 255),
    "slug": is_slug,
    # No maximum is known for these two; the numbers only limit what is stored.
    "key": _or_null(_text(0, 1_000_000)),
    "description": _or_null(_text(0, 100_000)),
    "workspace_id": _or_null(_text(1, 255)),
    "organisation_id": _or_null(_text(1, 255)),
    "configurations": _or_null(_is_configurations),
    "create_default_provider": _or_null(lambda value: isinstance(value, bool)),
    "default_provider_slug": _or_null(is_slug),
    "secret_mappings": _or_null(_are_mappings),
    "pricing_adjustments": _or_null(_is_pricing),
    "tags": _or_null(_is_object),
}


# -- what a provider requires ------------------------------------------------------------


class _ProviderRule(NamedTuple):
    """Required fields of a provider, and what the value of `mode_field` adds to them."""

    required: tuple[str, ...]
    mode_field: str | None = None
    modes: Mapping[str, tuple[str, ...]] = {}


_KEYLESS_PROVIDERS = frozenset(
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
"""Providers whose credential is in `configurations`, or that need none."""

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

_RULES: Mapping[str, _ProviderRule] = {
    "azure-openai": _ProviderRule(
        ("azure_auth_mode", "azure_resource_name", "azure_deployment_config"),
        "azure_auth_mode",
        _AZURE_MODES,
    ),
    "azure-ai": _ProviderRule(
        ("azure_auth_mode", "azure_foundry_url"), "azure_auth_mode", _AZURE_MODES
    ),
    "bedrock": _ProviderRule(("aws_auth_type", "aws_region"), "aws_auth_type", _AWS_MODES),
    "bedrock-mantle": _ProviderRule(("aws_auth_type",), "aws_auth_type", _MANTLE_MODES),
    "claude-platform-aws": _ProviderRule(
        ("aws_auth_type", "aws_region"), "aws_auth_type", _CLAUDE_MODES
    ),
    "sagemaker": _ProviderRule(("aws_auth_type", "aws_region"), "aws_auth_type", _AWS_MODES),
    "vertex-ai": _ProviderRule(
        ("vertex_auth_type", "vertex_region"), "vertex_auth_type", _VERTEX_MODES
    ),
    "workers-ai": _ProviderRule(("workers_ai_account_id",)),
    "cortex": _ProviderRule(("snowflake_account",)),
    "databricks": _ProviderRule(("databricks_workspace",)),
    "oracle": _ProviderRule(
        (
            "oracle_region",
            "oracle_tenancy",
            "oracle_user",
            "oracle_fingerprint",
            "oracle_private_key",
        )
    ),
}

_CHOICES: Mapping[str, tuple[str, frozenset[str]]] = {
    "byteplus": ("byteplus_region", frozenset({"ap-southeast-1", "eu-west-1"})),
}
"""Provider → a field other than its mode whose values are documented as a closed list."""

# A header such as `api-key` replaces the key of the integration.
_CREDENTIAL_HEADER = re.compile(r"auth|key|token|secret", re.IGNORECASE)
_INTERNAL_NAMES = frozenset({"localhost", "metadata", "instance-data", "kubernetes", "lvh.me"})
# fmt: off
_INTERNAL_SUFFIXES = (
    ".localhost", ".localdomain", ".internal", ".intranet", ".lan", ".home", ".corp", ".onion",
    ".nip.io", ".sslip.io", ".xip.io", ".localtest.me", ".lvh.me", ".metadata.goog", ".consul",
    ".metadata.azure.com", ".metadata.cloud.ibm.com", ".internal.cloudapp.net",
)
# fmt: on 127.1, 2130706433 and 0x7f000001 are interpreted as addresses by many resolvers.
_NUMERIC = re.compile(r"(0x[0-9a-f]*|[0-9]+)(\.(0x[0-9a-f]*|[0-9]+))*", re.IGNORECASE)

_URL = re.compile(
    r"https?://(?P<name>\[[0-9a-f:.]+\]|[^\s/:?#@\[\]]+)(:[0-9]+)?([/?][^\s#]*)?", re.IGNORECASE
)
"""An absolute URL without userinfo and fragment."""


def _missing_fields(
    provider: str, configurations: Mapping[str, object], mapped: Collection[str]
) -> list[str]:
    """Return the required fields that are neither present nor mapped to a secret reference."""
    rule = _RULES.get(provider, _ProviderRule(()))
    mode = _as_text(configurations.get(rule.mode_field)) if rule.mode_field else ""
    return [
        field
        for field in (*rule.required, *rule.modes.get(mode, ()))
        if configurations.get(field) in (None, "", [], {})
        and f"configurations.{field}" not in mapped
    ]


def _wrong_choice(provider: str, configurations: Mapping[str, object]) -> str | None:
    """Return the field whose value the provider does not know: the mode or a closed list."""
    if provider in _CHOICES:
        name, choices = _CHOICES[provider]
        if configurations.get(name) is not None and _as_text(configurations[name]) not in choices:
            return name
    rule = _RULES.get(provider, _ProviderRule(()))
    mode_field = rule.mode_field
    if mode_field and mode_field in configurations:
        return None if _as_text(configurations[mode_field]) in rule.modes else mode_field
    return None


def _needs_key(provider: str, configurations: Mapping[str, object]) -> bool:
    """Return whether a create needs `key`, or a mapping for it."""
    # Makes the key optional for any provider (remote/API.md §3).
    if configurations.get("is_key_required") is False:
        return False
    # Other modes have their credential in `configurations`, or need none (remote/API.md §3).
    if configurations.get("azure_auth_mode", "default") != "default":
        return False
    if provider in _KEYLESS_PROVIDERS:
        # Bedrock, its Mantle form and SageMaker accept a key only in this mode (remote/API.md §3).
        return configurations.get("aws_auth_type") == "apiKey"
    headers = configurations.get("custom_headers")
    has_credential = isinstance(headers, Mapping) and any(map(_CREDENTIAL_HEADER.search, headers))
    return not has_credential


def _is_private(name: str) -> bool:
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return _NUMERIC.fullmatch(name) is not None  # an address in another notation
    # An IPv6 address may contain an internal IPv4 address, as in ::ffff:10.0.0.1.
    embedded = address.ipv4_mapped if address.version == 6 else None
    return not address.is_global or (embedded is not None and not embedded.is_global)


def _as_text(value: object) -> str:
    return value if isinstance(value, str) else ""

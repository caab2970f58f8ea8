"""What makes the API refuse a body of the integration itself (remote/API.md §1.3, §2, §4).

Bodies of the two sub-resources: `reconciler.simulator.access`.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from reconciler.simulator.messages import invalid_request
from reconciler.simulator.requirements import (
    is_refused_host,
    missing_fields,
    needs_key,
    wrong_choice,
)
from reconciler.simulator.slugs import is_slug
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
"""Fields an update takes; the others of an integration are immutable or live elsewhere."""

REPLACEABLE = UPDATABLE | {"ai_provider_id"}
"""Fields an update takes with the switch `immutable_fields: change`."""

CREATABLE = UPDATABLE | {
    "slug",
    "ai_provider_id",
    "workspace_id",
    "organisation_id",
    "create_default_provider",
    "default_provider_slug",
}

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


def updatable_fields(switches: Switches) -> frozenset[str]:
    """Return the fields that an update can change."""
    return REPLACEABLE if switches.immutable_fields == "change" else UPDATABLE


def require_object(body: Any) -> dict[str, Any]:
    """Give the body when it is a JSON object."""
    if not isinstance(body, dict):
        raise invalid_request()
    return body


def expected_fields(
    body: Mapping[str, Any], allowed: frozenset[str], switches: Switches
) -> dict[str, Any]:
    """Return the fields the API knows; others are refused, left out or kept, as the switch says."""
    unexpected = sorted(set(body) - allowed)
    if unexpected and switches.unexpected_fields == "refuse":
        raise invalid_request(f"unexpected fields: {', '.join(unexpected)}")
    if switches.unexpected_fields == "keep":
        return dict(body)
    return {name: value for name, value in body.items() if name in allowed}


def check_create(body: Mapping[str, Any], switches: Switches) -> None:
    """Refuse a create whose fields are missing, malformed or contradict each other."""
    for name in ("name", "ai_provider_id"):
        if not body.get(name):
            raise invalid_request(f"{name} is required")
    check_fields(body)
    record = {"key": None, "configurations": {}, "secret_mappings": None, **body}
    check_record(record, switches)
    mapped = mapped_fields(record)
    keyless = not needs_key(record["ai_provider_id"], record["configurations"] or {})
    if not record["key"] and "key" not in mapped and not keyless:
        raise invalid_request("key is required")


def check_fields(body: Mapping[str, Any]) -> None:
    """Refuse fields of the wrong type or form, one by one."""
    for name, value in body.items():
        if name in _FIELD_CHECKS and not _FIELD_CHECKS[name](value):
            raise invalid_request(f"{name} is invalid")


def check_record(record: Mapping[str, Any], switches: Switches) -> None:
    """Refuse a record whose configurations do not fit its provider."""
    configurations = record["configurations"] or {}
    masked = sorted(name for name in configurations if name.startswith("masked_"))
    if masked:
        raise invalid_request(f"masked values cannot be sent: {', '.join(masked)}")
    provider = record["ai_provider_id"]
    missing = missing_fields(provider, configurations, mapped_fields(record))
    if missing:
        raise invalid_request(f"configurations.{missing[0]} is required")
    wrong = wrong_choice(provider, configurations)
    if wrong:
        raise invalid_request(f"configurations.{wrong} is invalid")
    _check_custom_host(configurations, switches)
    _check_deployments(configurations.get("azure_deployment_config"))


def mapped_fields(record: Mapping[str, Any]) -> frozenset[str]:
    """Name the fields that come from secret references."""
    return frozenset(mapping["target_field"] for mapping in record["secret_mappings"] or ())


def _check_custom_host(configurations: Mapping[str, Any], switches: Switches) -> None:
    host = configurations.get("custom_host")
    if not host:
        return
    if is_refused_host(host):
        raise invalid_request("configurations.custom_host is invalid")
    has_auth_type = configurations.get("provider_auth_type") == "apiKey"
    if switches.require_provider_auth_type and not has_auth_type:
        raise invalid_request("configurations.provider_auth_type is required with custom_host")


def _check_deployments(deployments: Any) -> None:
    if deployments is None:
        return
    required = ("azure_api_version", "azure_deployment_name", "azure_model_slug")
    fits = isinstance(deployments, list) and all(
        isinstance(item, dict) and all(_is_text(1, 255)(item.get(name)) for name in required)
        for item in deployments
    )
    if not fits:
        raise invalid_request("configurations.azure_deployment_config is invalid")


def _is_text(shortest: int, longest: int) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, str) and shortest <= len(value) <= longest


def _or_null(check: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: value is None or check(value)


def _is_object(value: Any) -> bool:
    return isinstance(value, dict)


def _is_configurations(value: Any) -> bool:
    if not isinstance(value, dict):
        return False
    headers = value.get("custom_headers")
    return headers is None or (
        isinstance(headers, dict) and all(isinstance(item, str) for item in headers.values())
    )


def _are_mappings(value: Any) -> bool:
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        return False
    targets = [item.get("target_field") for item in value]
    return (
        all(isinstance(name, str) and _TARGET_FIELD.fullmatch(name) for name in targets)
        and len(set(targets)) == len(targets)
        and all(_is_text(1, 255)(item.get("secret_reference_id")) for item in value)
        and all(item.get("value_format") in (None, "json", "string") for item in value)
    )


def _is_pricing(value: Any) -> bool:
    if not isinstance(value, dict) or set(value) - {"multiplier"}:
        return False
    multiplier = value.get("multiplier")
    if multiplier is None:
        return True
    return isinstance(multiplier, dict) and all(
        _is_factor(name, factor) for name, factor in multiplier.items()
    )


def _is_factor(name: str, factor: Any) -> bool:
    """Whether a member of `multiplier` is one that the vendor's specification describes."""
    if factor is None:
        return name in _MULTIPLIERS or name in {"image", "additional_units"}
    if name == "image":
        return _is_object(factor) and not set(factor) - {"default"} and _are_amounts(factor)
    if name == "additional_units":
        return _is_object(factor) and _are_amounts(factor)
    return name in _MULTIPLIERS and _is_amount(factor)


def _are_amounts(factors: Mapping[str, Any]) -> bool:
    return all(factor is None or _is_amount(factor) for factor in factors.values())


def _is_amount(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value >= 0


_FIELD_CHECKS: Mapping[str, Callable[[Any], bool]] = {
    "name": _is_text(1, 255),
    "ai_provider_id": _is_text(1, 255),
    "slug": is_slug,
    "key": _or_null(_is_text(0, 1_000_000)),
    "description": _or_null(_is_text(0, 100_000)),
    "workspace_id": _or_null(_is_text(1, 255)),
    "organisation_id": _or_null(_is_text(1, 255)),
    "configurations": _or_null(_is_configurations),
    "create_default_provider": _or_null(lambda value: isinstance(value, bool)),
    "default_provider_slug": _or_null(is_slug),
    "secret_mappings": _or_null(_are_mappings),
    "pricing_adjustments": _or_null(_is_pricing),
    "tags": _or_null(_is_object),
}

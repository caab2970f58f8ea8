"""Writing the models of an integration: upsert by slug, delete custom ones (remote/API.md §5.1)."""

from collections.abc import Mapping
from typing import Any

from reconciler.simulator.catalogue import NEW_MODEL
from reconciler.simulator.messages import invalid_request
from reconciler.simulator.responses import clone
from reconciler.simulator.store import Record
from reconciler.simulator.switches import Switches
from reconciler.simulator.validation import is_refused_host, require_object

_WRITABLE = (
    "enabled",
    "is_custom",
    "is_finetune",
    "base_model_slug",
    "pricing_config",
    "configurations",
    "description",
    "name",
)
_FLAGS = ("is_custom", "is_finetune")


def put_models(record: Record, body: Any, now: str) -> Record:
    """Change the listed models and, when given, `allow_all_models`; unlisted models stay."""
    body = require_object(body)
    listed = body.get("models")
    if not isinstance(listed, list):
        raise invalid_request("models is required")
    allow_all = body.get("allow_all_models", record["allow_all_models"])
    if not isinstance(allow_all, bool):
        raise invalid_request("allow_all_models is invalid")
    kept = dict(record["models"])
    for item in listed:
        _check(item)
        kept[item["slug"]] = _upsert(kept.get(item["slug"]), item, now)
    return {**record, "models": kept, "allow_all_models": allow_all}


def delete_models(
    record: Record, query: Mapping[str, str], body: Any, switches: Switches
) -> Record:
    """Remove custom models by `?slugs=a,b`; one base model among them refuses all.

    With `models_delete: query_or_body` a body `{"models": ["a", "b"]}` names them, too.
    """
    slugs = [slug for slug in query.get("slugs", "").split(",") if slug]
    if not slugs and switches.models_delete == "query_or_body":
        slugs = _named_in(body)
    if not slugs:
        raise invalid_request("slugs is required")
    known = record["models"]
    ignores = switches.unknown_model_delete == "ignore"
    for slug in slugs:
        removable = known[slug]["is_custom"] if slug in known else ignores
        if not removable:
            raise invalid_request("Base models cannot be deleted")
    kept = {slug: model for slug, model in known.items() if slug not in slugs}
    return {**record, "models": kept}


def _named_in(body: Any) -> list[str]:
    named = require_object(body).get("models")
    if not isinstance(named, list) or not all(isinstance(slug, str) and slug for slug in named):
        raise invalid_request("models is required")
    return named


def _check(item: Any) -> None:
    item = require_object(item)
    if not isinstance(item.get("slug"), str) or not item["slug"]:
        raise invalid_request("models.slug is required")
    if not isinstance(item.get("enabled"), bool):
        raise invalid_request("models.enabled is required")
    if any(not isinstance(item.get(flag), bool | None) for flag in _FLAGS):
        raise invalid_request("models.is_custom is invalid")
    _check_configurations(item.get("configurations"))


def _check_configurations(configurations: Any) -> None:
    if configurations is None:
        return
    configurations = require_object(configurations)
    if any(name.startswith("masked_") for name in configurations):
        raise invalid_request("masked values cannot be sent")
    host = configurations.get("custom_host")
    if host and is_refused_host(host):
        raise invalid_request("models.configurations.custom_host is invalid")
    headers = configurations.get("custom_headers") or {}
    if not isinstance(headers, dict) or not all(isinstance(v, str) for v in headers.values()):
        raise invalid_request("models.configurations.custom_headers is invalid")


def _upsert(before: Mapping[str, Any] | None, item: Mapping[str, Any], now: str) -> dict[str, Any]:
    sent = {name: clone(item[name]) for name in _WRITABLE if name in item}
    sent.update({flag: bool(sent[flag]) for flag in _FLAGS if flag in sent})
    if before is None:
        return {
            "slug": item["slug"],
            **NEW_MODEL,
            **sent,
            "created_at": now,
            "last_updated_at": None,
        }
    return {**before, **sent, "last_updated_at": now}

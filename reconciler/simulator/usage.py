"""Lists that show the usage of integrations: workspaces, providers and gateway configs.

Reads and creates of remote/API.md §11; providers and configs cannot be changed here. Default
providers of an access grant: `reconciler.simulator.organisation`.
"""

import json
import re
from collections.abc import Mapping
from typing import Protocol

from reconciler.domain.calls import OperationName
from reconciler.simulator import responses
from reconciler.simulator.messages import (
    FORBIDDEN,
    JsonObject,
    Request,
    Response,
    invalid_request,
    refusal,
)
from reconciler.simulator.organisation import Organisation
from reconciler.simulator.paging import parse_count
from reconciler.simulator.store import Filter
from reconciler.simulator.switches import Switches
from reconciler.simulator.validation import is_slug, require_object

_CREATED_AT = "2026-01-01T00:00:00.000Z"
"""Time of creation of a workspace, which the simulator does not store."""


class _Read(Protocol):
    def __call__(self, request: Request, slug: str, /, *, stale: bool) -> Response: ...


CREATES = frozenset({"/providers", "/configs"})
"""Paths that also accept POST, so that a client can build a graph of users."""


class UsageLists:
    """Workspaces, providers and configs of one organisation."""

    def __init__(self, organisation: Organisation, switches: Switches) -> None:
        self._organisation = organisation
        self._switches = switches
        self.reads: Mapping[OperationName, _Read] = {
            OperationName.LIST_WORKSPACES: self._list_workspaces,
            OperationName.LIST_PROVIDERS: self._list_providers,
            OperationName.LIST_CONFIGS: self._list_configs,
            OperationName.GET_CONFIG: self._get_config,
        }

    def create(self, request: Request) -> Response:
        """Create a provider or a config; raise `RequestRefused` for an invalid body."""
        body = require_object(request.body)
        if not isinstance(body.get("name"), str) or not body["name"]:
            raise invalid_request("name is required")
        workspace = body.get("workspace_id")
        if not isinstance(workspace, str) or not workspace:
            raise invalid_request("workspace_id is required")
        key = self._organisation.register_workspace(workspace)
        if request.path == "/providers":
            return self._create_provider(body, key)
        return self._create_config(body, key)

    # -- workspaces ----------------------------------------------------------------------

    def _list_workspaces(self, request: Request, _slug: str, *, stale: bool) -> Response:  # noqa: ARG002
        self._require_scope("workspaces.list")
        rows = [
            {
                "id": responses.as_uuid(key),
                "slug": key,
                "name": key.title(),
                "description": None,
                "created_at": _CREATED_AT,
                "last_updated_at": _CREATED_AT,
                "is_default": 0,
                "status": "active",
                "object": "workspace",
            }
            for key in self._workspaces()
        ]
        return self._page(request, rows, default=100)

    def _workspaces(self) -> list[str]:
        """Return every workspace that anything names, in order."""
        found = {provider["workspace_id"] for provider in self._organisation.providers()}
        found |= {config["workspace_id"] for config in self._configs()}
        for record in self._organisation.visible_records(stale=False):
            found |= set(record["workspaces"]) | {record["workspace_id"]}
        return sorted(key for key in found if key)

    # -- providers -----------------------------------------------------------------------

    def _list_providers(self, request: Request, _slug: str, *, stale: bool) -> Response:  # noqa: ARG002
        self._require_scope("providers.list")
        workspace = request.query.get("workspace_id")
        if not workspace and self._switches.providers_workspace == "required":
            raise invalid_request("workspace_id is required")
        key = self._organisation.workspace_key(workspace) if workspace else None
        rows = [
            self._provider_row(provider)
            for provider in self._organisation.providers()
            if key is None or provider["workspace_id"] == key
        ]
        return self._page(request, rows, default=50)

    def _provider_row(self, provider: JsonObject) -> JsonObject:
        by_slug = self._switches.provider_integration_form == "slug"
        return {
            "name": provider["name"],
            "slug": provider["slug"],
            "integration_id": provider["integration_slug" if by_slug else "integration_id"],
            "note": provider["note"],
            "status": provider.get("status", "active"),
            "usage_limits": None,
            "rate_limits": None,
            "reset_usage": None,
            "expires_at": None,
            "created_at": _CREATED_AT,
            "object": "provider",
        }

    def _create_provider(self, body: JsonObject, workspace: str) -> Response:
        record = self._organisation.current_record(str(body.get("integration_id")))
        if not Filter(workspace=workspace).matches(record):
            raise invalid_request("integration_id is not enabled for the workspace")
        slug = body.get("slug")
        if slug is not None and not is_slug(slug):
            raise invalid_request("slug is invalid")
        provider = self._organisation.new_provider(record, workspace, slug, body)
        return Response(200, {"id": provider["id"], "slug": provider["slug"]})

    # -- configs -------------------------------------------------------------------------

    def _configs(self) -> list[JsonObject]:
        return list(self._organisation.store.get_value("configs") or [])

    def _list_configs(self, request: Request, _slug: str, *, stale: bool) -> Response:  # noqa: ARG002
        self._require_scope("configs.list")
        return self._page(request, [self._config_row(c) for c in self._configs()], default=100)

    def _get_config(self, _request: Request, slug: str, *, stale: bool) -> Response:  # noqa: ARG002
        self._require_scope("configs.read")
        for config in self._configs():
            if config["slug"] != slug:
                continue
            if self._switches.detail_shape == "documented":
                return Response(200, {"success": True, "data": {"config": config["config"]}})
            # The content is JSON text (remote/API.md §11.2).
            content = {"config": json.dumps(config["config"]), "format": "json"}
            return Response(200, self._config_row(config) | content)
        raise refusal(404, "AB08", "Not found")

    def _config_row(self, config: JsonObject) -> JsonObject:
        row = {key: value for key, value in config.items() if key != "config"}
        return row | {
            "workspace_id": responses.as_uuid(config["workspace_id"]),
            "organisation_id": self._organisation.id,
            "object": "config",
        }

    def _create_config(self, body: JsonObject, workspace: str) -> Response:
        content = body.get("config")
        if not isinstance(content, dict):
            raise invalid_request("config is required")
        identifier = self._organisation.new_id()
        stem = re.sub(r"[^a-z0-9]+", "-", body["name"].lower()).strip("-")[:6]
        config = {
            "id": identifier,
            "slug": f"pc-{stem}-{identifier[-6:]}",
            "name": body["name"],
            "workspace_id": workspace,
            "is_default": 0,
            "status": "active",
            "created_at": self._organisation.now(),
            "last_updated_at": self._organisation.now(),
            "config": responses.clone(content),
        }
        self._organisation.store.set_value("configs", [*self._configs(), config])
        return Response(200, {"id": identifier, "slug": config["slug"], "object": "config"})

    # -- shared --------------------------------------------------------------------------

    def _require_scope(self, scope: str) -> None:
        if scope in self._switches.denied_scopes.split(","):
            raise refusal(403, "AB03", FORBIDDEN)

    def _page(self, request: Request, rows: list[JsonObject], *, default: int) -> Response:
        size = parse_count(request.query, "page_size", default=default)
        if size == 0 or (size > self._switches.page_max and self._switches.larger_page == "refuse"):
            raise invalid_request()
        size = min(size, self._switches.page_max)
        start = parse_count(request.query, "current_page", default=0) * size
        return Response(
            200, {"object": "list", "total": len(rows), "data": rows[start : start + size]}
        )

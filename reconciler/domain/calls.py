"""Calls of the remote API as values: a plan contains them, and the executor carries them out.

The body can contain `SecretRef` leaves, which become values only when the request is built. HTTP
form of an operation: `reconciler.remote.operations`.
"""

from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum
from typing import Any

from reconciler.domain.tree import Tree
from reconciler.frozen_dataclass import dataclass


class OperationName(StrEnum):
    """Ten operations on integrations, with the names of the adapter's tools, and five lists.

    Four lists show what uses an integration; only `reconciler.remote.usage` reads them. The audit
    log shows who wrote what; only `reconciler.remote.audit_log` reads it.
    """

    LIST = "list-all-integrations"
    CREATE = "create-integration"
    GET = "get-integration"
    UPDATE = "update-integration"
    DELETE = "delete-integration"
    GET_MODELS = "get-integration-models"
    UPDATE_MODELS = "update-integration-models"
    DELETE_MODELS = "delete-integration-models"
    GET_WORKSPACES = "get-integration-workspaces"
    UPDATE_WORKSPACES = "update-integration-workspaces"
    LIST_WORKSPACES = "list-workspaces"
    LIST_PROVIDERS = "list-providers"
    LIST_CONFIGS = "list-configs"
    GET_CONFIG = "get-config"
    LIST_AUDIT_LOGS = "list-audit-logs"


@dataclass(frozen=True, slots=True)
class Call:
    """Operation with its slug (None for list and create), query and body."""

    operation: OperationName
    slug: str | None = None
    query: Mapping[str, str | int] = field(default_factory=dict)
    body: Tree | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """Successful response: status, JSON (None for an empty body) and the server's request id.

    `content` is the received body, for callers that forward it; `date` is the server's clock
    according to its header.
    """

    status: int
    body: Any
    request_id: str | None = None
    attempts: int = 1
    content: bytes = field(default=b"", repr=False, compare=False)
    date: str | None = field(default=None, compare=False)

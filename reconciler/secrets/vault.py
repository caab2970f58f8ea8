"""`vault:path#field`: HashiCorp Vault or OpenBao, key-value engine version 1 or 2.

The path is written as in `vault kv get`: mount and path, without `data/`; which version answers is
asked of the server, as Vault's own command does. How a token is obtained: `vault_login`.
"""

import threading
from collections.abc import Mapping, Sequence
from typing import Any, cast

import hvac
import hvac.exceptions
import requests

from reconciler.domain.secrets import SecretRef
from reconciler.secrets import document_fields
from reconciler.secrets.errors import SecretError
from reconciler.secrets.resolver import Answers, ResolverContext
from reconciler.secrets.vault_login import Login, LoginImpossible

_FORBIDDEN_IN_PATHS = frozenset("%?\\*")


class VaultResolver:
    """Read key-value secrets; a path is a source, and one login serves them all."""

    def __init__(self, surroundings: ResolverContext) -> None:
        self._login = Login(surroundings.environ, timeout=surroundings.timeout)
        self._lock = threading.Lock()
        self._client: hvac.Client | None = None
        self._refused: SecretError | None = None
        self._versions: dict[str, str] = {}

    def source_of(self, locator: str) -> str:
        """Name the path."""
        return document_fields.source(locator)

    def read(self, refs: Sequence[SecretRef]) -> Answers:
        """Read one path, and pick the fields."""
        path = document_fields.source(refs[0].locator)
        if not _is_plain(path):
            problem = SecretError(refs[0], "this is not a path in Vault", code="bad-reference")
        else:
            found = self._document(refs[0], path)
            if not isinstance(found, SecretError):
                return document_fields.pick(refs, found)
            problem = found
        return {ref: problem.about(ref) for ref in refs}

    def _document(self, ref: SecretRef, path: str) -> Mapping[str, object] | SecretError:
        client = self._connected(ref)
        if isinstance(client, SecretError):
            return client
        try:
            return self._get(client, path)
        except (hvac.exceptions.VaultError, requests.RequestException) as problem:
            return explain(ref, problem)

    def _connected(self, ref: SecretRef) -> hvac.Client | SecretError:
        with self._lock:
            if self._client is None and self._refused is None:
                try:
                    self._client = self._login.client()
                except LoginImpossible as problem:
                    self._refused = SecretError(
                        ref, problem.reason, code="secret-source-not-configured", hint=problem.hint
                    )
                except (hvac.exceptions.VaultError, requests.RequestException) as problem:
                    self._refused = explain(ref, problem, logging_in=True)
            return cast("hvac.Client | SecretError", self._client or self._refused)

    def _get(self, client: hvac.Client, path: str) -> Mapping[str, object]:
        mount, version = self._mount(client, path)
        rest = path.removeprefix(mount).strip("/")
        if version == "2":
            reply = _json(client.adapter.get(f"/v1/{mount}data/{rest}"))
            return cast("Mapping[str, object]", reply["data"]["data"] or {})
        return cast("Mapping[str, object]", _json(client.adapter.get(f"/v1/{path}"))["data"] or {})

    def _mount(self, client: hvac.Client, path: str) -> tuple[str, str]:
        for mount, version in tuple(self._versions.items()):
            if path.startswith(mount):
                return mount, version
        data = _json(client.adapter.get(f"/v1/sys/internal/ui/mounts/{path}"))["data"]
        mount, version = data["path"], (data.get("options") or {}).get("version", "1")
        self._versions[mount] = version
        return mount, version


def explain(ref: SecretRef, problem: Exception, *, logging_in: bool = False) -> SecretError:
    """Map every failure of the server and the way to it; their text is left behind."""
    match problem:
        case hvac.exceptions.VaultDown() | hvac.exceptions.VaultNotInitialized():
            code, reason, hint = "vault-sealed", "Vault is sealed", "unseal it, then run again"
        case hvac.exceptions.InvalidPath() if not logging_in:
            code, reason, hint = "secret-not-found", "there is nothing at this path in Vault", ""
        case hvac.exceptions.VaultError() if logging_in:
            code, reason = "secret-denied", "Vault does not accept the login"
            hint = "look at the role, its credentials and VAULT_AUTH_PATH"
        case hvac.exceptions.Forbidden() | hvac.exceptions.Unauthorized():
            code, reason = "secret-denied", "Vault denies reading this path"
            hint = "the token needs a policy with `read` here"
        case hvac.exceptions.VaultError():
            code, reason, hint = "secret-failed", "Vault answered with an error", ""
        case requests.Timeout():
            code, reason, hint = "secret-timeout", "Vault did not answer in time", ""
        case requests.exceptions.SSLError():
            code, reason = "secret-unreachable", "Vault's certificate is not trusted"
            hint = "name its authority's file in VAULT_CACERT"
        case _:
            code, reason, hint = (
                "secret-unreachable",
                "Vault cannot be reached",
                "is VAULT_ADDR right?",
            )
    return SecretError(ref, reason, code=code, hint=hint)


def _json(reply: Any) -> dict[str, Any]:
    """Accept documents only: redirects are not followed, since the token is a plain header."""
    if not isinstance(reply, dict):
        raise requests.ConnectionError
    return reply


def _is_plain(path: str) -> bool:
    if not path.isprintable() or _FORBIDDEN_IN_PATHS.intersection(path):
        return False
    return "/" in path and all(part not in {"", ".", ".."} for part in path.split("/"))

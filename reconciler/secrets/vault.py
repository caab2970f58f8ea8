"""`vault:path#field`: HashiCorp Vault or OpenBao, key-value engine version 1 or 2.

The path is written as in `vault kv get`: mount and path, without `data/`; the version of a mount is
requested from the server, like in Vault's own command. Variables of the environment configure the
login:

VAULT_ADDR  VAULT_NAMESPACE  VAULT_CACERT           the server
VAULT_TOKEN                                         a token
VAULT_ROLE_ID and VAULT_SECRET_ID                   AppRole
VAULT_ROLE and VAULT_JWT                            a JWT from the environment
VAULT_ROLE and `permissions: id-token: write`       GitHub's OIDC token, audience VAULT_AUDIENCE
VAULT_AUTH_PATH                                     where the login method is mounted
"""

import math
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import hvac
import hvac.exceptions
import requests

from reconciler.domain.secrets import SecretError, SecretRef
from reconciler.secrets.resolver import Answers, ResolverContext, pick_fields, source_name

_ID_TOKEN_URL = "ACTIONS_ID_TOKEN_REQUEST_URL"  # noqa: S105 - names, not values
_ID_TOKEN_BEARER = "ACTIONS_ID_TOKEN_REQUEST_TOKEN"  # noqa: S105 - names, not values

# The path becomes part of a URL, in which `%` and `?` have a special meaning.
_FORBIDDEN_IN_PATHS = frozenset("%?\\*")


class VaultResolver:
    """Reader of key-value secrets; each path is a source, with one login for all of them."""

    def __init__(self, context: ResolverContext) -> None:
        self._login = _Login(context.environ, timeout=context.timeout)
        self._lock = threading.Lock()
        self._client: hvac.Client | None = None
        self._refused: SecretError | None = None
        self._versions: dict[str, str] = {}

    def source_of(self, locator: str) -> str:
        """Return the path."""
        return source_name(locator)

    def read(self, refs: Sequence[SecretRef]) -> Answers:
        """Read one path and pick the fields."""
        path = source_name(refs[0].locator)
        if not _is_plain(path):
            problem = SecretError(refs[0], "the path is not valid in Vault", code="bad-reference")
        else:
            found = self._document(refs[0], path)
            if not isinstance(found, SecretError):
                return pick_fields(refs, found)
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
        # One login for all paths; a refused one is not repeated, because that could lock an
        # account.
        with self._lock:
            if self._client is None and self._refused is None:
                try:
                    self._client = self._login.client()
                except _LoginNotConfigured as problem:
                    self._refused = SecretError(
                        ref, problem.reason, code="secret-source-not-configured", hint=problem.hint
                    )
                except (hvac.exceptions.VaultError, requests.RequestException) as problem:
                    self._refused = explain(ref, problem, logging_in=True)
            # One of them is set here, which the type checker cannot infer.
            return cast("hvac.Client | SecretError", self._client or self._refused)

    def _get(self, client: hvac.Client, path: str) -> Mapping[str, object]:
        mount, version = self._mount(client, path)
        rest = path.removeprefix(mount).strip("/")
        # Version 2 has its values below `data/`, and wraps them again with their metadata.
        if version == "2":
            reply = _json(client.adapter.get(f"/v1/{mount}data/{rest}"))
            return cast("Mapping[str, object]", reply["data"]["data"] or {})
        return cast("Mapping[str, object]", _json(client.adapter.get(f"/v1/{path}"))["data"] or {})

    def _mount(self, client: hvac.Client, path: str) -> tuple[str, str]:
        # A copy, because other threads may add mounts at the same time.
        for mount, version in tuple(self._versions.items()):
            if path.startswith(mount):
                return mount, version
        # A token that can read the path can request this; listing all mounts needs a separate
        # policy.
        data = _json(client.adapter.get(f"/v1/sys/internal/ui/mounts/{path}"))["data"]
        # Vault may report a mount of version 1 without options.
        mount, version = data["path"], (data.get("options") or {}).get("version", "1")
        self._versions[mount] = version
        return mount, version


class _LoginNotConfigured(Exception):
    """The environment does not name a server or a way to log in."""

    def __init__(self, reason: str, hint: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.hint = hint


class _Login:
    """Login to Vault by the first configured method, in the order of the module's table."""

    def __init__(self, environ: Mapping[str, str], *, timeout: float) -> None:
        self._environ = environ
        self._timeout = timeout

    def client(self) -> hvac.Client:
        """Connect and log in; raises exceptions of hvac and requests, or `_LoginNotConfigured`."""
        client = hvac.Client(
            url=self._require_address(),
            # For None, hvac would read the process environment and the home folder.
            token="",
            namespace=self._get("VAULT_NAMESPACE"),
            timeout=math.ceil(self._timeout),
            allow_redirects=False,
            session=_session(self._authorities()),
        )
        if token := self._get("VAULT_TOKEN"):
            client.token = token
        elif role_id := self._get("VAULT_ROLE_ID"):
            self._post(client, "approle", role_id=role_id, secret_id=self._get("VAULT_SECRET_ID"))
        elif role := self._get("VAULT_ROLE"):
            self._post(client, "jwt", role=role, jwt=self._jwt())
        else:
            raise _LoginNotConfigured(
                "no login to Vault is configured",
                "set VAULT_TOKEN, or VAULT_ROLE_ID and VAULT_SECRET_ID, or VAULT_ROLE",
            )
        return client

    def _require_address(self) -> str:
        address = self._get("VAULT_ADDR")
        if not address.startswith(("https://", "http://")):
            raise _LoginNotConfigured("VAULT_ADDR is not set to a URL", "set VAULT_ADDR=https://…")
        return address

    def _authorities(self) -> str | bool:
        file = self._get("VAULT_CACERT")
        if file and not Path(file).is_file():
            raise _LoginNotConfigured(
                "VAULT_CACERT does not name a file", "set it to the path of a PEM file"
            )
        return file or True

    def _post(self, client: hvac.Client, method: str, **credentials: str) -> None:
        mount = self._get("VAULT_AUTH_PATH").strip("/") or method
        reply = client.adapter.post(f"/v1/auth/{mount}/login", json=credentials)
        client.token = _text(reply, "auth", "client_token")

    def _jwt(self) -> str:
        if jwt := self._get("VAULT_JWT"):
            return jwt
        url = self._get(_ID_TOKEN_URL)
        if not url:
            raise _LoginNotConfigured(
                "there is no JWT for the login to Vault",
                "set VAULT_JWT, or give the GitHub job `permissions: id-token: write`",
            )
        try:
            return self._id_token(url)
        # The cause is dropped, because it contains the request, whose header has the token of the
        # job.
        except requests.RequestException:
            raise _LoginNotConfigured(
                "GitHub issued no OIDC token", "check that the job has `id-token: write`"
            ) from None

    def _id_token(self, url: str) -> str:
        audience = self._get("VAULT_AUDIENCE")
        reply = _session(True).get(  # noqa: FBT003 - public authorities, not Vault's own
            url,
            params={"audience": audience} if audience else {},
            headers={"Authorization": f"Bearer {self._get(_ID_TOKEN_BEARER)}"},
            timeout=self._timeout,
            allow_redirects=False,
        )
        reply.raise_for_status()
        return _text(reply.json(), "value")

    def _get(self, name: str) -> str:
        return self._environ.get(name, "").strip()


def explain(ref: SecretRef, problem: Exception, *, logging_in: bool = False) -> SecretError:
    """Map a failure of Vault or the connection; its text is dropped: it may contain a value."""
    match problem:
        case hvac.exceptions.VaultDown() | hvac.exceptions.VaultNotInitialized():
            code, reason, hint = "vault-sealed", "Vault is sealed", "unseal it, then run again"
        case hvac.exceptions.InvalidPath() if not logging_in:
            code, reason, hint = "secret-not-found", "there is no secret at this path in Vault", ""
        case hvac.exceptions.VaultError() if logging_in:
            code, reason = "secret-denied", "Vault does not accept the login"
            hint = "check the role, its credentials and VAULT_AUTH_PATH"
        case hvac.exceptions.Forbidden() | hvac.exceptions.Unauthorized():
            code, reason = "secret-denied", "Vault denies reading this path"
            hint = "grant the token a policy with `read` on this path"
        case hvac.exceptions.VaultError():
            code, reason, hint = "secret-failed", "Vault returned an error", ""
        case requests.Timeout():
            code, reason, hint = "secret-timeout", "Vault did not respond in time", ""
        case requests.exceptions.SSLError():
            code, reason = "secret-unreachable", "Vault's certificate is not trusted"
            hint = "set VAULT_CACERT to the file of its certificate authority"
        case _:
            code, reason, hint = (
                "secret-unreachable",
                "Vault cannot be reached",
                "check VAULT_ADDR and the network",
            )
    return SecretError(ref, reason, code=code, hint=hint)


def _json(reply: object) -> dict[str, Any]:
    """Return a document; a redirect is not followed, because the token is a plain header."""
    if not isinstance(reply, dict):
        raise requests.ConnectionError
    return reply


def _is_plain(path: str) -> bool:
    if not path.isprintable() or _FORBIDDEN_IN_PATHS.intersection(path):
        return False
    return "/" in path and all(part not in {"", ".", ".."} for part in path.split("/"))


def _session(verify: str | bool) -> requests.Session:  # noqa: FBT001 - as requests calls it
    session = requests.Session()
    session.trust_env = False  # no proxy and no .netrc of this machine
    session.verify = verify
    return session


def _text(reply: object, *path: str) -> str:
    for key in path:
        reply = reply.get(key) if isinstance(reply, dict) else None
    if not isinstance(reply, str):
        raise requests.ConnectionError  # a redirect, or a server other than Vault
    return reply

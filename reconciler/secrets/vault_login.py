"""A Vault client with a token: given, by AppRole, or by a JWT such as GitHub's OIDC token.

VAULT_ADDR  VAULT_NAMESPACE  VAULT_CACERT           the server
VAULT_TOKEN                                         a token as it is
VAULT_ROLE_ID and VAULT_SECRET_ID                   AppRole
VAULT_ROLE and VAULT_JWT                            a JWT that is at hand
VAULT_ROLE and `permissions: id-token: write`       GitHub's OIDC, audience VAULT_AUDIENCE
VAULT_AUTH_PATH                                     where the login method is mounted
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import hvac
import requests

_ID_TOKEN_URL = "ACTIONS_ID_TOKEN_REQUEST_URL"  # noqa: S105 - names, not values
_ID_TOKEN_BEARER = "ACTIONS_ID_TOKEN_REQUEST_TOKEN"  # noqa: S105 - names, not values


class LoginImpossible(Exception):
    """The environment does not say where Vault is or who asks."""

    def __init__(self, reason: str, hint: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.hint = hint


class Login:
    """The ways in, tried in the order of the table above; the first that is configured counts."""

    def __init__(self, environ: Mapping[str, str], *, timeout: float) -> None:
        self._environ = environ
        self._timeout = timeout

    def client(self) -> hvac.Client:
        """Connect and log in; raises what hvac and requests raise, or `LoginImpossible`."""
        client = hvac.Client(
            url=self._require_address(),
            # hvac would look in the process environment and the home folder for what is None.
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
            raise LoginImpossible(
                "nothing says how to log in to Vault",
                "set VAULT_TOKEN, or VAULT_ROLE_ID and VAULT_SECRET_ID, or VAULT_ROLE",
            )
        return client

    def _require_address(self) -> str:
        address = self._get("VAULT_ADDR")
        if not address.startswith(("https://", "http://")):
            raise LoginImpossible("VAULT_ADDR is not set to a URL", "set VAULT_ADDR=https://…")
        return address

    def _authorities(self) -> str | bool:
        file = self._get("VAULT_CACERT")
        if file and not Path(file).is_file():
            raise LoginImpossible("VAULT_CACERT does not name a file", "give a path to a PEM file")
        return file or True

    def _post(self, client: hvac.Client, method: str, **credentials: str) -> None:
        mount = self._get("VAULT_AUTH_PATH").strip("/") or method
        reply = client.adapter.post(f"/v1/auth/{mount}/login", json=credentials)
        client.token = _text(reply, "auth", "client_token")

    def _jwt(self) -> str:
        if at_hand := self._get("VAULT_JWT"):
            return at_hand
        url = self._get(_ID_TOKEN_URL)
        if not url:
            raise LoginImpossible(
                "there is no JWT to log in to Vault with",
                "set VAULT_JWT, or give the GitHub job `permissions: id-token: write`",
            )
        try:
            return self._id_token(url)
        except requests.RequestException:
            raise LoginImpossible(
                "GitHub's issuer gave no OIDC token", "does the job have `id-token: write`?"
            ) from None

    def _id_token(self, url: str) -> str:
        audience = self._get("VAULT_AUDIENCE")
        reply = _session(True).get(  # noqa: FBT003 - the public authorities, not Vault's own
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


def _session(verify: str | bool) -> requests.Session:  # noqa: FBT001 - as requests calls it
    session = requests.Session()
    session.trust_env = False  # no proxy and no .netrc that nobody mentioned
    session.verify = verify
    return session


def _text(reply: Any, *path: str) -> str:
    for key in path:
        reply = reply.get(key) if isinstance(reply, dict) else None
    if not isinstance(reply, str):
        raise requests.ConnectionError  # a redirect, or something that is not Vault
    return reply

"""Hosts that may receive the API key, checked before anything is sent.

A pull request can edit a target's URL; the hosts beyond the known ones come from the environment,
which it cannot edit. Whether a URL is one at all: `reconciler.desired.config`.
"""

from collections.abc import Collection
from urllib.parse import urlsplit

from reconciler.desired.config import is_loopback
from reconciler.diagnostics import error
from reconciler.domain.policy import Target
from reconciler.errors import Refused

VARIABLE = "RECONCILE_ALLOWED_HOSTS"
KNOWN_HOSTS = frozenset({"api.portkey.ai"})


def refuse_unknown_host(target: Target, *, allowed_hosts: Collection[str]) -> None:
    """Raise `Refused` if the target's host is none that a key may be sent to."""
    # `hostname` leaves out port and credentials: a host is trusted, not one of its ports.
    host = (urlsplit(target.base_url).hostname or "").lower()
    known = KNOWN_HOSTS | {allowed.lower() for allowed in allowed_hosts}
    # Neither the embedded simulator nor a loopback address lets a key leave this machine.
    if target.is_simulator or is_loopback(host) or host in known:
        return
    problem = error(
        "host-not-allowed",
        f"target {target.name}: the API key is not sent to {host}",
        hint=f"if the host is trusted, add {host} to the environment variable {VARIABLE}",
    )
    raise Refused([problem])

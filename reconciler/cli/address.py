"""Where the API key may go: the URL of a target, judged before anything is sent.

A pull request can edit a target's URL; the hosts beyond the known ones come from the environment,
which it cannot edit (product.md §3.5).
"""

import ipaddress
import re
from collections.abc import Collection

from reconciler.diagnostics import error
from reconciler.domain.rejection import InvalidInput, Refused

VARIABLE = "RECONCILE_ALLOWED_HOSTS"
KNOWN_HOSTS = frozenset({"api.portkey.ai"})

# Stricter than any URL parser, so that no two parsers can disagree on what the host is.
_URL = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://"
    r"(?P<host>[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])"
    r"(:(?P<port>[0-9]{1,5}))?"
    r"(?P<path>(/[A-Za-z0-9._~%!$&'()*+,;=:-]*)*)"
)


def checked(url: str, *, allowed_hosts: Collection[str], named: str) -> str:
    """Give a base URL that a key may be sent to, without its last slash.

    `named` is where the URL stands, for the message. Raises `InvalidInput` for a URL that is not
    one, and `Refused` for a host that nobody allowed.
    """
    match = _URL.fullmatch(url.strip())
    if match is None:
        raise _invalid(named, "it is not a plain http(s) URL without user, query and fragment")
    scheme, host = match["scheme"].lower(), match["host"].strip("[]").lower()
    if scheme not in {"http", "https"}:
        raise _invalid(named, f"the scheme {scheme} is not https")
    if match["port"] and not 0 < int(match["port"]) < 65536:
        raise _invalid(named, f"there is no port {match['port']}")
    if is_loopback(host):
        return match[0].rstrip("/")
    if scheme != "https":
        raise _invalid(named, "http is for this machine only; a key must not travel in the clear")
    if host not in KNOWN_HOSTS | {allowed.lower() for allowed in allowed_hosts}:
        problem = error(
            "host-not-allowed",
            f"{named}: the API key is not sent to {host}",
            hint=f"if this is right, add {host} to the environment variable {VARIABLE}",
        )
        raise Refused([problem])
    return match[0].rstrip("/")


def is_loopback(host: str) -> bool:
    """Tell whether a host is this machine, by its name alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _invalid(named: str, why: str) -> InvalidInput:
    hint = "for example https://api.portkey.ai/v1"
    return InvalidInput([error("bad-url", f"{named}: {why}", hint=hint)])

"""Which hosts may receive the API key (product.md §3.5).

A base URL stands in a file, and files are edited in pull requests; the list of further hosts comes
from the environment, which is not.
"""

from collections.abc import Collection
from ipaddress import ip_address
from urllib.parse import urlsplit

VENDOR_HOST = "api.portkey.ai"


def host_of(base_url: str) -> str:
    """Give the host of a URL in lower case; "" where there is none."""
    try:
        return (urlsplit(base_url).hostname or "").lower()
    except ValueError:
        return ""


def is_loopback(host: str) -> bool:
    """Tell whether a host name is this machine by definition, not by resolution."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def may_receive_key(base_url: str, *, allowed: Collection[str] = ()) -> bool:
    """Tell whether the API key may be sent there; `allowed` are exact host names."""
    host = host_of(base_url)
    if not host:
        return False
    return host == VENDOR_HOST or is_loopback(host) or host in {name.lower() for name in allowed}

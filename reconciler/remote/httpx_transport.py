"""Transport for clients that use httpx, with the trust and the proxy of the API's connections.

For the clients of code hosts and of the heartbeat. The client of the API does not use httpx:
`reconciler.remote.connection`.
"""

from pathlib import Path

import httpx

from reconciler.remote.connection import IDLE_SECONDS
from reconciler.remote.transport import checked_proxy, trusted


def httpx_transport(
    *, base_url: str, ca_file: Path | None, proxy: str | None
) -> httpx.AsyncBaseTransport:
    """Prepare TLS and proxy, and return a transport; raises `InvalidInput`."""
    via = checked_proxy(proxy)
    trust = trusted(secure=base_url.startswith("https:") or via is not None, ca_file=ca_file)
    return httpx.AsyncHTTPTransport(
        verify=trust,
        trust_env=False,
        limits=httpx.Limits(keepalive_expiry=IDLE_SECONDS),
        proxy=None if proxy is None else httpx.Proxy(proxy, ssl_context=trust),
    )

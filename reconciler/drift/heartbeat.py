"""Heartbeat: a request to a monitoring service after each completed check.

The service raises an alarm when requests stop. The URL contains a token, so messages show only its
host.
"""

from urllib.parse import urlsplit

import httpx

from reconciler.diagnostics import Diagnostic, error, warning
from reconciler.errors import InvalidInput

TIMEOUT_SECONDS = 10.0
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


def require_heartbeat(url: str) -> None:
    """Raise `InvalidInput` unless a token may be sent to the URL."""
    try:
        parts = urlsplit(url)
        is_safe = parts.scheme == "https" or (
            # An unencrypted token may only be sent to this machine.
            parts.scheme == "http" and parts.hostname in _LOOPBACK
        )
        is_valid = is_safe and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        is_valid = False
    if not is_valid:
        summary = "--heartbeat must be a URL with https:// and a host"
        raise InvalidInput([error("heartbeat", summary, hint="copy it from the service")])


async def send_heartbeat(url: str, transport: httpx.AsyncBaseTransport) -> Diagnostic | None:
    """Request a URL once, and return a warning unless it responds with success."""
    try:
        async with httpx.AsyncClient(
            # The transport configures the proxy and the CA; the environment must not add others.
            transport=transport,
            timeout=TIMEOUT_SECONDS,
            trust_env=False,
        ) as client:
            answer = await client.get(url, headers={"user-agent": "portkey-reconciler"})
        problem = "" if answer.is_success else f"the response has the status {answer.status_code}"
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as reason:
        # The text of the exception may quote the URL, and with it the token.
        problem = type(reason).__name__
    if not problem:
        return None
    summary = f"the heartbeat to {urlsplit(url).hostname} failed: {problem}"
    return warning("heartbeat-failed", summary, hint="check the URL of --heartbeat")

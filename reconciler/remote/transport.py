"""Connections to the API: their trust, their proxy, and the meaning of their failures.

The clients of code hosts and of the heartbeat use httpx, with the same trust and proxy; the client
of the API does not (`reconciler.remote.connection`).
"""

import socket
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.diagnostics import error
from reconciler.errors import InvalidInput
from reconciler.remote.connection import IDLE_SECONDS, Connection, Proxy, origin_of, proxy_at
from reconciler.remote.errors import (
    ConnectError,
    ConnectTimeout,
    InvalidCall,
    NoAnswer,
    NotSent,
    ProxyError,
    RemoteError,
    TooLargeError,
    UndecodableError,
    UnsendableError,
)
from reconciler.remote.exchange import Transport

if TYPE_CHECKING:
    import httpx

_UNDER_WAY = (ssl.SSLWantReadError, ssl.SSLWantWriteError, ssl.SSLEOFError)
"""Messages of an aborted handshake, which proves nothing about trust."""

_UNREACHABLE_HINT = "check the network, the target's base_url and RECONCILE_PROXY"


def connection_maker(
    *,
    base_url: str,
    ca_file: Path | None,
    proxy: str | None,
    monotonic: Callable[[], float],
) -> Callable[[], Transport]:
    """Prepare TLS and proxy once, and return a factory of transports with one connection."""
    origin, via = origin_of(base_url), checked_proxy(proxy)
    # A proxy can be reached over TLS even if the API is not.
    trust = trusted(secure=origin.scheme == "https" or via is not None, ca_file=ca_file)
    return lambda: Connection(origin, trust, via, monotonic=monotonic)


def httpx_transport(
    *, base_url: str, ca_file: Path | None, proxy: str | None
) -> "httpx.AsyncBaseTransport":
    """Prepare TLS and proxy, and return a transport for clients that use httpx."""
    import httpx

    via = checked_proxy(proxy)
    trust = trusted(secure=base_url.startswith("https:") or via is not None, ca_file=ca_file)
    return httpx.AsyncHTTPTransport(
        verify=trust,
        trust_env=False,
        limits=httpx.Limits(keepalive_expiry=IDLE_SECONDS),
        proxy=None if proxy is None else httpx.Proxy(proxy, ssl_context=trust),
    )


def remote_error(failure: Exception, *, what: str, base_url: str) -> RemoteError:
    """Return our error for a request that failed; `what` is its method and path."""
    match failure:
        case ConnectError():
            return _not_connected(failure, what=what, base_url=base_url)
        case ProxyError():
            return NotSent(
                f"{what}: the proxy refused the connection",
                code="proxy-failed",
                hint=_UNREACHABLE_HINT,
            )
        case UnsendableError():
            summary = f"{what} cannot be written as a request"
            return InvalidCall(summary, code="bad-call", attempts=0)
        case TimeoutError():
            return NoAnswer(
                f"{what}: no complete response in time",
                code="timeout",
                hint="run again later: the API is slow or does not respond",
            )
        case TooLargeError():
            return NoAnswer(
                f"{what}: the response is larger than {failure.limit // 2**20} MiB",
                code="too-large",
                hint=f"check {base_url}: the Admin API does not send such a response",
            )
        case UndecodableError():
            return NoAnswer(
                f"{what}: the response is compressed in a way that cannot be read",
                code="bad-encoding",
                hint=f"check the proxies between this machine and {base_url}",
            )
    return NoAnswer(
        f"{what}: the connection was closed before the response was complete",
        code="connection-lost",
        hint="run the command again: it reads the current state first",
    )


def _not_connected(failure: ConnectError, *, what: str, base_url: str) -> NotSent:
    if not isinstance(failure, ConnectTimeout):
        for cause in _causes(failure):
            if isinstance(cause, ssl.SSLCertVerificationError):
                return NotSent(
                    f"{what}: {base_url} has a certificate that could not be verified: "
                    f"{cause.verify_message}",
                    code="tls-failed",
                    hint="for a private certificate authority, set RECONCILE_CA_FILE",
                )
            if isinstance(cause, ssl.SSLError) and not isinstance(cause, _UNDER_WAY):
                return NotSent(
                    f"{what}: no TLS connection to {base_url}: {cause.reason or 'TLS failed'}",
                    code="tls-failed",
                    hint="check the scheme and the port of the target's base_url, and any proxy",
                )
    reason = _reason(failure)
    return NotSent(
        f"{what}: {base_url} cannot be reached{': ' if reason else ''}{reason}",
        code="unreachable",
        hint=_UNREACHABLE_HINT,
    )


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an exception and its causes."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _reason(failure: ConnectError) -> str:
    """Return the reason why a connection failed, worded independently of the system."""
    if isinstance(failure, ConnectTimeout):
        return "no connection in time"
    for cause in _causes(failure):
        if isinstance(cause, socket.gaierror):
            return "the host name could not be resolved"
        if isinstance(cause, ConnectionRefusedError):
            return "the connection was refused"
    return ""


def trusted(*, secure: bool, ca_file: Path | None) -> ssl.SSLContext:
    """Return the certificate authorities that connections trust."""
    if not secure:
        # Loading certificates takes 20 ms, and an http URL never becomes https, because redirects
        # are not followed. A context without certificates trusts no server.
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # SSL_CERT_FILE of the environment must not add trusted certificates; only RECONCILE_CA_FILE
    # does.
    import certifi

    context = ssl.create_default_context(cafile=certifi.where())
    context.set_alpn_protocols(["http/1.1"])
    if ca_file is not None:
        try:
            context.load_verify_locations(cafile=ca_file)
        except (OSError, ssl.SSLError) as problem:
            raise InvalidInput(
                [
                    error(
                        "ca-file",
                        f"the CA file {ca_file} cannot be used: {problem.strerror or problem}",
                        hint="set RECONCILE_CA_FILE to a file of certificates in PEM format",
                    )
                ]
            ) from None
    return context


def checked_proxy(url: str | None) -> Proxy | None:
    """Return the proxy at a URL; raises `InvalidInput` without repeating the URL."""
    if url is None:
        return None
    try:
        return proxy_at(url)
    except ValueError:
        # The URL may contain a password, so it is not repeated.
        pass
    raise InvalidInput(
        [
            error(
                "bad-proxy",
                "the proxy's URL cannot be used",
                hint="set RECONCILE_PROXY to a URL of the form http://host:port",
            )
        ]
    )

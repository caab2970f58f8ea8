"""What it means when no answer came: exceptions of httpx and of reading, as our errors.

The messages are ours alone: an exception of httpx holds its request, and the request the key.
"""

import ssl

import httpx

from reconciler.remote.connection_pool import BODY_LIMIT, TooLargeError, UndecodableError
from reconciler.remote.errors import InvalidCall, NoAnswer, NotSent, RemoteError

READING_FAILURES = (TimeoutError, TooLargeError, UndecodableError, OSError)

_UNDER_WAY = (ssl.SSLWantReadError, ssl.SSLWantWriteError, ssl.SSLEOFError)
"""Signs of a handshake that was cut, which says nothing about trust."""

_UNREACHABLE_HINT = "Check the network, the target's base_url and RECONCILE_PROXY."


def from_httpx(error: Exception, *, what: str, base_url: str) -> RemoteError:
    """Turn an exception of httpx into ours; `what` is the method and path."""
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
        return _not_connected(error, what=what, base_url=base_url)
    if isinstance(error, httpx.ProxyError):
        return NotSent(
            f"{what}: the proxy did not let it through", code="proxy-failed", hint=_UNREACHABLE_HINT
        )
    if isinstance(error, httpx.TimeoutException):
        return _timed_out(what)
    if isinstance(error, httpx.LocalProtocolError | httpx.UnsupportedProtocol | httpx.InvalidURL):
        return InvalidCall(f"{what} cannot be written as a request", code="bad-call", attempts=0)
    return NoAnswer(
        f"{what}: the connection broke before the answer was complete",
        code="connection-lost",
        hint="Run again; a plan never relies on what a run before it did.",
    )


def from_reading(error: Exception, *, what: str, base_url: str) -> RemoteError:
    """Turn a failure of reading an answer into ours."""
    if isinstance(error, TimeoutError):
        return _timed_out(what)
    if isinstance(error, TooLargeError):
        return NoAnswer(
            f"{what}: the answer is larger than {BODY_LIMIT // 2**20} MiB",
            code="too-large",
            hint=f"That is not an answer of the Admin API; check {base_url}.",
        )
    if isinstance(error, UndecodableError):
        return NoAnswer(
            f"{what}: the answer is compressed in a way that cannot be read",
            code="bad-encoding",
            hint=f"Check what stands between here and {base_url}.",
        )
    return from_httpx(error, what=what, base_url=base_url)


def _timed_out(what: str) -> NoAnswer:
    return NoAnswer(
        f"{what}: no complete answer in time",
        code="timeout",
        hint="The API is slow or stuck; run again later.",
    )


def _not_connected(error: Exception, *, what: str, base_url: str) -> NotSent:
    tls = None if isinstance(error, httpx.ConnectTimeout) else _tls_problem(error)
    if tls is not None:
        return NotSent(
            f"{what}: {base_url} could not prove who it is: {tls}",
            code="tls-failed",
            hint="For a private certificate authority set RECONCILE_CA_FILE.",
        )
    return NotSent(
        f"{what}: {base_url} cannot be reached", code="unreachable", hint=_UNREACHABLE_HINT
    )


def _tls_problem(error: BaseException | None) -> str | None:
    """Find a failed handshake among the causes of an exception."""
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return error.verify_message
        if isinstance(error, ssl.SSLError) and not isinstance(error, _UNDER_WAY):
            return error.reason or "TLS failed"
        error = error.__cause__ or error.__context__
    return None

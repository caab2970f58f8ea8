"""Messages for calls without a response: one for each cause, without request data."""

import socket
import ssl

import pytest

from reconciler.remote.errors import (
    BrokenConnection,
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
from reconciler.remote.transport import remote_error

BASE = "https://gateway.example/v1"
WHAT = "PUT /integrations/a"
UNREACHABLE = "check the network, the target's base_url and RECONCILE_PROXY"
AGAIN = "run the command again: it reads the current state first"
SCHEME = "check the scheme and the port of the target's base_url, and any proxy"
TRUST = "for a private certificate authority, set RECONCILE_CA_FILE"


def distrusted() -> ssl.SSLCertVerificationError:
    problem = ssl.SSLCertVerificationError(1, "canary")
    problem.verify_message = "self-signed certificate"
    return problem


def caused_by(cause: Exception) -> ConnectError:
    """Return the exception of a failed connection whose cause is two levels down."""
    middle = OSError("canary")
    middle.__cause__ = cause
    failure = ConnectError("canary")
    failure.__context__ = middle
    return failure


def cut(kind: type[ssl.SSLError]) -> ssl.SSLError:
    problem = kind(1, "canary")
    problem.reason = "CANARY"
    return problem


def refused_by_tls(reason: str | None) -> ssl.SSLError:
    problem = ssl.SSLError(1, "canary")
    problem.reason = reason  # type: ignore[assignment]  # None is what a real one may hold
    return problem


@pytest.mark.parametrize(
    ("problem", "kind", "code", "says", "hint"),
    [
        (ConnectError("c"), NotSent, "unreachable", f"{BASE} cannot be reached", UNREACHABLE),
        (
            ConnectTimeout("c"),
            NotSent,
            "unreachable",
            f"{BASE} cannot be reached: no connection in time",
            UNREACHABLE,
        ),
        (
            caused_by(ConnectionRefusedError("canary")),
            NotSent,
            "unreachable",
            f"{BASE} cannot be reached: the connection was refused",
            UNREACHABLE,
        ),
        (
            caused_by(socket.gaierror("canary")),
            NotSent,
            "unreachable",
            f"{BASE} cannot be reached: the host name could not be resolved",
            UNREACHABLE,
        ),
        (
            caused_by(distrusted()),
            NotSent,
            "tls-failed",
            f"{BASE} has a certificate that could not be verified: self-signed certificate",
            TRUST,
        ),
        (
            caused_by(refused_by_tls("WRONG_VERSION_NUMBER")),
            NotSent,
            "tls-failed",
            f"no TLS connection to {BASE}: WRONG_VERSION_NUMBER",
            SCHEME,
        ),
        (
            caused_by(refused_by_tls(None)),
            NotSent,
            "tls-failed",
            f"no TLS connection to {BASE}: TLS failed",
            SCHEME,
        ),
        (
            caused_by(cut(ssl.SSLEOFError)),
            NotSent,
            "unreachable",
            f"{BASE} cannot be reached",
            UNREACHABLE,
        ),
        (
            ProxyError("c"),
            NotSent,
            "proxy-failed",
            "the proxy refused the connection",
            UNREACHABLE,
        ),
        (
            BrokenConnection("c"),
            NoAnswer,
            "connection-lost",
            "the connection was closed before the response was complete",
            AGAIN,
        ),
        (
            TimeoutError("c"),
            NoAnswer,
            "timeout",
            "no complete response in time",
            "run again later: the API is slow or does not respond",
        ),
        (
            TooLargeError(10 * 2**20),
            NoAnswer,
            "too-large",
            "the response is larger than 10 MiB",
            f"check {BASE}: the Admin API does not send such a response",
        ),
        (
            UndecodableError(),
            NoAnswer,
            "bad-encoding",
            "the response is compressed in a way that cannot be read",
            f"check the proxies between this machine and {BASE}",
        ),
        (
            OSError("c"),
            NoAnswer,
            "connection-lost",
            "the connection was closed before the response was complete",
            AGAIN,
        ),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_each_failure_has_its_kind_code_message_and_hint(
    problem: Exception, kind: type[RemoteError], code: str, says: str, hint: str
) -> None:
    error = remote_error(problem, what=WHAT, base_url=BASE)
    assert type(error) is kind
    assert (error.code, error.summary, error.hint) == (code, f"{WHAT}: {says}", hint)
    assert error.attempts == 1


def test_an_invalid_request_was_never_sent() -> None:
    error = remote_error(UnsendableError("c"), what=WHAT, base_url=BASE)
    assert type(error) is InvalidCall
    assert (error.code, error.attempts) == ("bad-call", 0)
    assert error.summary == f"{WHAT} cannot be written as a request"


def test_a_connection_timeout_is_not_reported_as_a_trust_error() -> None:
    late = ConnectTimeout("c")
    late.__cause__ = distrusted()
    assert remote_error(late, what=WHAT, base_url=BASE).code == "unreachable"

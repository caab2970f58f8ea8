"""Allowed values of the Host and Origin headers, compared exactly.

The check keeps web pages from reaching the adapter through a name that resolves to this machine
(DNS rebinding). It applies on every bind address.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from reconciler.adapter.auth import Headers
from reconciler.adapter.problems import refuse

# As in a Host header, where an IPv6 address has brackets.
LOOPBACK: Final = ("127.0.0.1", "localhost", "[::1]")


@dataclass(frozen=True, slots=True)
class AllowedHosts:
    """Allowed values of the two headers, in lower case."""

    hosts: frozenset[str]
    origins: frozenset[str]

    @classmethod
    def for_port(
        cls, port: int, *, hosts: Iterable[str] = (), origins: Iterable[str] = ()
    ) -> "AllowedHosts":
        """Return the loopback names with the listening port, and the given hosts and origins.

        A host without a port is allowed alone and with the listening port.
        """
        local = {f"{name}:{port}" for name in LOOPBACK}
        given = {name.lower() for name in hosts}
        with_port = {f"{name}:{port}" for name in given if not _has_port(name)}
        local_origins = {f"http://{host}" for host in local}
        # An origin has no path, but a copied address ends with a slash.
        given_origins = {origin.lower().rstrip("/") for origin in origins}
        return cls(
            hosts=frozenset(local | given | with_port),
            origins=frozenset(local_origins | given_origins),
        )

    def check(self, headers: Headers, *, target_host: str | None = None) -> None:
        """Raise the refusal of a host (421) or an origin (403) that is not allowed.

        `target_host` is the host of a request target in absolute form, which proxies and some
        clients send. It is checked in addition to the Host header.
        """
        hosts = _values(headers, b"host")
        # With two Host headers, a proxy in front may have checked the other one.
        if len(hosts) != 1 or hosts[0] not in self.hosts:
            raise refuse("wrong-host", 421, "The Host header names no host of this adapter.")
        if target_host is not None and target_host.lower() not in self.hosts:
            raise refuse("wrong-host", 421, "The request target names no host of this adapter.")
        origins = _values(headers, b"origin")
        # Browsers send an origin; other clients have none, and no page to be misused by.
        if origins and (len(origins) > 1 or origins[0] not in self.origins):
            raise refuse("wrong-origin", 403, "Requests from this origin are not allowed.")


def _has_port(host: str) -> bool:
    # The colons of an IPv6 address are inside its brackets.
    return ":" in host.rpartition("]")[2]


def _values(headers: Headers, header: bytes) -> list[str]:
    # ASGI passes bytes in any encoding, and latin-1 decodes every byte.
    return [value.decode("latin-1").lower() for name, value in headers if name == header]

"""Rules for the URL of a host, based only on its text.

The API checks a `custom_host` before it stores it, so that a gateway cannot be made to call its own
network: Portkey-AI/docs-core: product/ai-gateway/custom-hosts.mdx. A URL that no deployment can
allow is an error here. A URL that a self-hosted deployment can be configured to allow, and plain
http, is a warning, because the files do not show which deployment they are for.
"""

import ipaddress
import re
from ipaddress import IPv4Address, IPv6Address
from typing import TypeAlias
from urllib.parse import SplitResult, urlsplit

from reconciler.diagnostics import Severity
from reconciler.frozen_dataclass import dataclass

Address: TypeAlias = IPv4Address | IPv6Address

LONGEST_URL = 2_048
# SSH, SMTP, SMB, MySQL, PostgreSQL, Redis, Kubernetes, Elasticsearch and MongoDB.
_SERVICE_PORTS = frozenset({22, 25, 445, 3306, 5432, 6379, 6443, 9200, 27017})
# Metadata services: the common range, then those of ECS, EKS, Alibaba, Azure and Oracle, and that
# of AWS over IPv6.
_NEVER_ADDRESSES = tuple(
    ipaddress.ip_network(text)
    for text in (
        "169.254.169.0/24",
        "169.254.170.2/32",
        "169.254.170.23/32",
        "100.100.100.200/32",
        "168.63.129.16/32",
        "192.0.0.192/32",
        "fd00:ec2::/96",
    )
)
# Private, shared, link-local, multicast, reserved and documentation ranges.
_INNER_ADDRESSES = tuple(
    ipaddress.ip_network(text)
    for text in (
        *("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "127.0.0.0/8", "169.254.0.0/16"),
        *("100.64.0.0/10", "0.0.0.0/8", "224.0.0.0/4", "240.0.0.0/4", "198.18.0.0/15"),
        *("192.0.0.0/24", "192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "192.88.99.0/24"),
        *("::1/128", "::/128", "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8", "2001::/32"),
        "100:0:0:1::/64",
    )
)
# Address translators read the last 32 bits of such an address as an IPv4 address (RFC 6052).
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_NEVER_NAMES = frozenset({"metadata", "instance-data", "kubernetes"})
_NEVER_DOMAINS = (
    *("metadata.google.internal", "metadata.gce.internal", "metadata.goog", "metadata.azure.com"),
    *("internal.cloudapp.net", "metadata.internal", "metadata.do.internal", "metadata.packet.net"),
    *("instance-data.ec2.internal", "ec2.internal", "compute.internal", "metadata.cloud.ibm.com"),
    *("kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"),
    "consul",
)
# Public zones that resolve to the address in the name, as in 10.0.0.1.nip.io, or to loopback.
_REBINDING_DOMAINS = (
    *("nip.io", "sslip.io", "xip.io", "localtest.me", "lvh.me", "vcap.me", "traefik.me"),
    "localhost.run",
)
_INNER_ENDINGS = frozenset(
    {
        *("local", "localdomain", "internal", "intranet", "lan", "home", "corp", "test"),
        *("invalid", "onion", "localhost", "svc"),
    }
)
# Many resolvers interpret `0x7f.1` and `2130706433` as 127.0.0.1.
_NUMBER = re.compile(r"0x[0-9a-f]*|[0-9]+", re.IGNORECASE)
_IN_A_URL = re.compile(r"[\x21-\x7e]+")
_HOST_NAME = re.compile(
    r"[a-z0-9_%-]+(\.[a-z0-9_%-]+)*\.?|[0-9a-f]*:[0-9a-f:.]*(%.+)?", re.IGNORECASE
)
"""A name or an IPv6 address; encoded names have a separate rule."""


@dataclass(frozen=True, slots=True)
class Objection:
    """A problem of a URL; the summary follows the name of its field."""

    severity: Severity
    code: str
    summary: str
    hint: str


def malformed(url: str) -> Objection | None:
    """Return why a text is not the URL of a host; None if it is one."""
    try:
        parts = urlsplit(url)
        # Parsed on access; raises ValueError for a port above 65535.
        port = parts.port
    except ValueError:
        return _not_a_url("is not a valid URL")
    if _IN_A_URL.fullmatch(url) is None or "\\" in url:
        return _not_a_url("contains a character that is not allowed in a URL")
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        return _not_a_url("must be an absolute URL")
    if "@" in parts.netloc:
        return _not_a_url("contains a user name or password, which the API refuses")
    # In the text, because an empty fragment leaves no trace in `parts`.
    if "#" in url:
        return _not_a_url("has a fragment, which the API refuses")
    if _HOST_NAME.fullmatch(parts.hostname) is None:
        return _not_a_url("contains a host name with an invalid character or dot")
    if len(url) > LONGEST_URL:
        return _not_a_url(f"is longer than {LONGEST_URL:,} characters")
    if port == 0 or port in _SERVICE_PORTS:
        return _not_a_url(f"uses port {port}, which the API refuses")
    return None


def encoded(url: str) -> Objection | None:
    """Return the problem of a URL whose host is percent-encoded, which can disguise it."""
    if "%" in (urlsplit(url).hostname or ""):
        return _not_a_url("contains a host name in an encoded form")
    return None


def private(url: str) -> Objection | None:
    """Return the problem of a URL whose host is in a network that the API blocks."""
    parts = urlsplit(url)
    # A trailing dot makes a name absolute; it is the same host.
    name = (parts.hostname or "").rstrip(".")
    return _of_address(name) or _of_name(name) or _unencrypted(parts)


def _not_a_url(summary: str) -> Objection:
    return Objection(
        Severity.ERROR,
        "invalid-value",
        summary,
        "write a URL such as `https://models.example.com/v1`",
    )


def _refused(what: str) -> Objection:
    summary = f"names {what}, which the API always refuses"
    hint = "use a public host name and https"
    return Objection(Severity.ERROR, "custom-host-private", summary, hint)


def _closed(what: str) -> Objection:
    summary = f"names {what}, which the API refuses unless a self-hosted deployment trusts it"
    hint = "use a public host name, or add the host to the trusted hosts of your deployment"
    return Objection(Severity.WARNING, "custom-host-private", summary, hint)


def _unencrypted(parts: SplitResult) -> Objection | None:
    if parts.scheme != "http":
        return None
    summary = "uses plain http: the credential would be sent unencrypted"
    return Objection(Severity.WARNING, "custom-host-private", summary, "use an https URL")


def _of_address(name: str) -> Objection | None:
    try:
        address: Address = ipaddress.ip_address(name)
    except ValueError:
        return _of_disguised_address(name)
    # First, because the private ranges below contain some of these addresses.
    if _is_in(address, _NEVER_ADDRESSES):
        return _refused("a metadata service")
    inner = _embedded(address)
    if inner is not None and _is_in(inner, (*_NEVER_ADDRESSES, *_INNER_ADDRESSES)):
        return _refused("a private IPv4 address inside an IPv6 address")
    if _is_in(address, _INNER_ADDRESSES):
        return _closed("a private or reserved address")
    return None


def _of_disguised_address(name: str) -> Objection | None:
    """Return the problem of a name that resolvers interpret as an address."""
    labels = name.split(".")
    if labels and all(_NUMBER.fullmatch(label) for label in labels):
        return _refused("an IP address in decimal, octal, hexadecimal or short form")
    return None


def _embedded(address: Address) -> IPv4Address | None:
    """Return the IPv4 address inside an IPv6 address."""
    if isinstance(address, IPv4Address):
        return None
    if address.ipv4_mapped is not None or address.sixtofour is not None:
        return address.ipv4_mapped or address.sixtofour
    last = int(address) & 0xFFFF_FFFF
    is_compatible = (
        int(address) >> 32 == 0 and last > 1
    )  # `::` and `::1` are addresses of their own
    return IPv4Address(last) if is_compatible or address in _NAT64 else None


def _is_in(
    address: Address, networks: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]
) -> bool:
    return any(address in network for network in networks if network.version == address.version)


def _of_name(name: str) -> Objection | None:
    labels = name.split(".")
    # `xn--` marks Punycode, which can imitate another host name.
    if "%" in name or any(label.startswith("xn--") for label in labels):
        return _refused("a host in an encoded form")
    if name in _NEVER_NAMES or _is_below(name, _NEVER_DOMAINS):
        return _refused("a metadata service or an internal service")
    if _is_below(name, _REBINDING_DOMAINS):
        return _refused("a domain whose names resolve to any address")
    # An IPv6 address has no dots and would count as a single label.
    if ":" not in name and (len(labels) == 1 or labels[-1] in _INNER_ENDINGS):
        return _closed("an internal host")
    return None


def _is_below(name: str, domains: tuple[str, ...]) -> bool:
    # For most names, one call is sufficient; the domains are compared only after a match.
    return name.endswith(domains) and any(f".{name}".endswith(f".{d}") for d in domains)

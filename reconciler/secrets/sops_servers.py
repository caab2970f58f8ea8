"""Servers that sops contacts for an encrypted file, according to the file's metadata.

A pull request can edit the file and every name in it. A file with ambiguous content is refused,
because sops parses the same bytes with another parser. `reconciler.secrets.sops` runs sops.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import NoReturn

from reconciler.desired.yaml_reader import read_yaml
from reconciler.frozen_dataclass import dataclass

_UNKNOWN_FORM = "its metadata has an unknown form"
_LOCAL = frozenset({"age", "pgp"})
_FLAT = frozenset({"dotenv", "ini"})
_PLAIN = re.compile(r"[a-z0-9_]+")
_LIST = re.compile(r"__list_\d")  # notation of flattened lists; no encrypted text contains `_`
_NAME_BEFORE = re.compile(r"\w*\Z", re.ASCII)
_LONGEST_NAME = 64

# No user name, query or fragment: parsers disagree about the host of such an address, and sops has
# another parser.
_ADDRESS = re.compile(
    r"(?P<scheme>https?)://(?P<host>[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?)(?::\d{1,5})?/?"
)
_LOOPBACK = re.compile(r"localhost|127\.0\.0\.1")
_PATH = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*(?:/[A-Za-z0-9_-][A-Za-z0-9_.-]*)*")
_ARN = re.compile(
    r"arn:(?P<partition>aws|aws-cn|aws-us-gov):kms:(?P<region>[a-z]{2}(?:-[a-z]+)+-\d{1,2})"
    r":\d{12}:(?:key|alias)/[A-Za-z0-9/_-]+"
)
_GCP_KEY = re.compile(
    r"projects/[\w.:-]+/locations/[\w-]+/keyRings/[\w-]+/cryptoKeys/[\w-]+"
    r"(?:/cryptoKeyVersions/\d+)?",
    re.ASCII,
)


class UnknownServers(Exception):
    """The servers of a file cannot be determined; the message is the reason."""


@dataclass(frozen=True, slots=True, order=True)
class Server:
    """Server that has a key of the file; `kind` is the kind of the key in sops."""

    host: str
    kind: str


def servers_in(content: bytes, kind: str) -> frozenset[Server]:
    """Return the servers that sops would contact; `kind` is sops' input type.

    Raises `UnknownServers`.
    """
    if kind in _FLAT:
        return _in_flat(content)
    document = _yaml(content) if kind == "yaml" else _json(content)
    named = [name for name in document if name.casefold() == "sops"]
    if not named:
        return frozenset()  # sops itself reports that the file is not encrypted
    if named != ["sops"]:
        raise UnknownServers(_UNKNOWN_FORM)
    return frozenset(_servers(document["sops"], nested=False))


def _in_flat(content: bytes) -> frozenset[Server]:
    """Check a file with flattened metadata, from which only local keys can be read."""
    # Any bytes can be decoded this way, and only ASCII names are relevant.
    text = content.decode("latin-1")
    for found in _LIST.finditer(text.lower()):
        # Only a limited part of the text, so that one long line does not take quadratic time.
        before = _NAME_BEFORE.search(text[max(0, found.start() - _LONGEST_NAME) : found.start()])
        if before is None or before[0].lower().removeprefix("sops_") not in _LOCAL:
            raise UnknownServers("in this format only keys of age and PGP are read")
    return frozenset()


def _yaml(content: bytes) -> Mapping[str, object]:
    reading = read_yaml(content)
    if reading.faults or len(reading.documents) != 1:
        raise UnknownServers("it is not one plain document of YAML")
    value = reading.documents[0].value
    return value if isinstance(value, dict) else {}


def _json(content: bytes) -> Mapping[str, object]:
    try:
        value = json.loads(
            content.decode(), object_pairs_hook=_without_repeats, parse_constant=_refuse_constant
        )
        return value if isinstance(value, dict) else {}
    except (ValueError, RecursionError):
        pass
    # Raised outside of `except`, because the context would contain an exception with the whole
    # text.
    raise UnknownServers("it is not one plain document of JSON")


def _without_repeats(pairs: list[tuple[str, object]]) -> dict[str, object]:
    document = dict(pairs)
    # Parsers differ in which of two values they keep, and sops must not contact a server other than
    # the checked one.
    if len(document) != len(pairs):
        raise ValueError("repeated name")
    return document


def _refuse_constant(name: str) -> NoReturn:
    # `NaN` and `Infinity` are not JSON, and Go's parser refuses them.
    raise ValueError(name)


def _servers(metadata: object, *, nested: bool) -> Iterator[Server]:
    """Yield the servers in the lists of keys; other metadata does not name servers."""
    for kind, entries in _named(metadata).items():
        # Other metadata, such as `mac` and `version`, are plain values; sops writes null for a kind
        # without keys.
        if not entries or not isinstance(entries, list | dict):
            continue
        if not isinstance(entries, list):
            raise UnknownServers(_UNKNOWN_FORM)
        if kind == "key_groups" and not nested:
            for group in entries:
                yield from _servers(group, nested=True)
        elif kind not in _LOCAL:
            yield from _of_kind(kind, [_named(entry) for entry in entries])


def _of_kind(kind: str, entries: Iterable[Mapping[str, object]]) -> Iterator[Server]:
    host_of = _HOST_BY_KIND.get(kind)
    if host_of is None:
        raise UnknownServers("it is encrypted with a kind of key that is not supported")
    for entry in entries:
        yield Server(host_of(entry), kind)


def _vault(entry: Mapping[str, object]) -> str:
    _match(_PATH, entry, "engine_path")
    _match(_PATH, entry, "key_name")
    return _host(entry, "vault_address")


def _azure(entry: Mapping[str, object]) -> str:
    _match(_PATH, entry, "name")
    if entry.get("version"):
        _match(_PATH, entry, "version")
    return _host(entry, "vault_url")


def _aws(entry: Mapping[str, object]) -> str:
    if entry.get("role") or entry.get("aws_profile"):
        raise UnknownServers("it names an AWS role or profile, which only the environment may")
    arn = _match(_ARN, entry, "arn")
    suffix = "amazonaws.com.cn" if arn["partition"] == "aws-cn" else "amazonaws.com"
    return f"kms.{arn['region']}.{suffix}"


def _gcp(entry: Mapping[str, object]) -> str:
    _match(_GCP_KEY, entry, "resource_id")
    return "cloudkms.googleapis.com"


_HOST_BY_KIND = {"hc_vault": _vault, "azure_kv": _azure, "kms": _aws, "gcp_kms": _gcp}


def _host(entry: Mapping[str, object], name: str) -> str:
    address = _match(_ADDRESS, entry, name)
    host = address["host"].lower()
    if address["scheme"] == "http" and not _LOOPBACK.fullmatch(host):
        raise UnknownServers(f"its {name} is not an https address")
    return host


def _match(pattern: re.Pattern[str], entry: Mapping[str, object], name: str) -> re.Match[str]:
    value = entry.get(name)
    found = pattern.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise UnknownServers(f"its {name} has an unknown form")
    return found


def _named(value: object) -> Mapping[str, object]:
    """Return a mapping of the metadata, whose names must all be lower-case.

    Go ignores the case of names in JSON, so two spellings could mean the same field.
    """
    if not isinstance(value, dict) or not all(_PLAIN.fullmatch(name) for name in value):
        raise UnknownServers(_UNKNOWN_FORM)
    return value

"""Parser of a page of the audit log, which drops request bodies before they can be stored.

`request_body` contains the secrets of a write in clear text, and the query and headers can also
contain secrets (remote/API.md §12). Therefore, only members of a fixed list are kept while the JSON
is parsed: no reply, record, error or log can contain any other. Only one fact of the headers is
kept: whether a browser sent the request. Meaning of the records: `reconciler.remote.audit_log`.
"""

import json
from typing import Any

_KEPT = frozenset(
    {
        "total",
        "success",
        "timestamp",
        "method",
        "uri",
        "request_id",
        "user_id",
        "user_type",
        "response_status_code",
        "resource_type",
    }
)
_RECORDS = "records"
_HEADERS = "request_headers"
_USER_AGENT = "user-agent"

CLIENT = "client"
"""Member that replaces the headers: `BROWSER`, `PROGRAM`, or absent."""

BROWSER, PROGRAM = "browser", "program"

_LONGEST_INTEGER = 18
"""Maximum number of digits of a number in a record."""


def read_page(body: bytes) -> object:
    """Parse a page without what may be secret; raises ValueError or RecursionError.

    A number that is not a short integer becomes None, because no record needs one.
    """
    return _DECODER.decode(body.decode("utf-8-sig"))


def _without_secrets(members: list[tuple[str, Any]]) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for name, value in members:
        if name == _RECORDS:
            # Only an object is a record, whose members have been checked.
            is_list = isinstance(value, list)
            kept[name] = [r if isinstance(r, dict) else None for r in value] if is_list else None
        elif name in _KEPT and not isinstance(value, dict | list):
            # The query of an address can contain anything.
            is_address = name == "uri" and isinstance(value, str)
            kept[name] = value.partition("?")[0] if is_address else value
        elif name == _HEADERS and isinstance(value, str):
            client = _client(value)
            if client is not None:
                kept[CLIENT] = client
    return kept


def _client(headers: str) -> str | None:
    """Return what kind of client sent these headers, None if they do not show it."""
    try:
        members = json.loads(headers)
    except (ValueError, RecursionError):
        return None
    if not isinstance(members, dict):
        return None
    agents = [value for name, value in members.items() if name.lower() == _USER_AGENT]
    # Headers are partly masked, so an asterisk can represent any text.
    if len(agents) != 1 or not isinstance(agents[0], str) or not agents[0] or "*" in agents[0]:
        return None
    # For historical reasons, the name of every browser begins like this.
    return BROWSER if agents[0].startswith("Mozilla/") else PROGRAM


def _integer(digits: str) -> int | None:
    return int(digits) if len(digits) <= _LONGEST_INTEGER else None


_DECODER = json.JSONDecoder(
    object_pairs_hook=_without_secrets,
    parse_int=_integer,
    parse_float=lambda _digits: None,
    parse_constant=lambda _name: None,
)

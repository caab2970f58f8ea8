"""Request targets in the forms in which clients send them, reduced to a path.

A client behind a proxy sends the absolute form (RFC 9112, section 3.2.2); a client that looks for
OAuth metadata asks well-known paths before it has a token.
"""

import re
from typing import Final
from urllib.parse import unquote

from reconciler.adapter.request_context import Scope

_ABSOLUTE: Final = re.compile(rb"https?://([^/]*)(/.*)?", re.IGNORECASE | re.DOTALL)
_OAUTH_METADATA: Final = re.compile(
    r"(/.*)?/\.well-known/(oauth-[^/]*|openid-configuration)(/.*)?", re.DOTALL
)


def take_host(scope: Scope) -> str | None:
    """Return the host of a target in absolute form and leave its path in the scope.

    Returns None for a target that is a path already, or that has neither form.
    """
    found = _ABSOLUTE.fullmatch(scope.get("raw_path") or b"")
    if found is None:
        return None
    raw_path = found[2] or b"/"
    scope["raw_path"] = raw_path
    scope["path"] = unquote(raw_path.decode("ascii"))
    return found[1].decode("ascii")


def is_oauth_metadata(path: str) -> bool:
    """Return whether a client looks here for an authorization server, of which there is none."""
    return _OAUTH_METADATA.fullmatch(path) is not None

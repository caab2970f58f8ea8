"""From a call's body to the bytes of a request; the only place where secret values are revealed.

A body that still holds a reference or a mask is refused: sending either would store it as the
credential. No message here ever contains a value.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from reconciler.domain.fields import SECRET_NAME, is_sensitive
from reconciler.domain.secrets import Mask, Redacted, SecretRef
from reconciler.domain.tree import Path, Tree, Value
from reconciler.remote.errors import InvalidCall

OBJECT_SECRET = "vertex_service_account_json"  # noqa: S105  the name of a field, not a secret
"""The one secret that the API takes as an object; its value comes as JSON text."""


def encode_body(tree: Tree) -> bytes:
    """Write a body as canonical JSON in ASCII, or raise `InvalidCall` (`bad-body`)."""
    encoder = json.dumps
    try:
        return encoder(
            _revealed(tree, ()), sort_keys=True, separators=(",", ":"), allow_nan=False
        ).encode("ascii")
    except (TypeError, ValueError, RecursionError):
        # The library's message may quote the value that it could not write.
        pass
    raise _refused("holds something that JSON cannot express")


def sent_secrets(tree: Value, path: Path = (), *, inside: bool = False) -> Iterator[str]:
    """Give every secret text in a body, so that it can be taken out of what comes back.

    `inside` a secret that is an object, every text is one.
    """
    inside = inside or (bool(path) and is_sensitive(path))
    if isinstance(tree, Redacted):
        yield tree.reveal()
    elif isinstance(tree, str):
        if inside:
            yield tree
    elif isinstance(tree, Mapping):
        for key, value in tree.items():
            yield from sent_secrets(value, (*path, key), inside=inside)
    elif isinstance(tree, list | tuple):
        for item in tree:
            # An entry counts as a step, as its slug does in the trees that `is_sensitive` knows.
            yield from sent_secrets(item, (*path, ""), inside=inside)


def sent_parts(body: Tree) -> Iterator[str]:
    """Return every secret text of a body with its parts."""
    for text in sent_secrets(body):
        yield from secret_parts(text)


def parts_of(secrets: Iterable[Redacted]) -> Iterator[str]:
    """Return the texts of secrets that no call may send, with their parts."""
    for secret in secrets:
        yield from secret_parts(secret.reveal())


def secret_parts(secret: str) -> Iterator[str]:
    """Return a secret and, of one that is a JSON object, the parts that may come back alone."""
    yield secret
    if not secret.lstrip().startswith("{"):
        return
    try:
        document = json.loads(secret)
    except (ValueError, RecursionError):
        return
    if isinstance(document, dict):
        for name, part in document.items():
            if isinstance(part, str) and SECRET_NAME.search(name):
                yield part


def _revealed(value: Value, path: Path) -> Any:
    match value:
        case Redacted():
            text = value.reveal()
            return _as_object(text) if path[-1:] == (OBJECT_SECRET,) else text
        case SecretRef() | Mask():
            raise _refused(f"holds a {type(value).__name__} at {'.'.join(path)}")
        case Mapping():
            return {key: _revealed(item, (*path, key)) for key, item in value.items()}
        case list() | tuple():
            return [_revealed(item, path) for item in value]
        case _:
            return value


def _as_object(text: str) -> dict[str, Any]:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        # The library's message and its `doc` attribute hold the secret itself.
        document = None
    if isinstance(document, dict):
        return document
    raise _refused(f"needs a JSON object in the secret for {OBJECT_SECRET}")


def _refused(why: str) -> InvalidCall:
    return InvalidCall(f"the request body {why}", code="bad-body", attempts=0)

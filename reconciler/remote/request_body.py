"""Encoder of a call's body to the bytes of a request; the only place that reveals secret values.

A body that still holds a reference or a mask is refused: sending either would store it as the
credential. No message here ever contains a value.
"""

import json
from collections.abc import Iterable, Iterator, Mapping

from reconciler.domain.facts import SECRET_NAME
from reconciler.domain.schema import FieldSchema, any_provider_schema
from reconciler.domain.secrets import Mask, Opaque, Placeholder, Redacted, SecretRef
from reconciler.domain.tree import Path, Tree, Value
from reconciler.remote.errors import InvalidCall

OBJECT_SECRETS = frozenset(
    field.name for _, field in any_provider_schema().walk() if field.facts.secret_object
)
"""Secrets that the API takes as an object; their values come as JSON text."""


SHORTEST_UNKNOWN = 4
"""Characters of the shortest text of an unknown field that is looked for in messages."""


def encode_body(tree: Tree) -> bytes:
    """Return a body as canonical JSON in ASCII, or raise `InvalidCall` (`bad-body`)."""
    try:
        # Without `allow_nan=False` Python would write NaN, which is not JSON.
        text = json.dumps(
            _revealed(tree, ()), sort_keys=True, separators=(",", ":"), allow_nan=False
        )
        return text.encode("ascii")
    except (TypeError, ValueError, RecursionError):
        # The library's message may quote the value that it could not write.
        pass
    raise _refused("contains a value that JSON cannot express")


def sent_secrets(tree: Value, field: FieldSchema | None = None) -> Iterator[str]:
    """Walk every secret text in a body, so that it can be removed from answers.

    Of a secret that is an object, and of a field that no model describes, every text is one.
    """
    field = field or any_provider_schema()
    match tree:
        case Opaque():
            yield from _texts(tree.as_value())
        case Redacted():
            yield tree.reveal()
        case str():
            if field.facts.sensitive and (field.is_known or len(tree) >= SHORTEST_UNKNOWN):
                yield tree
        case Mapping():
            for key, value in tree.items():
                yield from sent_secrets(value, _inside(field, key))
        case list() | tuple():
            for item in tree:
                yield from sent_secrets(item, field.entries or field)


def _inside(field: FieldSchema, name: str) -> FieldSchema:
    """Return the schema of a member; the members of a secret are secret as well."""
    is_secret_object = field.facts.sensitive and field.is_known
    return field if is_secret_object else field.child(name)


def _texts(value: object) -> Iterator[str]:
    match value:
        case str() if len(value) >= SHORTEST_UNKNOWN:
            yield value
        case dict():
            for item in value.values():
                yield from _texts(item)
        case list():
            for item in value:
                yield from _texts(item)


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


def _revealed(value: Value, path: Path) -> object:
    match value:
        case Opaque():
            return value.as_value()
        case Placeholder() if OBJECT_SECRETS.intersection(path[-1:]):
            return {"placeholder": value.reveal()}
        case Redacted():
            text = value.reveal()
            return _as_object(text, path[-1]) if OBJECT_SECRETS.intersection(path[-1:]) else text
        case SecretRef() | Mask():
            raise _refused(f"holds a {type(value).__name__} at {'.'.join(path)}")
        case Mapping():
            return {key: _revealed(item, (*path, key)) for key, item in value.items()}
        case list() | tuple():
            return [_revealed(item, path) for item in value]
        case _:
            return value


def _as_object(text: str, name: str) -> dict[str, object]:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        # The library's message and its `doc` attribute hold the secret itself.
        document = None
    if isinstance(document, dict):
        return document
    raise _refused(f"needs a JSON object in the secret for {name}")


def _refused(why: str) -> InvalidCall:
    return InvalidCall(f"the request body {why}", code="bad-body", attempts=0)

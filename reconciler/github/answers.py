"""Fields of GitHub's responses, checked on use.

A field that is only compared can be missing; a field that a request or a report needs must exist,
so `required_…` raise `UnexpectedResponse` without it.
"""

from reconciler.github.client import JsonObject, UnexpectedResponse


def text_at(item: object, *path: str) -> str | None:
    """Return the string at a path of keys, None if there is none."""
    value = _value_at(item, path)
    return value if isinstance(value, str) else None


def number_at(item: object, *path: str) -> int | None:
    """Return the integer at a path of keys, None if there is none."""
    value = _value_at(item, path)
    return value if isinstance(value, int) else None


def required_text(item: JsonObject, *path: str) -> str:
    """Return the string at a path of keys."""
    value = text_at(item, *path)
    if value is None:
        raise _missing(path)
    return value


def required_number(item: JsonObject, *path: str) -> int:
    """Return the integer at a path of keys."""
    value = number_at(item, *path)
    if value is None:
        raise _missing(path)
    return value


def _value_at(item: object, path: tuple[str, ...]) -> object:
    for key in path:
        if not isinstance(item, dict):
            return None
        item = item.get(key)
    return item


def _missing(path: tuple[str, ...]) -> UnexpectedResponse:
    return UnexpectedResponse("an answer", f"it has no valid `{'.'.join(path)}`")

"""Forms of identifiers: slugs, which users choose, and UUIDs, which the API assigns."""

import re

SLUG = re.compile(r"[A-Za-z0-9_-]{1,255}")
"""The one form of a slug that may come near a URL; always used with `fullmatch`."""

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)


def is_uuid(value: object) -> bool:
    """Return whether a value is an id in the form of a UUID; workspaces and providers have two."""
    return isinstance(value, str) and UUID.fullmatch(value) is not None


def differ_in_form(one: object, other: object) -> bool:
    """Return whether one of two ids is a UUID and the other is not; they may name one object."""
    return is_uuid(one) != is_uuid(other)

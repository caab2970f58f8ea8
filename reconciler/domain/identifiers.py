"""Forms of identifiers: slugs, which users choose, and UUIDs, which the API assigns."""

import re
from collections.abc import Iterable

SLUG = re.compile(r"[A-Za-z0-9_-]{1,255}")
"""Pattern of slugs that can be part of a URL; always used with `fullmatch`."""

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)


def as_operands(slugs: Iterable[str]) -> tuple[str, ...]:
    """Return slugs for a command line, after `--` if one of them could be read as an option."""
    operands = tuple(slugs)
    return ("--", *operands) if any(slug.startswith("-") for slug in operands) else operands


def is_uuid(value: object) -> bool:
    """Return whether a value is a UUID; ids of workspaces and providers have two forms."""
    return isinstance(value, str) and UUID.fullmatch(value) is not None


def differ_in_form(one: object, other: object) -> bool:
    """Return whether only one of two ids is a UUID; they may name the same object."""
    return is_uuid(one) != is_uuid(other)

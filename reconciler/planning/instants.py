"""Times as instants: their notation does not matter, and a reset that has passed moves on.

The API reports a time in its own form, and moves the time of the next reset forward when a reset
happens. A declared time that has passed is therefore met by any later one.
"""

from collections.abc import Iterator
from datetime import UTC, datetime

from reconciler.domain.instants import parse_instant
from reconciler.domain.integration import Integration
from reconciler.domain.schema import FieldKind, FieldSchema, compiled
from reconciler.domain.tree import Path, Tree, Value, is_mapping

ANY_KEY = "*"
END_OF_TIME = datetime.max.replace(tzinfo=UTC)


def normalized(text: str) -> str:
    """Return a time in UTC in the API's own form; any other text stays as it is."""
    moment = parse_instant(text)
    if moment is None:
        return text
    # The API writes milliseconds (remote/API.md §1.1); finer digits stay, so that they still
    # differ.
    precision = "microseconds" if moment.microsecond % 1000 else "milliseconds"
    return moment.isoformat(timespec=precision).replace("+00:00", "Z")


def moved_on(desired: Tree, observed: Tree, *, now: datetime) -> dict[str, Value]:
    """Return `desired` with the API's time in place of each declared one that passed by `now`."""
    result = dict(desired)
    for path in _INSTANTS:
        if path[0] in desired and path[0] in observed:
            result[path[0]] = _moved(desired[path[0]], observed[path[0]], path[1:], now)
    return result


def _moved(desired: Value, observed: Value, path: Path, now: datetime) -> Value:
    if not path:
        return observed if _is_reached(desired, observed, now) else desired
    if not is_mapping(desired) or not is_mapping(observed):
        return desired
    is_any = path[0] == ANY_KEY
    names = desired.keys() & observed.keys() if is_any else {path[0]} & desired.keys()
    moved = {name: _moved(desired[name], observed.get(name), path[1:], now) for name in names}
    # A tree in which nothing moves is returned as it is: most of them, and some are large.
    has_moved = any(moved[name] is not desired[name] for name in names)
    return {**desired, **moved} if has_moved else desired


def _is_reached(desired: Value, observed: Value, now: datetime) -> bool:
    declared, shown = parse_instant(desired), parse_instant(observed)
    # Resets only move forward, so an earlier time than the declared one is a difference.
    return declared is not None and shown is not None and declared < shown and declared <= now


def _instant_paths(schema: FieldSchema, path: Path = ()) -> Iterator[Path]:
    for name, field in schema.fields.items():
        if field.facts.instant:
            yield (*path, name)
        elif field.kind is FieldKind.KEYED_LIST and field.entries is not None:
            yield from _instant_paths(field.entries, (*path, name, ANY_KEY))
        else:
            yield from _instant_paths(field, (*path, name))


_INSTANTS = tuple(_instant_paths(compiled(Integration)))
INSTANT_NAMES = frozenset(path[-1] for path in _INSTANTS)
"""The names of all fields that hold a time."""

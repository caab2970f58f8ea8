"""Times as instants: how one is written does not matter, and a reset that has passed moves on.

The API reports a time in its own form, and moves the time of the next reset forward when a reset
happens. A declared time that has passed is therefore fulfilled by any later one.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from reconciler.domain.integration import Integration
from reconciler.domain.schema import FieldKind, FieldSchema, compiled

ANY_KEY = "*"
END_OF_TIME = datetime.max.replace(tzinfo=UTC)


def normalized(text: str) -> str:
    """Return a time in UTC in the API's own form; what is no time stays as it is."""
    moment = parsed(text)
    if moment is None:
        return text
    precision = "microseconds" if moment.microsecond % 1000 else "milliseconds"
    return moment.isoformat(timespec=precision).replace("+00:00", "Z")


def parsed(text: object) -> datetime | None:
    """Read a time in ISO 8601, in UTC where it names no offset; None for anything else."""
    if not isinstance(text, str):
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def moved_on(want: Mapping[str, Any], have: Mapping[str, Any], *, now: datetime) -> dict[str, Any]:
    """Return `want` with the API's time in place of each declared one that has passed by `now`."""
    result = dict(want)
    for path in _INSTANTS:
        if path[0] in want and path[0] in have:
            result[path[0]] = _moved(want[path[0]], have[path[0]], path[1:], now)
    return result


def _moved(want: Any, have: Any, path: tuple[str, ...], now: datetime) -> Any:
    if not path:
        return have if _is_fulfilled(want, have, now) else want
    if not isinstance(want, Mapping) or not isinstance(have, Mapping):
        return want
    names = want.keys() & have.keys() if path[0] == ANY_KEY else {path[0]} & want.keys()
    changed = {name: _moved(want[name], have.get(name), path[1:], now) for name in names}
    return {**want, **changed} if any(changed[n] is not want[n] for n in names) else want


def _is_fulfilled(want: Any, have: Any, now: datetime) -> bool:
    declared, shown = parsed(want), parsed(have)
    return declared is not None and shown is not None and declared < shown and declared <= now


def _instant_paths(schema: FieldSchema, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
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

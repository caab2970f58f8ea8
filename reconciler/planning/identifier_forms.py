"""See through values that come back in another form than the one that was written.

The API accepts a workspace or a secret reference by slug and may report its UUID (remote/API.md
§1.4, §4, §5.2), and no call of ours turns one into the other. What Git already declared and we
applied is recognised by its content; anything else is planned, because writing it once more by the
declared id does no harm, and taking a stranger for it would.
"""

from collections.abc import Mapping
from typing import Any

from reconciler.domain.identifiers import is_uuid
from reconciler.domain.integration import Integration
from reconciler.domain.schema import UNKNOWN, FieldSchema, compiled
from reconciler.domain.surrogates import REPLACEMENT, has_lone_surrogate, repaired, repaired_tree
from reconciler.domain.tree import Path
from reconciler.planning.pairing import pair_by_content


def align(
    want: Mapping[str, Any], have: Mapping[str, Any], past: Mapping[str, Any]
) -> tuple[dict[str, Any], tuple[Path, ...]]:
    """Give `have` with the ids that are declared, and the paths that were aligned."""
    aligned = as_stored(want, have) if _has_replacement(want) else dict(have)
    paths: list[Path] = []
    if past:
        paths += _align_ids(want, aligned, past)
    return aligned, tuple(paths)


def _align_ids(
    want: Mapping[str, Any], aligned: dict[str, Any], past: Mapping[str, Any]
) -> list[Path]:
    """Replace lists in `aligned` by ones with the declared ids, and return what was aligned."""
    paths: list[Path] = []
    for name, field in compiled(Integration).fields.items():
        if not (isinstance(want.get(name), Mapping) and aligned.get(name) and past.get(name)):
            continue
        for member in _ids(field):
            if member == field.key:
                aligned[name], known = _workspaces(want[name], aligned[name], past[name])
            else:
                aligned[name], known = _references(want[name], aligned[name], past[name], member)
            paths += [(name, identity) for identity in known]
    return paths


def as_stored(want: Mapping[str, Any], have: Mapping[str, Any]) -> dict[str, Any]:
    """Return `have` with U+FFFD for half a character wherever the files have it so.

    A file cannot hold half a character, so what was pulled from one would never be in sync.
    """
    halves = {key: repaired(key) for key in have if has_lone_surrogate(key)}
    names = {key: name for key, name in halves.items() if name in want and name not in have}
    result = {}
    for key, item in have.items():
        name = names.get(key, key)
        result[name] = _value_as_stored(want.get(name), item)
    return result


def _has_replacement(value: Any) -> bool:
    """Return whether a text or a name in a declared tree holds U+FFFD."""
    if isinstance(value, str):
        return not value.isascii() and REPLACEMENT in value
    if isinstance(value, dict):
        names = "".join(value)
        return _has_replacement(names) or any(map(_has_replacement, value.values()))
    return isinstance(value, list) and any(map(_has_replacement, value))


def _value_as_stored(want: Any, have: Any) -> Any:
    if isinstance(want, Mapping) and isinstance(have, Mapping):
        return as_stored(want, have)
    if isinstance(want, str):
        same = isinstance(have, str) and REPLACEMENT in want and repaired(have) == want
        return want if same else have
    if isinstance(want, list) and isinstance(have, list) and want != have:
        repaired_list = repaired_tree(have)
        return repaired_list if repaired_list == want else have
    return have


def _ids(field: FieldSchema) -> list[str]:
    """Return the ids of two forms in the entries of a keyed list."""
    if field.key is None:
        return []
    members = (field.entries or UNKNOWN).fields
    return [name for name, member in members.items() if member.facts.two_forms]


def _workspaces(
    want: Mapping[str, Any], have: Mapping[str, Any], past: Mapping[str, Any]
) -> tuple[dict[str, Any], list[str]]:
    """Give UUID entries the slug under which Git declared what they show.

    Who is to lose access chooses first, and is taken to have it still if nothing fits: revoking or
    granting once too often by the declared id does no harm, and leaving somebody in would.
    """
    unnamed = {i: entry for i, entry in have.items() if is_uuid(i) and entry.get("enabled")}
    granted = {i for i in past if past[i].get("enabled") and not is_uuid(i) and i not in have}
    kept = {i for i in granted if want.get(i, {}).get("enabled")}
    named: dict[str, str] = {}
    for group in (granted - kept, kept):
        free = {u: entry for u, entry in unnamed.items() if u not in named}
        named |= pair_by_content({i: past[i] for i in group}, free)
    aligned = {named.get(i, i): entry for i, entry in have.items()}
    if len(named) < len(unnamed):
        aligned |= {i: {"enabled": True} for i in granted - kept if i not in aligned}
    return aligned, sorted(kept & set(named.values()))


def _references(
    want: Mapping[str, Any], have: Mapping[str, Any], past: Mapping[str, Any], member: str
) -> tuple[dict[str, Any], list[str]]:
    """Use the declared name of what an entry refers to where it was applied before."""
    named = dict(have)
    known: list[str] = []
    for field in sorted(set(want) & set(have) & set(past)):
        declared = want[field].get(member)
        same = declared == past[field].get(member)
        if same and is_uuid(have[field].get(member)) and not is_uuid(declared):
            named[field] = {**have[field], member: declared}
            known.append(field)
    return named, known

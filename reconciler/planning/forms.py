"""See through ids that come back in another form than the one that was written.

The API accepts a workspace or a secret reference by slug and may report its UUID (portkey-api.md
§1.4, §4, §5.2), and no call of ours turns one into the other. What Git already declared and we
applied is recognised by its content; anything else is planned, because writing it once more by the
declared id does no harm, and taking a stranger for it would.
"""

from collections.abc import Mapping
from typing import Any

from reconciler.domain.fields import is_uuid
from reconciler.domain.tree import Path, is_empty, leaves


def align(
    want: Mapping[str, Any], have: Mapping[str, Any], past: Mapping[str, Any]
) -> tuple[dict[str, Any], tuple[Path, ...]]:
    """Give `have` with the ids that are declared, and the paths that were aligned."""
    aligned = dict(have)
    paths: list[Path] = []
    for name, match in (("workspaces", _workspaces), ("secret_mappings", _references)):
        if isinstance(want.get(name), Mapping) and have.get(name) and past.get(name):
            aligned[name], known = match(want[name], have[name], past[name])
            paths += [(name, identity) for identity in known]
    return aligned, tuple(paths)


def _workspaces(
    want: Mapping[str, Any], have: Mapping[str, Any], past: Mapping[str, Any]
) -> tuple[dict[str, Any], list[str]]:
    """Give UUID entries the slug whose content, past or declared, they show."""
    unnamed = {i: entry for i, entry in have.items() if is_uuid(i)}
    waiting = {i for i in past if not is_uuid(i) and i not in have}
    named: dict[str, str] = {}
    while waiting:
        contents = {i: (past[i], want.get(i, past[i])) for i in waiting}
        fitting = {
            i: [u for u, entry in unnamed.items() if any(_shows(entry, c) for c in contents[i])]
            for i in waiting
        }
        # The most particular first, so that nothing takes an entry that only another one fits.
        identity = min(sorted(waiting), key=lambda i: len(fitting[i]))
        waiting.remove(identity)
        if fitting[identity]:
            shown = min(sorted(fitting[identity]), key=lambda u: len(list(leaves(unnamed[u]))))
            named[shown] = identity
            del unnamed[shown]
    aligned = {named.get(i, i): entry for i, entry in have.items()}
    return aligned, sorted(set(named.values()) & set(want))


def _shows(entry: Any, declared: Any) -> bool:
    """Tell whether an entry has all that is declared, whatever else it has."""
    if isinstance(declared, Mapping) and declared:
        return isinstance(entry, Mapping) and all(
            _shows(entry.get(name), value) for name, value in declared.items()
        )
    return bool(entry == declared) or (is_empty(entry) and is_empty(declared))


def _references(
    want: Mapping[str, Any], have: Mapping[str, Any], past: Mapping[str, Any]
) -> tuple[dict[str, Any], list[str]]:
    """Give mappings the declared name of their secret reference where it was applied before."""
    named = dict(have)
    known: list[str] = []
    for field in sorted(set(want) & set(have) & set(past)):
        declared = want[field].get("secret_reference_id")
        same = declared == past[field].get("secret_reference_id")
        if same and is_uuid(have[field].get("secret_reference_id")) and not is_uuid(declared):
            named[field] = {**have[field], "secret_reference_id": declared}
            known.append(field)
    return named, known

"""See through ids that come back in another form than the one that was written.

The API accepts a workspace or a secret reference by slug and may report its UUID (portkey-api.md
§1.4, §4, §5.2), and no call of ours turns one into the other. What Git already declared and we
applied is recognised by its content; anything else is planned, because writing it once more by the
declared id does no harm, and taking a stranger for it would.
"""

from collections.abc import Mapping
from typing import Any

from reconciler.domain.fields import is_uuid
from reconciler.domain.tree import Path
from reconciler.planning.pairing import pair_by_content


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

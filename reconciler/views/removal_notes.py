"""Notes above the changes of a delete or a replace: what it removes and what it re-creates."""

from collections.abc import Iterator, Sequence

from reconciler.diagnostics import counted
from reconciler.domain.facts import RiskRule
from reconciler.domain.schema import any_provider_schema, parse_path
from reconciler.domain.tree import Path
from reconciler.planning.actions import Action, ActionKind, Change, ChangeKind
from reconciler.views import phrases
from reconciler.views.escape import visible


def removal_notes(action: Action) -> tuple[str, ...]:
    """Return the lines for a delete or a replace; none for any other action."""
    if action.kind not in {ActionKind.DELETE, ActionKind.REPLACE}:
        return ()
    lost = [c for c in action.changes if c.op is ChangeKind.REMOVE or _is_switched_off(c)]
    # All of a withdrawn entry: its file may still declare other fields of it.
    withdrawn = {_steps(c)[:2] for c in lost if _is_switched_off(c)}
    kept = [c for c in action.changes if c not in lost and _steps(c)[:2] not in withdrawn]
    # A plan of version 0.1.0 does not list what a delete removes.
    if action.kind is ActionKind.DELETE and not lost:
        return (phrases.LOSS_UNKNOWN,)
    loses = "; ".join(_loses(lost)) or phrases.LOSES_NOTHING
    notes = [f"{phrases.LOSES}: {loses}"]
    if action.kind is ActionKind.REPLACE:
        notes.append(f"{phrases.RECREATED}: {', '.join(_recreated(kept))}")
    return tuple(notes)


def is_restated(action: Action, change: Change) -> bool:
    """Return whether a change only restates a readable value that a replace puts back."""
    is_replace = action.kind is ActionKind.REPLACE
    return is_replace and change.op is ChangeKind.RESEND and not change.sensitive


def _is_switched_off(change: Change) -> bool:
    """Return whether a replace withdraws this model, this workspace or the access of all."""
    return change.path.endswith(".enabled") and change.before is True and change.after is False


def _loses(changes: Sequence[Change]) -> Iterator[str]:
    paths = [_steps(change) for change in changes]
    for change in changes:
        if change.path == "ai_provider_id":
            yield f"provider {visible(str(change.before))}"
    yield from _lost_access(paths)
    yield from _listed("model", _identities(paths, "models"))
    # Each workspace or list once, although several of its limits may be lost.
    limited = dict.fromkeys(_holder(path) for path in paths if _is_limit(path))
    if limited:
        yield f"limits of {_named(list(limited))}"
    yield from _listed("secret", [change.path for change in changes if change.sensitive])


def _lost_access(paths: Sequence[Path]) -> Iterator[str]:
    workspaces = [p[1] for p in paths if p[:1] == ("workspaces",) and p[2:] == ("enabled",)]
    if workspaces:
        verb = "loses" if len(workspaces) == 1 else "lose"
        yield f"{counted(len(workspaces), 'workspace')} {verb} access ({_named(workspaces)})"
    schema = any_provider_schema()
    for path in paths:
        # The switch of a whole list, such as that for access of all workspaces.
        if schema.child(path[0]).has_switch and path[1:] == ("enabled",):
            yield f"every workspace loses access ({path[0]})"


def _is_limit(path: Path) -> bool:
    return any_provider_schema().at(path).facts.risk is RiskRule.LIMIT


def _recreated(changes: Sequence[Change]) -> Iterator[str]:
    paths = [_steps(change) for change in changes]
    for name in dict.fromkeys(path[0] for path in paths):
        if name in {"models", "workspaces"}:
            yield from _listed(name.removesuffix("s"), _identities(paths, name))
        else:
            yield visible(name)


def _listed(noun: str, names: Sequence[str]) -> Iterator[str]:
    if names:
        yield f"{counted(len(names), noun)} ({_named(names)})"


def _identities(paths: Sequence[Path], name: str) -> list[str]:
    return list(dict.fromkeys(p[1] for p in paths if p[0] == name and len(p) > 1))


def _holder(path: Path) -> str:
    return path[1] if path[0] == "workspaces" and len(path) > 1 else path[0]


def _steps(change: Change) -> Path:
    # The path of a saved plan can be unreadable; it then counts as one name.
    return parse_path(change.path) or (change.path,)


def _named(names: Sequence[str]) -> str:
    return phrases.named([visible(name, None) for name in names])

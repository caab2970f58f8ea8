"""Notes above the changes of a delete or a replace: what it removes and what it re-creates."""

from collections.abc import Iterable, Sequence

from reconciler.diagnostics import counted
from reconciler.domain.facts import RiskRule
from reconciler.domain.field_paths import parse_path
from reconciler.domain.schema import any_provider_schema
from reconciler.domain.tree import Path
from reconciler.planning.actions import Action, ActionKind, Change, ChangeKind
from reconciler.views import phrases
from reconciler.views.escape import visible


def removal_notes(action: Action) -> tuple[str, ...]:
    """Return the lines for a delete or a replace; none for any other action."""
    if action.kind not in {ActionKind.DELETE, ActionKind.REPLACE}:
        return ()
    lost = [c for c in action.changes if c.op is ChangeKind.REMOVE]
    kept = [c for c in action.changes if c.op is not ChangeKind.REMOVE]
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


def _loses(changes: Sequence[Change]) -> Iterable[str]:
    paths = [(_steps(change), change) for change in changes]
    provider = [c.before for p, c in paths if p == ("ai_provider_id",)]
    if provider:
        yield f"provider {visible(str(provider[0]))}"
    workspaces = [p[1] for p, _ in paths if p[:1] == ("workspaces",) and p[2:] == ("enabled",)]
    if workspaces:
        verb = "loses" if len(workspaces) == 1 else "lose"
        yield f"{counted(len(workspaces), 'workspace')} {verb} access ({_named(workspaces)})"
    schema = any_provider_schema()
    for path, _ in paths:
        if schema.child(path[0]).has_switch and path[1:] == ("enabled",):
            yield f"every workspace loses access ({path[0]})"
    if models := _identities((p for p, _ in paths), "models"):
        yield f"{counted(len(models), 'model')} ({_named(models)})"
    limited = dict.fromkeys(_holder(p) for p, _ in paths if _is_limit(p))
    if limited:
        yield f"limits of {_named(list(limited))}"
    if secrets := [c.path for _, c in paths if c.sensitive]:
        yield f"{counted(len(secrets), 'secret')} ({_named(secrets)})"


def _is_limit(path: Path) -> bool:
    return any_provider_schema().at(path).facts.risk is RiskRule.LIMIT


def _recreated(changes: Sequence[Change]) -> Iterable[str]:
    paths = [_steps(change) for change in changes]
    for name in dict.fromkeys(path[0] for path in paths):
        if name in {"models", "workspaces"}:
            identities = _identities(paths, name)
            yield f"{counted(len(identities), name[:-1])} ({_named(identities)})"
        else:
            yield visible(name)


def _identities(paths: Iterable[Path], name: str) -> list[str]:
    return list(dict.fromkeys(p[1] for p in paths if p[0] == name and len(p) > 1))


def _holder(path: Path) -> str:
    return path[1] if path[0] == "workspaces" and len(path) > 1 else path[0]


def _steps(change: Change) -> Path:
    return parse_path(change.path) or (change.path,)


def _named(names: Sequence[str]) -> str:
    return phrases.named([visible(name, None) for name in names])

"""What a pull did, for people: the files, the secrets, and the line that counts.

The files themselves are written by `reconciler.pull`.
"""

from collections import Counter
from collections.abc import Iterator, Sequence

from reconciler.domain.field_paths import show_path
from reconciler.domain.secrets import MaskVerdict
from reconciler.planning.actions import Action, ActionKind, ChangeKind
from reconciler.pull.pull import PullResult, SecretCheck
from reconciler.views.escape import visible
from reconciler.views.plan_outline import header_of

_VERDICTS = {
    None: "no value at hand",
    MaskVerdict.AGREES: "the mask agrees",
    MaskVerdict.CONTRADICTS: "the mask contradicts the value",
    MaskVerdict.UNREADABLE: "the mask is unreadable",
}
_MOST = 40
_MOST_NAMED = 10


def text(adoption: PullResult, *, folder: str, ledger: str) -> str:
    """Write what was done, then what the next plan would do; the last line counts both.

    `folder` is the desired-state folder as the user knows it.
    """
    lines = [header_of(adoption.plan.target, ledger=ledger), ""]
    lines += list(_files(adoption, folder))
    lines += list(_secrets(adoption.secrets))
    lines += list(_differences(adoption))
    return "\n".join([*lines, summary(adoption)]) + "\n"


def summary(adoption: PullResult) -> str:
    """Count what was pulled, the differences of the next plan, and what nobody can vouch for.

    `0 differences` stands only where the next plan is empty.
    """
    plan = adoption.plan
    differences = sum(_weight(action) for action in plan.actions)
    parts = [_counted(len(adoption.slugs), "integration")]
    if differences or not adoption.not_compared:
        parts.append(_counted(differences, "difference"))
    if adoption.not_compared:
        parts.append(f"{_counted(len(adoption.not_compared), 'other')} not compared")
    parts.append(f"{_counted(len(plan.unverified), 'secret')} unverified")
    line = ", ".join(parts)
    if adoption.left_out:
        line += f"; {len(adoption.left_out)} left out: {_named(adoption.left_out)}"
    return line


def _weight(action: Action) -> int:
    """Count the changes of an integration that exists on both sides; any other is one."""
    whole = action.kind in {ActionKind.CREATE, ActionKind.DELETE}
    differing = [change for change in action.changes if change.op is not ChangeKind.RESEND]
    return 1 if whole else max(1, len(differing))


def _files(adoption: PullResult, folder: str) -> Iterator[str]:
    names = list(adoption.changed)
    for name in names[:_MOST]:
        what = "wrote " if name in adoption.new else "edited"
        yield f"{what} {visible(f'{folder}/{name}', limit=None)}"
    if len(names) > _MOST:
        yield f"… and {len(names) - _MOST} more files"
    if names:
        yield ""


def _secrets(checks: tuple[SecretCheck, ...]) -> Iterator[str]:
    known = [check for check in checks if check.verdict is not None]
    for check in known[:_MOST]:
        place = visible(f"{check.slug} {show_path(check.path)}")
        yield f"{place}: {_VERDICTS[check.verdict]} ({visible(str(check.reference))})"
    if len(known) > _MOST:
        counts = Counter(_VERDICTS[check.verdict] for check in known[_MOST:])
        yield "… and " + ", ".join(f"{n} × {words}" for words, n in sorted(counts.items()))
    if known:
        yield ""


def _differences(adoption: PullResult) -> Iterator[str]:
    """Say what the next plan would do, integrations that exist on one side only in one line."""
    actions = adoption.plan.actions
    for action in actions:
        if action.kind in {ActionKind.UPDATE, ActionKind.REPLACE}:
            paths = ", ".join(change.path for change in action.changes)
            yield f"still differs: {visible(f'{action.slug}: {paths or action.reason}')}"
    if missing := [a.slug for a in actions if a.kind is ActionKind.CREATE]:
        verb, them = ("does", "it") if len(missing) == 1 else ("do", "them")
        yield (
            f"{len(missing)} declared here {verb} not exist there: {_named(missing)}; "
            f"the next plan would create {them}"
        )
    if undeclared := [a.slug for a in actions if a.kind is ActionKind.DELETE]:
        verb, them = ("is", "it") if len(undeclared) == 1 else ("are", "them")
        yield (
            f"{len(undeclared)} that {'exists' if len(undeclared) == 1 else 'exist'} there {verb} "
            f"not declared here: {_named(undeclared)}; the next plan would delete {them}"
        )
    if actions:
        yield ""


def _named(slugs: Sequence[str]) -> str:
    more = f" and {len(slugs) - _MOST_NAMED} more" if len(slugs) > _MOST_NAMED else ""
    return visible(", ".join(slugs[:_MOST_NAMED]), limit=None) + more


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"

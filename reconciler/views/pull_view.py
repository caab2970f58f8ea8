"""What a pull did, for people: the files, the secrets, and the line that counts.

The files themselves are written by `reconciler.adoption`.
"""

from collections import Counter
from collections.abc import Iterator

from reconciler.adoption.pull import Adoption, SecretCheck
from reconciler.domain.fields import show_path
from reconciler.domain.secrets import MaskVerdict
from reconciler.views.escape import visible
from reconciler.views.outline import header_of

_VERDICTS = {
    None: "no value at hand",
    MaskVerdict.AGREES: "the mask agrees",
    MaskVerdict.CONTRADICTS: "the mask contradicts the value",
    MaskVerdict.UNREADABLE: "the mask is unreadable",
}
_MOST = 40


def text(adoption: Adoption, *, folder: str, ledger: str) -> str:
    """Write what was done; the last line is `N integrations, 0 differences, M secrets unverified`.

    `folder` is the desired-state folder as the user knows it.
    """
    lines = [header_of(adoption.plan.target, ledger=ledger), ""]
    lines += list(_files(adoption, folder))
    lines += list(_secrets(adoption.secrets))
    lines += list(_differences(adoption))
    return "\n".join([*lines, summary(adoption)]) + "\n"


def summary(adoption: Adoption) -> str:
    """Count what was pulled, what still differs, and the secrets nobody can vouch for."""
    plan = adoption.plan
    differences = sum(max(1, len(action.changes)) for action in plan.actions)
    return ", ".join(
        [
            _counted(len(adoption.slugs), "integration"),
            _counted(differences, "difference"),
            f"{_counted(len(plan.unverified), 'secret')} unverified",
        ]
    )


def _files(adoption: Adoption, folder: str) -> Iterator[str]:
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


def _differences(adoption: Adoption) -> Iterator[str]:
    for action in adoption.plan.actions:
        paths = ", ".join(change.path for change in action.changes)
        yield f"still differs: {visible(f'{action.slug}: {paths}')}"
    if adoption.plan.actions:
        yield ""


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"

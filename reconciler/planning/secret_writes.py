"""Which secrets a write carries, and which writes must not happen because of one.

What is known about each secret: `credentials`. How the bodies are made: `writes`.
"""

from collections.abc import Iterable

from reconciler.diagnostics import Diagnostic
from reconciler.domain.field_paths import show_path
from reconciler.domain.schema import FieldSchema
from reconciler.domain.secrets import Mask
from reconciler.domain.state import Declared
from reconciler.domain.tree import Path, leaves
from reconciler.planning import messages
from reconciler.planning.actions import Change, ChangeKind, Risk
from reconciler.planning.comparison import Comparison
from reconciler.planning.credentials import SecretAssessment, SecretStatus
from reconciler.planning.diff import FieldChange
from reconciler.planning.risk import decides_host
from reconciler.planning.write_calls import masks_in_the_way


def secrets_to_send(
    judgements: list[SecretAssessment],
    differing: Iterable[FieldChange],
    *,
    schema: FieldSchema,
    push: bool,
) -> list[tuple[SecretAssessment, ChangeKind]]:
    """Choose the secrets that have to be written, and what each write is called.

    A changed one goes for its own sake. The others in `configurations` go along when that object
    is sent, and all of them, the key too, when a host changes. A key that is declared empty is
    never sent: what the API does with an empty one is not known (remote/API.md §2).
    """
    judgements = [judgement for judgement in judgements if not keeps_key(judgement)]
    differing = list(differing)
    changed = {
        judgement.path: judgement.op
        for judgement in judgements
        if judgement.state is SecretStatus.CHANGED
        or (push and judgement.state is SecretStatus.UNVERIFIED)
    }
    moves = any(decides_host(schema, path) for path in [*(c.path for c in differing), *changed])
    tops = {change.path[0] for change in differing} | {path[0] for path in changed}
    sent = []
    for judgement in judgements:
        if judgement.path in changed:
            sent.append((judgement, changed[judgement.path]))
        elif judgement.reference is not None and (moves or judgement.path[0] in tops - {"key"}):
            sent.append((judgement, ChangeKind.RESEND))
    return sent


def keeps_key(judgement: SecretAssessment) -> bool:
    """Tell whether a key is stored that the files want gone; no call can remove it."""
    return judgement.path == ("key",) and judgement.op is ChangeKind.REMOVE


def secret_change(judgement: SecretAssessment, op: ChangeKind, field: FieldSchema) -> Change:
    """Show that a secret is written, by its reference."""
    before = judgement.before_reference if op is ChangeKind.REPLACE else None
    return Change(
        path=show_path(judgement.path),
        op=op,
        risk=Risk.CREDENTIAL,
        sensitive=True,
        origin=judgement.origin,
        reference=judgement.shown_reference,
        before_reference=str(before) if before else None,
        unknown_field=not field.is_known,
    )


def write_blocks(
    declared: Declared,
    comparison: Comparison,
    *,
    paths: list[Path],
    sent: list[tuple[SecretAssessment, ChangeKind]],
) -> list[Diagnostic]:
    """Say why writing these paths would lose a stored secret, or send it somewhere else."""
    blocks = [messages.masked_write(declared, path) for path in masks_in_the_way(comparison, paths)]
    if any(decides_host(declared.schema, path) for path in paths):
        replaced = {judgement.path for judgement, _ in sent}
        stored = [
            path
            for path, value in leaves(comparison.have)
            if isinstance(value, Mask) and path not in replaced
        ]
        if stored:
            blocks.append(messages.credential_retarget(declared, stored))
    return blocks

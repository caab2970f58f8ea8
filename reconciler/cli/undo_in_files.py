"""Undo a run in the files: what it changed, from the ledger, laid over what they declare now."""

from dataclasses import dataclass

from reconciler.cli import settings, wiring
from reconciler.cli.desired_source import UndoSource, read_files
from reconciler.cli.global_options import Invocation
from reconciler.desired.source import DirectorySource
from reconciler.diagnostics import Diagnostic, in_order
from reconciler.domain.rejection import InvalidInput
from reconciler.planning.actions import ActionKind
from reconciler.planning.options import Selection
from reconciler.pull.undo_edits import Restored, RestoreTarget, restore
from reconciler.views.plan_outline import header_of


@dataclass(frozen=True, slots=True)
class Edited:
    """Files that undo a run, with what is to be told about them."""

    restored: Restored
    header: str
    diagnostics: tuple[Diagnostic, ...]


def undo(invocation: Invocation, run: str, selection: Selection) -> Edited:
    """Give the files as they have to be; nothing is written, and the API is not asked."""
    source = UndoSource(invocation, run, to_edit=True)
    source.refuse_unmatched(selection)
    loaded, desired = read_files(invocation, source.environment)
    if loaded.config is None:
        raise InvalidInput(loaded.diagnostics)
    past = wiring.records_of(invocation, source.environment).recall(source.target)
    wish = source.wish(past)
    assert wish.undo is not None  # noqa: S101  what comes from a past run is an undo
    images = {s: image for s, image in wish.undo.images.items() if selection.includes(s)}
    restored = restore(
        DirectorySource(invocation.dir),
        config=loaded.config,
        desired=desired,
        pictures={
            slug: RestoreTarget(
                declared.fields, is_whole=images[slug].kind is not ActionKind.UPDATE
            )
            for slug, declared in wish.desired.integrations.items()
            if slug in images
        },
        gone=[slug for slug, image in images.items() if image.observed is None],
        today=settings.now().date(),
    )
    header = header_of(wiring.plan_target(source.target), ledger=past.state)
    found = in_order([*wish.diagnostics, *past.diagnostics, *restored.diagnostics])
    return Edited(restored, header, found)

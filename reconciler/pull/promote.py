"""Promotion: the overlays of one environment declare what another environment declares.

Only files in environments/NAME/ of the target are edited. Fields that `differs` covers and
integrations that only the target declares stay unchanged: a promotion never deletes. A host and its
credential are promoted together or not at all. `reconciler.pull.working_copy.write` writes to disk.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import field
from datetime import date
from fnmatch import fnmatchcase

from reconciler.desired.config import Config
from reconciler.desired.declarations import bound_tree, merged_documents
from reconciler.desired.load import load_desired
from reconciler.desired.problem_collector import Sourced
from reconciler.desired.source import FileSource
from reconciler.diagnostics import Diagnostic, error, in_order
from reconciler.domain.differs import ExpectedDifference
from reconciler.domain.policy import Target
from reconciler.domain.schema import (
    FieldSchema,
    any_provider_schema,
    integration_schema,
)
from reconciler.domain.tree import Path, Tree, is_mapping, lookup
from reconciler.errors import InvalidInput
from reconciler.frozen_dataclass import dataclass
from reconciler.planning.normalize import normalize
from reconciler.planning.parity import (
    Absent,
    Difference,
    differences,
    filled_otherwise,
    is_expected,
    unpaired,
)
from reconciler.pull import promotion_messages as messages
from reconciler.pull.overlay_edits import NotEditable, Overlays, file_value, name_of_overlay
from reconciler.pull.working_copy import WorkingCopy

_MAX_EDITS = 1000
"""Edits of one integration after which its overlays count as not editable."""
_PROTECTED = ("lifecycle", "protected")


@dataclass(frozen=True, slots=True)
class PromotionEdits:
    """Edited files by their path in the folder, and what they now declare.

    `before` is the previous content of files that are not new, and `folder` is that of the
    overlays. `changes` are the differences that were removed, `created` the slugs that the target
    did not declare before, and `left` the differences that remain although `differs` does not cover
    them.
    """

    source: Target
    target: Target
    changed: Mapping[str, bytes]
    new: frozenset[str]
    before: Mapping[str, bytes]
    folder: str
    changes: tuple[Difference, ...] = ()
    created: tuple[str, ...] = ()
    left: tuple[Difference, ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()


def promote(
    files: FileSource,
    config: Config,
    source: Target,
    target: Target,
    *,
    expected: Sequence[ExpectedDifference],
    patterns: Sequence[str],
    today: date,
) -> PromotionEdits:
    """Return the edited overlays; nothing is written.

    `patterns` select slugs; without patterns, all are selected. Raises `InvalidInput` for a target
    without overlays, a pattern without a match, and for edited files that do not load.
    """
    if target.environment is None:
        raise InvalidInput([messages.no_overlays(target)])
    work = _Promotion(WorkingCopy(files), source, target, target.environment, expected)
    # Slugs are independent of each other: the edits of one that fails are reverted and reported,
    # and the others continue.
    slugs = _selected(patterns, work.declared)
    for slug in slugs:
        work.promote(slug)
    work.overlays.parts.store()
    copy = work.files
    # An edit of a base file would change every environment, not only the target.
    outside = [path for path in copy.changed if not path.startswith(work.overlays.folder + "/")]
    assert not outside, outside  # noqa: S101 - only overlays are edited
    if copy.changed:
        # Loaded as by the next command, so that a wrong edit is refused before anything is written.
        after, found = load_desired(copy.source, config, target, today)
        if after is None:
            raise InvalidInput(found)
    work.diagnostics += messages.shared_environment(config, target, has_changes=bool(copy.changed))
    return PromotionEdits(
        source,
        target,
        changed=copy.changed,
        new=copy.new,
        before=copy.before,
        folder=work.overlays.folder,
        changes=tuple(work.changes),
        created=tuple(work.created),
        left=tuple(work.left),
        diagnostics=in_order(work.diagnostics),
    )


@dataclass(slots=True)
class _Promotion:
    """One promotion, integration by integration."""

    files: WorkingCopy
    source: Target
    target: Target
    environment: str
    expected: Sequence[ExpectedDifference]
    changes: list[Difference] = field(default_factory=list)
    created: list[str] = field(default_factory=list)
    left: list[Difference] = field(default_factory=list)
    diagnostics: list[Diagnostic] = field(default_factory=list)
    overlays: Overlays = field(init=False)
    base: Mapping[str, Sourced] = field(init=False)
    wanted: Mapping[str, Sourced] = field(init=False)
    now: Mapping[str, Sourced] = field(init=False)
    others: "Overlays | None" = field(init=False)

    def __post_init__(self) -> None:
        original = self.files.source
        self.overlays = Overlays(self.files, self.environment)
        self.base = merged_documents(original, None)
        self.wanted = merged_documents(original, self.source.environment)
        self.now = merged_documents(original, self.environment)
        named_source = self.source.environment
        self.others = None if named_source is None else Overlays(self.files, named_source)

    @property
    def declared(self) -> Collection[str]:
        """The slugs that either side declares."""
        return self.wanted.keys() | self.now.keys()

    def promote(self, slug: str) -> None:
        """Promote one integration, or leave its files unchanged and report why."""
        if slug not in self.wanted or slug not in self.now:
            self._promote_existence(slug)
            return
        before = self._tree(self.now[slug], self.target)
        found = differences(slug, self._wanted(slug), before, self.expected)
        # `unpaired` needs both, because a host that stays and a credential that is copied would be
        # combined at the target.
        kept = [item for item in found if is_expected(item, self.expected)]
        made, mapped = filled_otherwise((item for item in found if item not in kept), kept)
        if mapped:
            self.left += mapped
            self.diagnostics.append(messages.filled_by_mapping(slug, mapped))
        made, held = unpaired(made, [*kept, *mapped])
        if held:
            self.left += held
            self.diagnostics.append(messages.held_back(slug, held, [*kept, *mapped]))
        if not made:
            return
        unfinished = self._edit(slug, before, [*mapped, *held])
        if unfinished is None:
            self.left += made
            return
        made = [item for item in made if not _is_inside(item.path, unfinished)]
        self.changes += made
        self.diagnostics += messages.promoted_hosts(slug, made)
        # Only after the edit, because the files do not contain the new entries before.
        self._missing_values(slug, before, kept)
        self._leave_unfinished(slug, unfinished)
        if any(_unprotects(item) for item in made):
            self.diagnostics.append(messages.unprotected(slug))

    def _promote_existence(self, slug: str) -> None:
        """Declare an integration that only the source declares, unless it needs its own values."""
        whole = Difference(
            slug,
            (),
            self._wanted(slug) if slug in self.wanted else Absent.ABSENT,
            self._tree(self.now[slug], self.target) if slug in self.now else Absent.ABSENT,
        )
        if is_expected(whole, self.expected):
            return
        # A promotion adds and changes; users must remove what only the target declares.
        if slug not in self.wanted:
            self.left.append(whole)
            self.diagnostics.append(
                messages.only_in_target(slug, self.source, self.target, self.overlays)
            )
            return
        # Compared with an empty tree, so that each part that `differs` covers is separate.
        parts = differences(slug, self._wanted(slug), {}, self.expected)
        own = [item for item in parts if is_expected(item, self.expected)]
        if own_pair := [item for item in own if item.sends_elsewhere or item.is_credential]:
            self.left.append(whole)
            self.diagnostics.append(
                messages.needs_own_values(slug, own_pair, self.target, self.overlays)
            )
            return
        unfinished = self._edit(slug, None, ())
        if unfinished is None:
            self.left.append(whole)
            return
        self.changes.append(whole)
        self.created.append(slug)
        self._leave_unfinished(slug, unfinished)

    def _edit(
        self, slug: str, before: Tree | None, held: Collection[Difference]
    ) -> frozenset[Path] | None:
        """Edit the overlays until nothing else differs; return the parts that could not be added.

        These need a value that `differs` covers. Return None, without an edit, if an overlay cannot
        be edited. `before` is what the target declared, None for nothing.
        """
        kept = self.overlays.parts.snapshot()
        unfinished: frozenset[Path] = frozenset()
        while True:
            try:
                found = self._edit_all(slug, before, {item.path for item in held} | unfinished)
            except NotEditable:
                self.overlays.parts.go_back(kept)
                self.diagnostics.append(messages.not_editable(slug, self.overlays))
                return None
            if not found:
                return unfinished
            # Known only now, because the base can supply the value.
            self.overlays.parts.go_back(kept)
            unfinished |= found

    def _edit_all(self, slug: str, before: Tree | None, held: Collection[Path]) -> set[Path]:
        """Edit the overlays, and return new parts without a value that they need."""
        if before is None:
            # The source declares it and the target does not, so an overlay of the target withdraws
            # it with null.
            self.overlays.restore(slug)
            # Values of the target that replace those of the source.
            before = self._current(slug)
        self._edit_fields(slug, before, held)
        current, schema = self._current(slug), any_provider_schema()
        return {
            item.path[:-1]
            for item in differences(slug, self._wanted(slug), current, self.expected)
            if isinstance(item.target, Absent)
            and schema.at(item.path).is_required
            and not self._has(before, item.path[:-1])
            and self._has(current, item.path[:-1])
        }

    @staticmethod
    def _has(tree: Tree, path: Path) -> bool:
        return lookup(tree, path) is not None

    def _leave_unfinished(self, slug: str, unfinished: Collection[Path]) -> None:
        """Report the parts of an integration that need a value that `differs` covers."""
        if not unfinished:
            return
        found = differences(slug, self._wanted(slug), self._current(slug), self.expected)
        inside = [item for item in found if _is_inside(item.path, unfinished)]
        self.left += [item for item in inside if not is_expected(item, self.expected)]
        own = [item for item in inside if is_expected(item, self.expected)]
        self.diagnostics.append(messages.unfinished(slug, unfinished, own, self.overlays))

    def _edit_fields(self, slug: str, before: Tree, held: Collection[Path]) -> None:
        """Edit one field after the other; raises `NotEditable` if that does not end."""
        wanted, base = self.wanted[slug], self.base[slug]
        schema = self._schema(wanted)
        # Named like the file of the source, so that both environments look alike in a review.
        name = name_of_overlay(self.others.patches(slug) if self.others else [], slug)
        # One edit in each round, followed by a new comparison: an edit can expose a field of the
        # base or complete a list, so later differences are not known in advance.
        for _ in range(_MAX_EDITS):
            current = self._current(slug)
            found = differences(slug, self._wanted(slug), current, self.expected)
            left = [d for d in found if not self._stays(d, held)]
            exposed = [] if left else self._exposed(slug, current, before, held)
            # Checked before success is reported, because an exposed field must not reach the
            # target.
            if exposed:
                self.overlays.withdraw(base, exposed[0].path, name=name)
            elif not left:
                return
            elif isinstance(left[0].source, Absent):
                self.overlays.withdraw(base, left[0].path, name=name)
            else:
                value = file_value(wanted, left[0].path, schema)
                self.overlays.declare(base, left[0].path, value, name=name)
        raise NotEditable

    def _stays(self, item: Difference, held: Collection[Path]) -> bool:
        return _is_inside(item.path, held) or is_expected(item, self.expected)

    def _exposed(
        self, slug: str, current: Tree, before: Tree, held: Collection[Path]
    ) -> list[Difference]:
        """Return fields of the base that an edit exposed although the target must not get them.

        A new entry of a list takes such a field from the base, because its absence can have a
        different meaning (for example for a budget), but never a host or a credential. Raises
        `NotEditable` if a field that must stay has changed.
        """
        exposed = []
        for item in differences(slug, current, before, self.expected):
            if not self._stays(item, held):
                continue
            # A value was removed or changed, and no further edit restores it.
            if not isinstance(item.target, Absent) or isinstance(item.source, Absent):
                raise NotEditable
            entry = any_provider_schema().entry_of(item.path)
            is_new = entry is not None and lookup(before, entry) is None
            if not is_new or item.sends_elsewhere or item.is_credential:
                exposed.append(item)
        return exposed

    def _missing_values(self, slug: str, before: Tree, kept: Iterable[Difference]) -> None:
        """Report fields that new entries of the target need and that were not copied."""
        current = self._current(slug)
        missing = []
        for item in kept:
            entry = any_provider_schema().entry_of(item.path)
            if entry is None or lookup(before, entry) is not None:
                continue
            if lookup(current, entry) is not None and lookup(current, item.path) is None:
                missing.append(item)
        if missing:
            self.left += missing
            self.diagnostics.append(messages.needs_values(slug, missing, self.overlays))

    def _current(self, slug: str) -> Tree:
        """Return what the edited files declare; raises `NotEditable` if they declare nothing."""
        document = self.overlays.merged(self.base[slug], self.overlays.patches(slug))
        if document is None:
            raise NotEditable
        return self._tree(document, self.target)

    def _wanted(self, slug: str) -> Tree:
        return self._tree(self.wanted[slug], self.source)

    @staticmethod
    def _tree(document: Sourced, target: Target) -> Tree:
        return normalize(bound_tree(document.value, target.known_fields))

    def _schema(self, document: Sourced) -> FieldSchema:
        provider = document.value.get("ai_provider_id")
        if not isinstance(provider, str):
            return any_provider_schema()
        # The settings of the source, because the copied values are read with them.
        vouched = self.source.known_fields.get(provider, ())
        return integration_schema(provider, vouched=vouched)


def _selected(patterns: Sequence[str], declared: Collection[str]) -> list[str]:
    """Return the slugs that match, all without patterns; raises `InvalidInput` if none does."""
    unmatched = [p for p in patterns if not any(fnmatchcase(slug, p) for slug in declared)]
    if unmatched:
        hint = "check the spelling; `reconcile parity` lists what differs"
        raise InvalidInput(
            [
                error("nothing-selected", f"`{p}` matches no declared integration", hint=hint)
                for p in unmatched
            ]
        )
    return sorted(
        slug for slug in declared if not patterns or any(fnmatchcase(slug, p) for p in patterns)
    )


def _is_inside(path: Path, parts: Collection[Path]) -> bool:
    """Return whether a path is one of some parts, or below one of them."""
    return any(path[: len(part)] == part for part in parts)


def _unprotects(item: Difference) -> bool:
    """Return whether a difference is that only the target protects an integration."""
    # If only one side declares `lifecycle`, the difference is the whole field.
    if item.path[:1] != _PROTECTED[:1] or isinstance(item.target, Absent):
        return False
    if item.path == _PROTECTED:
        return item.target is True
    return is_mapping(item.target) and item.target.get(_PROTECTED[1]) is True

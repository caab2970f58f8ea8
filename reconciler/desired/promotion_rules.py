"""Rules for `differs` and for the `promotion` of targets in reconcile.yaml.

The types are those of `reconciler.domain.policy`, which are checked elsewhere; a value of another
type has no rules here.
"""

from collections.abc import Iterator, Mapping

from reconciler.desired.problem_collector import ProblemCollector, Sourced, SourceOrigin, Steps
from reconciler.desired.suggestions import did_you_mean, one_of
from reconciler.domain.differs import EVERYTHING, ExpectedDifference, is_pattern, parse_expected
from reconciler.domain.schema import FieldKind, FieldSchema, any_provider_schema, show_path
from reconciler.domain.tree import Tree

_FORM_HINT = (
    "write the path of a field such as `configurations.azure_resource_name`, "
    "or slugs and a path such as `openai-*: key`"
)
_WHOLE = frozenset({FieldKind.SINGLE, FieldKind.LIST})
"""Kinds of values that an overlay replaces as a whole."""


def check_differs(
    tree: Tree, document: Sourced, problems: ProblemCollector, reported: set[Steps]
) -> None:
    """Report the mistakes in `differs`: entries of another form, and fields that do not exist.

    The locations of entries of another type are added to `reported`.
    """
    for steps in _of_wrong_type(tree):
        summary = "an entry of `differs` must be a string"
        problems.error("wrong-type", summary, document.origin_of(steps), hint=_FORM_HINT)
        reported.update((steps, steps[:2]))
    known = frozenset(_known_fields(tree))
    for text, origin in _entries(tree, document):
        entry = parse_expected(text)
        if entry is None:
            summary = "an entry of `differs` must name a field"
            problems.error("invalid-value", summary, origin, hint=_FORM_HINT)
        elif entry.path != EVERYTHING:
            _check_path(entry, known, origin, problems)


def check_promotions(tree: Tree, document: Sourced, problems: ProblemCollector) -> None:
    """Report promotions from a target that does not exist, or that lead back to themselves."""
    targets = tree.get("targets")
    if not isinstance(targets, dict):
        return
    sources = {name: _source_of(target) for name, target in targets.items()}
    for name, source in sources.items():
        if source is None:
            continue
        origin = document.origin_of(("targets", name, "promotion", "from"))
        # Reported here, because the model cannot compare one target with the others.
        if source not in targets:
            others = sorted(other for other in targets if other != name)
            hint = did_you_mean(source, others) or one_of(others)
            summary = f"`targets` has no target `{source}`"
            problems.error("unknown-target", summary, origin, hint=hint)
        elif _returns_to(name, sources):
            summary = f"the promotion of target `{name}` leads back to itself"
            hint = "name a target that is applied earlier, such as staging"
            problems.error("invalid-value", summary, origin, hint=hint)


def _entries(tree: Tree, document: Sourced) -> Iterator[tuple[str, SourceOrigin]]:
    differs = tree.get("differs")
    for index, entry in enumerate(differs if isinstance(differs, list) else ()):
        origin = document.origin_of(("differs", index))
        if isinstance(entry, str):
            yield entry, origin
        elif isinstance(entry, dict):
            for slugs, path in entry.items():
                if isinstance(path, str):
                    yield f"{slugs}: {path}", origin.at(slugs)


def _of_wrong_type(tree: Tree) -> Iterator[Steps]:
    differs = tree.get("differs")
    for index, entry in enumerate(differs if isinstance(differs, list) else ()):
        if isinstance(entry, dict):
            for slugs, path in entry.items():
                if not isinstance(path, str):
                    yield "differs", index, slugs
        elif not isinstance(entry, str):
            yield "differs", index


def _known_fields(tree: Tree) -> Iterator[str]:
    """Yield the configuration fields that a target declares as known."""
    targets = tree.get("targets")
    for target in targets.values() if isinstance(targets, dict) else ():
        known = target.get("known_fields") if isinstance(target, dict) else None
        for names in known.values() if isinstance(known, dict) else ():
            if isinstance(names, list):
                yield from (name for name in names if isinstance(name, str))


def _check_path(
    entry: ExpectedDifference,
    known: frozenset[str],
    origin: SourceOrigin,
    problems: ProblemCollector,
) -> None:
    field = any_provider_schema()
    for position, step in enumerate(entry.path):
        if field.kind in _WHOLE or (field.kind is FieldKind.SCALAR and position):
            whole = show_path(entry.path[:position])
            summary = f"`{whole}` is compared as a whole, so no part of it can be listed"
            problems.error("invalid-value", summary, origin, hint=f"write `{whole}`")
            return
        if field.kind is FieldKind.OBJECT:
            # Only the files show what a pattern matches.
            if is_pattern(step):
                return
            if step not in field.fields:
                if entry.path[:position] != ("configurations",) or step not in known:
                    _report_unknown(entry, position, field, origin, problems)
                return
        field = field.child(step)
    if entry.path == ("slug",):
        summary = "`slug` cannot differ: it identifies the integration"
        hint = "remove it; `SLUG: *` covers an integration that only some environments have"
        problems.error("invalid-value", summary, origin, hint=hint)


def _report_unknown(
    entry: ExpectedDifference,
    position: int,
    field: FieldSchema,
    origin: SourceOrigin,
    problems: ProblemCollector,
) -> None:
    step, above = entry.path[position], show_path(entry.path[:position])
    summary = f"`{step}` is not a field of {f'`{above}`' if above else 'an integration'}"
    hint = did_you_mean(step, field.fields)
    if not hint and above == "configurations":
        hint = f"list it in `known_fields` of a target, or write `{above}` or a pattern"
    elif not hint and not above:
        hint = _FORM_HINT
    problems.error("unknown-field", summary, origin, hint=hint)


def _source_of(target: object) -> str | None:
    promotion = target.get("promotion") if isinstance(target, Mapping) else None
    source = promotion.get("from") if isinstance(promotion, Mapping) else None
    return source if isinstance(source, str) else None


def _returns_to(name: str, sources: Mapping[str, str | None]) -> bool:
    """Return whether a chain of promotions leads back to its first target."""
    passed: set[str] = set()
    source = sources[name]
    while source is not None and source not in passed:
        if source == name:
            return True
        passed.add(source)
        source = sources.get(source)
    return False

"""The front door from files to `DesiredState`. It never raises for a user's mistake.

Every mistake of every file is found in one run; a state exists only when there is none. What a
single file may hold: `desired.yaml_source`; what an integration may say: `desired.validate` and
`desired.rules`; patches of environments: `desired.overlay`.
"""

import gc
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from types import MappingProxyType

from reconciler.desired.config import Config, choose_target, override_base_url, read_config
from reconciler.desired.documents import Documents
from reconciler.desired.integration_builder import declare
from reconciler.desired.problem_collector import Judge, ProblemCollector, Sourced, SourceOrigin
from reconciler.desired.render import Rendered, rendered
from reconciler.desired.source import DirectorySource, FileSource
from reconciler.diagnostics import Diagnostic, has_errors, in_order
from reconciler.domain.policy import NO_KNOWN_FIELDS, KnownFields, Target
from reconciler.domain.state import Declared, DesiredState


@dataclass(frozen=True, slots=True)
class Loaded:
    """What came of loading; `state` is None as soon as there is one error."""

    config: Config | None
    state: DesiredState | None
    diagnostics: tuple[Diagnostic, ...]


def load(
    files: Path | FileSource,
    *,
    target_name: str | None,
    today: date,
    base_url_override: str | None = None,
    judge: Judge | None = None,
    expects_creates: bool = False,
) -> Loaded:
    """Load what the files declare for a target, the default one without a name.

    `judge` has its say on every reference, so that its findings have a place in the files. With
    `expects_creates`, warn of what keeps an integration from being created; a plan knows better.
    """
    source = as_source(files)
    findings = ProblemCollector(source, judge=judge, expects_creates=expects_creates)
    with _without_garbage_collection():
        config = read_config(source, findings)
        target = None
        if config is not None:
            target, problems = choose_target(config, target_name)
            findings.diagnostics += problems
        if target is not None and base_url_override:
            target, problems = override_base_url(target, base_url_override)
            findings.diagnostics += problems
        documents = Documents(source, findings, config)
        integrations = _declare_all(documents, config, _Terms.of(target), today, findings)
    diagnostics = in_order(findings.diagnostics)
    if target is None or config is None or has_errors(diagnostics):
        return Loaded(config, None, diagnostics)
    return Loaded(config, _state(config, target, integrations), diagnostics)


def load_config(files: Path | FileSource) -> tuple[Config | None, tuple[Diagnostic, ...]]:
    """Load reconcile.yaml alone."""
    source = as_source(files)
    findings = ProblemCollector(source)
    config = read_config(source, findings)
    return config, in_order(findings.diagnostics)


def load_desired(
    files: Path | FileSource, config: Config, target: Target, today: date
) -> tuple[DesiredState | None, tuple[Diagnostic, ...]]:
    """Load the integrations for a target of a configuration that is known already."""
    source = as_source(files)
    findings = ProblemCollector(source)
    with _without_garbage_collection():
        documents = Documents(source, findings, config)
        integrations = _declare_all(documents, config, _Terms.of(target), today, findings)
    diagnostics = in_order(findings.diagnostics)
    if has_errors(diagnostics):
        return None, diagnostics
    return _state(config, target, integrations), diagnostics


def load_readable(
    files: FileSource, target: Target, today: date
) -> tuple[DesiredState, tuple[Diagnostic, ...]]:
    """Load what can be read of files that are not there to be mended, such as those of a commit.

    A problem leaves out only the integrations that it is about. The overlay is the one that the
    target had then, according to reconcile.yaml beside the files.
    """
    findings = ProblemCollector(files)
    with _without_garbage_collection():
        config = read_config(files, findings)
        same = config.targets.get(target.name) if config is not None else None
        terms = _Terms.of(same or target)
        # Without tombstones and targets: what is buried today was rightly declared then.
        documents = Documents(files, findings)
        integrations = _declare_all(documents, None, terms, today, findings)
    ordered = {slug: integrations[slug] for slug in sorted(integrations)}
    state = DesiredState(target, MappingProxyType(ordered))
    return state, in_order(findings.diagnostics)


def check(
    files: Path | FileSource, *, target_name: str | None, today: date
) -> tuple[Diagnostic, ...]:
    """Find everything that is wrong: for one target, or without a name for every environment."""
    source = as_source(files)
    findings = ProblemCollector(source)
    with _without_garbage_collection():
        config = read_config(source, findings)
        terms = [_Terms()]
        if config is not None and target_name is not None:
            target, problems = choose_target(config, target_name)
            findings.diagnostics += problems
            terms = [_Terms.of(target)]
        elif config is not None and config.targets:
            terms = _terms_of_all(config.targets.values())
        documents = Documents(source, findings, config)
        for each in terms:
            _declare_all(documents, config, each, today, findings)
    return in_order(findings.diagnostics)


def load_rendered(
    files: Path | FileSource, *, target_name: str | None, today: date
) -> tuple[tuple[Rendered, ...], tuple[Diagnostic, ...]]:
    """Load for a target, and keep what each integration came to and from where, by slug."""
    source = as_source(files)
    findings = ProblemCollector(source)
    config = read_config(source, findings)
    target = None
    if config is not None:
        target, problems = choose_target(config, target_name)
        findings.diagnostics += problems
    terms = _Terms.of(target)
    documents = list(Documents(source, findings, config).merged(terms.environment))
    declared = {d.origin: declare(d, findings, today, terms.known_fields) for d in documents}
    diagnostics = in_order(findings.diagnostics)
    if has_errors(diagnostics):
        return (), diagnostics
    pairs = [(i, d) for d in documents if (i := declared[d.origin]) is not None]
    pairs.sort(key=lambda pair: pair[0].slug)
    return tuple(rendered(i, d, findings) for i, d in pairs), diagnostics


@dataclass(frozen=True, slots=True)
class _Terms:
    """What a target adds to the files: an environment, and the fields that it vouches for."""

    environment: str | None = None
    known_fields: KnownFields = field(default_factory=lambda: NO_KNOWN_FIELDS)

    @classmethod
    def of(cls, target: Target | None) -> "_Terms":
        return cls() if target is None else cls(target.environment, target.known_fields)


def _terms_of_all(targets: Iterable[Target]) -> list[_Terms]:
    """Return each different pair of environment and known fields once, in the order of names."""
    terms = {
        (target.environment or "", str(sorted(target.known_fields.items()))): _Terms.of(target)
        for target in targets
    }
    return [terms[key] for key in sorted(terms)]


def as_source(files: Path | FileSource) -> FileSource:
    """Take a directory for the files in it."""
    return DirectorySource(files) if isinstance(files, Path) else files


def _declare_all(
    documents: Documents,
    config: Config | None,
    terms: "_Terms",
    today: date,
    findings: ProblemCollector,
) -> dict[str, Declared]:
    declared: dict[str, Declared] = {}
    for document in documents.merged(terms.environment):
        integration = declare(document, findings, today, terms.known_fields)
        if integration is not None:
            declared[integration.slug] = integration
            _check_tombstone(integration.slug, document, config, findings)
    return declared


def _check_tombstone(
    slug: str, document: Sourced, config: Config | None, findings: ProblemCollector
) -> None:
    if config is None or slug not in config.tombstones:
        return
    where: SourceOrigin = document.origin_of(("slug",))
    findings.error(
        "tombstoned-slug",
        f"`{slug}` is declared here and listed under `deletions` in reconcile.yaml",
        where,
        hint="remove this file, or the entry in `deletions`",
    )


def _state(config: Config, target: Target, integrations: dict[str, Declared]) -> DesiredState:
    ordered = {slug: integrations[slug] for slug in sorted(integrations)}
    return DesiredState(target, MappingProxyType(ordered), config.tombstones)


@contextmanager
def _without_garbage_collection() -> Iterator[None]:
    """Pause the collector: loading makes many objects, little garbage, and halves its time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()

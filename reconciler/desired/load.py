"""Load files into a `DesiredState`; a mistake in a file becomes a diagnostic, never an exception.

Every error of every file is found in one run; a state exists only if there is no error. Content
of a single file: `desired.yaml_values`. Content of an integration: `desired.validate` and
`desired.integration_builder`; patches of environments: `desired.overlay`.

Positions are not kept. For a secret that has no value, which is rare, the files are read again to
find the line that names it.
"""

import gc
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import field, replace
from datetime import date
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from reconciler.desired.config import (
    CONFIG_FILE,
    Config,
    choose_target,
    override_base_url,
    read_config,
)
from reconciler.desired.documents import Documents
from reconciler.desired.integration_builder import build_integration
from reconciler.desired.problem_collector import (
    ProblemCollector,
    ReferenceCheck,
    Sourced,
    SourceOrigin,
    Steps,
)
from reconciler.desired.references import parse_reference
from reconciler.desired.render import RenderedIntegration, render
from reconciler.desired.source import DirectorySource, FileSource
from reconciler.desired.yaml_values import Data
from reconciler.diagnostics import Diagnostic, SourceLocation, has_errors, in_order
from reconciler.domain.policy import NO_KNOWN_FIELDS, KnownFields, Target
from reconciler.domain.secrets import SecretRef
from reconciler.domain.state import Declared, DesiredState
from reconciler.frozen_dataclass import dataclass

if TYPE_CHECKING:
    from reconciler.desired.catalogue_rules import ModelRules
    from reconciler.domain.catalogue import ModelFinding


@dataclass(frozen=True, slots=True)
class Loaded:
    """The result of loading; `state` is None if there is an error."""

    config: Config | None
    state: DesiredState | None
    diagnostics: tuple[Diagnostic, ...]


@dataclass(frozen=True, slots=True)
class Checked:
    """All problems of the files, and the catalogue's findings about their models."""

    diagnostics: tuple[Diagnostic, ...]
    models: "tuple[ModelFinding, ...]" = ()


def load(
    files: Path | FileSource,
    *,
    target_name: str | None,
    today: date,
    base_url_override: str | None = None,
    check_reference: ReferenceCheck | None = None,
    expects_creates: bool = False,
    retirement_days: int | None = None,
) -> Loaded:
    """Load what the files declare for a target, the default one if no name is given.

    `check_reference` may object to a reference; the objection is reported at the reference. With
    `expects_creates`, report what prevents an integration from being created; a plan decides this
    better, because it reads which integrations exist. Models of the catalogue that retire within
    `retirement_days` are reported, by default within `catalogue.NOTICE_DAYS`.
    """
    source = as_source(files)
    problems = ProblemCollector(
        source, check_reference=check_reference, expects_creates=expects_creates
    )
    with _without_garbage_collection():
        config = read_config(source, problems)
        target = _choose_target(config, target_name, problems)
        if target is not None and base_url_override:
            target, diagnostics = override_base_url(target, base_url_override)
            problems.diagnostics += diagnostics
        # Even without a target, so that one run finds the mistakes of all files.
        documents = Documents(source, problems, config)
        models = _model_rules(source, config, problems, today, retirement_days)
        terms = _Terms.of(target)
        integrations = _build_all(documents, config, terms, today, problems, models=models)
    diagnostics = in_order(problems.diagnostics)
    # Warnings do not prevent a plan, but one error does, because what it hides could be treated as
    # deleted.
    if target is None or config is None or has_errors(diagnostics):
        return Loaded(config, None, diagnostics)
    state = _state(source, config, target, integrations)
    if models is not None:
        state = replace(state, models=tuple(models.findings))
    return Loaded(config, state, diagnostics)


def load_config(files: Path | FileSource) -> tuple[Config | None, tuple[Diagnostic, ...]]:
    """Load reconcile.yaml alone."""
    source = as_source(files)
    problems = ProblemCollector(source)
    config = read_config(source, problems)
    return config, in_order(problems.diagnostics)


def load_desired(
    files: Path | FileSource, config: Config, target: Target, today: date
) -> tuple[DesiredState | None, tuple[Diagnostic, ...]]:
    """Load the integrations for a target of a configuration that has been loaded."""
    source = as_source(files)
    problems = ProblemCollector(source)
    # `read_config` would have set it, but is not called here.
    problems.accepted_providers = config.providers
    with _without_garbage_collection():
        documents = Documents(source, problems, config)
        integrations = _build_all(documents, config, _Terms.of(target), today, problems)
    diagnostics = in_order(problems.diagnostics)
    if has_errors(diagnostics):
        return None, diagnostics
    return _state(source, config, target, integrations), diagnostics


def load_readable(
    files: FileSource, target: Target, today: date
) -> tuple[DesiredState, tuple[Diagnostic, ...]]:
    """Load the readable part of files that cannot be corrected, such as those of a commit.

    A problem excludes only the integrations that it concerns. The overlay is the one that
    reconcile.yaml of the same folder names for the target.
    """
    problems = ProblemCollector(files)
    with _without_garbage_collection():
        config = read_config(files, problems)
        # The settings of that commit are used, because they determined the meaning of the files.
        same = config.targets.get(target.name) if config is not None else None
        terms = _Terms.of(same or target)
        # Without the configuration, because a slug that is in `deletions` today was valid at that
        # commit.
        documents = Documents(files, problems)
        integrations = _build_all(documents, None, terms, today, problems)
    ordered = {slug: integrations[slug] for slug in sorted(integrations)}
    state = DesiredState(target, MappingProxyType(ordered))
    return state, in_order(problems.diagnostics)


def check(
    files: Path | FileSource,
    *,
    target_name: str | None,
    today: date,
    check_reference: ReferenceCheck | None = None,
    expects_creates: bool = False,
) -> tuple[Diagnostic, ...]:
    """Return all problems of the files; see `check_with_models`."""
    return check_with_models(
        files,
        target_name=target_name,
        today=today,
        check_reference=check_reference,
        expects_creates=expects_creates,
    ).diagnostics


def check_with_models(
    files: Path | FileSource,
    *,
    target_name: str | None,
    today: date,
    check_reference: ReferenceCheck | None = None,
    expects_creates: bool = False,
    retirement_days: int | None = None,
) -> Checked:
    """Return all problems of the files: for one target, or without a name for every target.

    `check_reference`, `expects_creates` and `retirement_days` are those of `load`.
    """
    source = as_source(files)
    problems = ProblemCollector(
        source, check_reference=check_reference, expects_creates=expects_creates
    )
    with _without_garbage_collection():
        # A separate function, so that the documents are freed before collections start again: the
        # first one would visit all of them.
        findings = _check_all(source, target_name, today, problems, retirement_days)
    return Checked(in_order(problems.diagnostics), findings)


def _check_all(
    source: FileSource,
    target_name: str | None,
    today: date,
    problems: ProblemCollector,
    retirement_days: int | None,
) -> "tuple[ModelFinding, ...]":
    """Report all problems of the files, and return the catalogue's findings about their models."""
    config = read_config(source, problems)
    terms = [_Terms()]
    if config is not None and target_name is not None:
        terms = [_Terms.of(_choose_target(config, target_name, problems))]
    elif config is not None and config.targets:
        terms = _terms_of_all(config.targets.values())
    documents = Documents(source, problems, config)
    models = _model_rules(source, config, problems, today, retirement_days)
    for terms_of_target in terms:
        for _integration in _built(
            documents, config, terms_of_target, today, problems, models=models
        ):
            pass  # only its problems are needed
    return tuple(models.findings) if models else ()


def load_rendered(
    files: Path | FileSource, *, target_name: str | None, today: date
) -> tuple[tuple[RenderedIntegration, ...], tuple[Diagnostic, ...]]:
    """Load for a target; return each merged integration with its source locations, by slug."""
    source = as_source(files)
    problems = ProblemCollector(source)
    config = read_config(source, problems)
    terms = _Terms.of(_choose_target(config, target_name, problems))
    built = []
    for document in Documents(source, problems, config).merged(terms.environment):
        integration = build_integration(document, problems, today, terms.known_fields)
        if integration is not None:
            built.append((integration, document))
    diagnostics = in_order(problems.diagnostics)
    if has_errors(diagnostics):
        return (), diagnostics
    # The order of files is that of the file system.
    built.sort(key=lambda pair: pair[0].slug)
    return tuple(render(*pair, problems) for pair in built), diagnostics


@dataclass(frozen=True, slots=True)
class _Terms:
    """Settings of a target that change what files mean: its environment and known fields."""

    environment: str | None = None
    known_fields: KnownFields = field(default_factory=lambda: NO_KNOWN_FIELDS)

    @classmethod
    def of(cls, target: Target | None) -> "_Terms":
        return cls() if target is None else cls(target.environment, target.known_fields)


def _terms_of_all(targets: Iterable[Target]) -> list[_Terms]:
    """Return the distinct settings of targets, ordered by environment."""
    terms = {}
    # Targets with equal settings would report every problem twice.
    for target in targets:
        # As text, because keys are sorted below, and a mapping has no order.
        key = (target.environment or "", str(sorted(target.known_fields.items())))
        terms[key] = _Terms.of(target)
    return [terms[key] for key in sorted(terms)]


def as_source(files: Path | FileSource) -> FileSource:
    """Return the source of files: the argument itself, or the files of a directory."""
    return DirectorySource(files) if isinstance(files, Path) else files


def _choose_target(
    config: Config | None, name: str | None, problems: ProblemCollector
) -> Target | None:
    if config is None:
        return None
    target, diagnostics = choose_target(config, name)
    problems.diagnostics += diagnostics
    return target


def _build_all(
    documents: Documents,
    config: Config | None,
    terms: _Terms,
    today: date,
    problems: ProblemCollector,
    *,
    models: "ModelRules | None" = None,
) -> dict[str, Declared]:
    """Build every integration that has no error, by slug."""
    # A duplicate slug is an error, so no integration silently replaces another one.
    built = _built(documents, config, terms, today, problems, models=models)
    return {integration.slug: integration for integration in built}


def _built(
    documents: Documents,
    config: Config | None,
    terms: _Terms,
    today: date,
    problems: ProblemCollector,
    *,
    models: "ModelRules | None" = None,
) -> Iterator[Declared]:
    """Yield every integration that has no error, and report all problems."""
    for document in documents.merged(terms.environment):
        integration = build_integration(document, problems, today, terms.known_fields)
        if integration is not None:
            _check_tombstone(integration.slug, document, config, problems)
            if models is not None:
                models.check(integration, document)
            yield integration


def _model_rules(
    source: FileSource,
    config: Config | None,
    problems: ProblemCollector,
    today: date,
    days: int | None,
) -> "ModelRules | None":
    """Return the rules of the catalogue; report and return None if it cannot be used."""
    if config is None or config.catalogue is None:
        return None
    # Imported late, because few repositories pin a catalogue.
    from reconciler.desired.catalogue_file import read_catalogue
    from reconciler.desired.catalogue_rules import ModelRules
    from reconciler.domain.catalogue import NOTICE_DAYS

    here = SourceOrigin(CONFIG_FILE, path=("catalogue",))
    catalogue = read_catalogue(source, config.catalogue, problems, here)
    if catalogue is None:
        return None
    days = NOTICE_DAYS if days is None else max(days, NOTICE_DAYS)
    return ModelRules(catalogue, problems, today=today, days=days)


def _check_tombstone(
    slug: str, document: Sourced, config: Config | None, problems: ProblemCollector
) -> None:
    if config is None or slug not in config.tombstones:
        return
    problems.error(
        "tombstoned-slug",
        f"`{slug}` is declared here and listed under `deletions` in {CONFIG_FILE}",
        document.origin_of(("slug",)),
        hint="remove this file, or the entry in `deletions`",
    )


def _state(
    source: FileSource, config: Config, target: Target, integrations: dict[str, Declared]
) -> DesiredState:
    # Ordered by slug, so that nothing depends on the order of the files.
    ordered = {slug: integrations[slug] for slug in sorted(integrations)}
    locate = ReferenceLocator(source, config, target.environment)
    return DesiredState(target, MappingProxyType(ordered), config.tombstones, locate)


@contextmanager
def _without_garbage_collection() -> Iterator[None]:
    """Pause the garbage collector, which takes half of the time and finds hardly any garbage."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        # The caller may have disabled it before.
        if was_enabled:
            gc.enable()


class ReferenceLocator:
    """Finds the first location at which an integration of an environment names a reference."""

    def __init__(self, source: FileSource, config: Config, environment: str | None) -> None:
        self._source = source
        self._config = config
        self._environment = environment
        self._problems = ProblemCollector(source)
        self._origins: dict[tuple[str, SecretRef], SourceOrigin] | None = None

    def __call__(self, slug: str, reference: SecretRef) -> SourceLocation | None:
        """Return the location of a reference, None if the files no longer contain it."""
        # Found on first use, because most plans never need the location of a reference.
        if self._origins is None:
            self._origins = dict(self._find_all())
        origin = self._origins.get((slug, reference))
        return None if origin is None else self._problems.location_of(origin)

    def _find_all(self) -> Iterator[tuple[tuple[str, SecretRef], SourceOrigin]]:
        documents = Documents(self._source, self._problems, self._config)
        for document in documents.merged(self._environment):
            slug = str(document.value.get("slug"))
            found: dict[SecretRef, Steps] = {}
            for reference, steps in _references(document.value, ()):
                found.setdefault(reference, steps)
            for reference, steps in found.items():
                yield (slug, reference), document.origin_of(steps)


def api_key_location(source: FileSource, target: str, *place: str) -> SourceLocation:
    """Return where reconcile.yaml names a key of a target, by default its API key."""
    place = place or ("api_key",)
    origin = SourceOrigin(CONFIG_FILE, path=("targets", target, *place))
    return ProblemCollector(source).location_of(origin)


def _references(node: Data, steps: Steps) -> Iterator[tuple[SecretRef, Steps]]:
    if isinstance(node, str):
        reference = parse_reference(node) if node.startswith("${") else None
        if reference is not None:
            yield reference, steps
    elif isinstance(node, dict):
        for name, item in node.items():
            yield from _references(item, (*steps, name))
    elif isinstance(node, list):
        for index, item in enumerate(node):
            yield from _references(item, (*steps, index))

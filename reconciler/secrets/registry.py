"""Resolution of references: the resolver of each scheme, and one read of each source.

`resolve_all` does not raise for a missing secret: its meaning depends on the command, so the caller
gets both values and problems. `Secrets` resolves what a run needs. This module reads variables,
because nearly every run uses some; any other resolver is imported when a reference first uses its
scheme. An installed package can add schemes, but cannot replace a built-in one.
"""

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import field
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, cast

from reconciler.desired.load import api_key_location
from reconciler.desired.source import DirectorySource
from reconciler.diagnostics import Diagnostic, error, notice
from reconciler.domain.policy import Target
from reconciler.domain.secrets import Placeholder, Redacted, SecretError, SecretRef
from reconciler.domain.state import Declared, DesiredState
from reconciler.domain.tree import references
from reconciler.errors import InvalidInput
from reconciler.frozen_dataclass import dataclass
from reconciler.secrets.allowlist import AllowList, api_key_problem
from reconciler.secrets.resolver import Answer, Answers, Resolver, ResolverContext

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP = "reconciler.secrets"
"""Entry point group in which an installed package adds a scheme."""

UNSET = "unset-variable"
EMPTY = "empty-secret"
_VARIABLE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

MAX_WORKERS = 8
TIMEOUT_SECONDS = 60.0

_NAMED = 5
"""References that a notice names."""

# Reading these is faster than starting a thread.
_INSTANT = frozenset({"env", "file"})

Factory = Callable[[ResolverContext], Resolver]


@dataclass(frozen=True, slots=True)
class Scheme:
    """Module of a built-in resolver, and the extra with its library."""

    module: str
    factory: str
    extra: str | None = None


BUILT_IN: Mapping[str, Scheme] = MappingProxyType(
    {
        "env": Scheme("reconciler.secrets.registry", "EnvResolver"),
        "file": Scheme("reconciler.secrets.file", "FileResolver"),
        "vault": Scheme("reconciler.secrets.vault", "VaultResolver", "vault"),
        "aws": Scheme("reconciler.secrets.aws", "AwsResolver", "aws"),
        "sops": Scheme("reconciler.secrets.sops", "SopsResolver"),
    }
)


@dataclass(frozen=True, slots=True)
class Resolution:
    """Result for every requested reference, either in `values` or in `missing`.

    `placeholders` are the references in `values` with a placeholder for an unset variable on a
    simulator.
    """

    values: Mapping[SecretRef, Redacted] = field(default_factory=lambda: MappingProxyType({}))
    missing: Mapping[SecretRef, SecretError] = field(default_factory=lambda: MappingProxyType({}))
    placeholders: frozenset[SecretRef] = frozenset()


class EnvResolver:
    """`env:NAME`: variable of the given environment, never of the process itself.

    All variables are one source, because reading them takes no time.
    """

    def __init__(self, context: ResolverContext) -> None:
        self._environ = context.environ

    def source_of(self, locator: str) -> str:  # noqa: ARG002 - the contract's signature
        """Return the same source for every variable."""
        return ""

    def read(self, refs: Sequence[SecretRef]) -> Answers:
        """Look up each variable."""
        return {ref: self._read(ref) for ref in refs}

    def _read(self, ref: SecretRef) -> Answer:
        if not _VARIABLE_NAME.fullmatch(ref.locator):
            return SecretError(ref, "the name of the variable is invalid", code="bad-reference")
        if ref.locator not in self._environ:
            summary = f"the environment variable {ref.locator} is not set"
            return SecretError(ref, summary, code=UNSET, hint=self._hint(ref.locator))
        value = Redacted(self._environ[ref.locator])
        if value.is_empty:
            summary = f"the environment variable {ref.locator} is empty"
            return SecretError(ref, summary, code=EMPTY, hint=self._hint(ref.locator, empty=True))
        return value

    def _hint(self, name: str, *, empty: bool = False) -> str:
        """Return how to set a variable in GitHub Actions, another CI, or a shell."""
        if self._environ.get("GITHUB_ACTIONS") == "true":
            if empty:
                return (
                    f"create the secret {name} in GitHub; GitHub passes a secret that is "
                    f"not set as an empty string"
                )
            return f"add `{name}: ${{{{ secrets.{name} }}}}` to the `env:` of the step"
        if self._environ.get("CI") == "true":
            return f"define {name} as a secret variable of the CI job"
        return f"run `export {name}=…`"


@dataclass(slots=True)
class _Batch:
    """References that one read of a source resolves."""

    resolver: Resolver
    refs: list[SecretRef] = field(default_factory=list)


class Resolvers:
    """Resolvers of one run, created on first use; `plugins` are the installed entry points."""

    def __init__(
        self,
        context: ResolverContext,
        *,
        built_in: Mapping[str, Scheme] = BUILT_IN,
        plugins: "Iterable[EntryPoint] | None" = None,
    ) -> None:
        self._context = context
        self._built_in = built_in
        self._plugins = plugins
        self._made: dict[str, Resolver] = {}

    def find(self, ref: SecretRef) -> Resolver:
        """Return the resolver of this reference's scheme, or raise `SecretError`."""
        # One resolver for each scheme, because it keeps the connection and the values that it has
        # read.
        if ref.scheme not in self._made:
            scheme = self._built_in.get(ref.scheme)
            if scheme is None:
                self._made[ref.scheme] = self._find_plugin(ref)
            else:
                self._made[ref.scheme] = _load(ref, scheme)(self._context)
        return self._made[ref.scheme]

    def _find_plugin(self, ref: SecretRef) -> Resolver:
        # Only for other schemes, because this searches every installed package.
        from importlib.metadata import entry_points

        installed = tuple(entry_points(group=GROUP) if self._plugins is None else self._plugins)
        for point in installed:
            if point.name == ref.scheme:
                return self._load_plugin(ref, point)
        known = ", ".join(sorted({*self._built_in, *(point.name for point in installed)}))
        raise SecretError(
            ref, f"there is no scheme `{ref.scheme}`", code="unknown-scheme", hint=f"known: {known}"
        )

    def _load_plugin(self, ref: SecretRef, point: "EntryPoint") -> Resolver:
        try:
            # An entry point has no type; what it must return is the contract of `GROUP`.
            return cast("Factory", point.load())(self._context)
        except SecretError:
            raise
        except Exception as problem:  # noqa: BLE001 - an installed package may fail in any way
            reason = f"the resolver {point.value} cannot be used: {type(problem).__name__}"
        # Raised outside of `except`, because the context of an exception could contain a value.
        raise SecretError(ref, reason, code="secret-failed")


def resolve_all(
    refs: Iterable[SecretRef],
    *,
    resolvers: Resolvers,
    allowed: AllowList | None,
    placeholders: bool = False,
    time_limit: float = TIMEOUT_SECONDS,
) -> Resolution:
    """Read every distinct reference; blocks for at most `time_limit` seconds.

    A reference outside `allowed` is not read; None is for the variable of a target's API key, which
    `api_key_problem` checks. With `placeholders`, an unset variable gets a placeholder that is the
    same in every run.
    """
    distinct = sorted(set(refs))
    answers: dict[SecretRef, Answer] = {}
    if allowed is not None:
        # Checked before any resolver is created, because a reference that is not allowed must not
        # even cause a connection.
        answers |= {problem.ref: problem.as_error() for problem in allowed.problems(distinct)}
    permitted = [ref for ref in distinct if ref not in answers]
    answers |= _read_all(permitted, resolvers=resolvers, time_limit=time_limit)
    # An empty secret is most likely a mistake of the store, and would clear the stored one.
    answers = {ref: _refuse_unusable(ref, answer) for ref, answer in answers.items()}
    made_up: dict[SecretRef, Redacted] = {}
    if placeholders:
        made_up = {ref: _placeholder(ref) for ref, answer in answers.items() if _is_unset(answer)}
        answers |= made_up
    return Resolution(
        values={ref: a for ref, a in answers.items() if isinstance(a, Redacted)},
        missing={ref: a for ref, a in answers.items() if isinstance(a, SecretError)},
        placeholders=frozenset(made_up),
    )


def _read_all(
    refs: Sequence[SecretRef], *, resolvers: Resolvers, time_limit: float
) -> dict[SecretRef, Answer]:
    answers: dict[SecretRef, Answer] = {}
    slow: list[_Batch] = []
    for (scheme, _), batch in _group_by_source(refs, resolvers, answers).items():
        if scheme in _INSTANT:
            answers |= _read(batch)
        else:
            slow.append(batch)
    if slow:
        answers |= _read_in_threads(slow, time_limit=time_limit)
    return answers


def _group_by_source(
    refs: Sequence[SecretRef], resolvers: Resolvers, answers: dict[SecretRef, Answer]
) -> dict[tuple[str, str], _Batch]:
    """Group by scheme and source; a reference without a resolver fails at once."""
    batches: dict[tuple[str, str], _Batch] = {}
    # A resolver that cannot be loaded is not tried again for each reference.
    broken: dict[str, SecretError] = {}
    for ref in refs:
        try:
            if ref.scheme in broken:
                raise broken[ref.scheme].about(ref)
            resolver = resolvers.find(ref)
        except SecretError as problem:
            answers[ref] = broken[ref.scheme] = problem
            continue
        key = (ref.scheme, resolver.source_of(ref.locator))
        # One read for each source, so that ten fields of one entry take only one request.
        batches.setdefault(key, _Batch(resolver)).refs.append(ref)
    return batches


def _read_in_threads(batches: Sequence[_Batch], *, time_limit: float) -> dict[SecretRef, Answer]:
    pool = ThreadPoolExecutor(min(MAX_WORKERS, len(batches)), thread_name_prefix="secrets")
    reads: dict[Future[Answers], _Batch] = {pool.submit(_read, batch): batch for batch in batches}
    done, late = wait(reads, timeout=time_limit)
    # A hanging read must not delay the command, so its thread is abandoned.
    pool.shutdown(wait=False, cancel_futures=True)
    answers: dict[SecretRef, Answer] = {}
    for future in done:
        answers |= future.result()
    for future in late:
        answers |= {ref: _too_late(ref, time_limit) for ref in reads[future].refs}
    return answers


def _read(batch: _Batch) -> Answers:
    """Read one source, and convert any exception to a `SecretError` for each reference."""
    refs = batch.refs
    try:
        found = batch.resolver.read(refs)
    except SecretError as problem:
        return {ref: problem.about(ref) for ref in refs}
    except Exception as problem:  # noqa: BLE001 - a library's message may hold the value
        reason = f"the resolver failed with {type(problem).__name__}"
        return {ref: SecretError(ref, reason, code="secret-failed") for ref in refs}
    # `or` is safe, because a `Redacted` is always truthy.
    return {ref: found.get(ref) or _not_answered(ref) for ref in refs}


def _load(ref: SecretRef, scheme: Scheme) -> Factory:
    try:
        return cast("Factory", getattr(import_module(scheme.module), scheme.factory))
    except ModuleNotFoundError as problem:
        raise SecretError(
            ref,
            f"the Python package `{problem.name}` is not installed",
            code="missing-extra",
            hint=f"pip install 'portkey-reconciler[{scheme.extra}]'",
        ) from None


def _not_answered(ref: SecretRef) -> SecretError:
    return SecretError(ref, "the resolver returned no value", code="secret-failed")


def _too_late(ref: SecretRef, time_limit: float) -> SecretError:
    return SecretError(ref, f"no response within {time_limit:g} seconds", code="secret-timeout")


def _refuse_unusable(ref: SecretRef, answer: Answer) -> Answer:
    """Return the result, or an error in place of a value that is empty or not text."""
    if isinstance(answer, Redacted) and answer.is_empty:
        return SecretError(
            ref,
            "the value is empty",
            code=EMPTY,
            hint="store a value at that place",
        )
    # JSON can contain a lone surrogate, but it is stored as another value.
    if isinstance(answer, Redacted) and not answer.is_text:
        return SecretError(
            ref,
            "the value is not UTF-8 text",
            code="secret-not-text",
            hint="store the value as UTF-8; encode a binary value as the provider documents it",
        )
    return answer


def _is_unset(answer: Answer) -> bool:
    return isinstance(answer, SecretError) and answer.code == UNSET


def _placeholder(ref: SecretRef) -> Redacted:
    return Placeholder("placeholder-" + hashlib.sha256(str(ref).encode()).hexdigest()[:24])


class Secrets:
    """Secrets of one run; `findings` collects their diagnostics."""

    def __init__(self, environ: Mapping[str, str], directory: Path, *, allowed: str | None) -> None:
        self.allowed = AllowList.parse(allowed)
        self.findings: list[Diagnostic] = []
        self._directory = directory
        context = ResolverContext(environ, directory, self.allowed)
        self._resolvers = Resolvers(context)

    def key_of(self, target: Target) -> Redacted:
        """Resolve the API key of a target, or raise `InvalidInput` with the missing reference."""
        if target.api_key is None:
            raise InvalidInput([error("missing-api-key", f"target {target.name} has no api_key")])
        return self.key_from(target.api_key, target, ("api_key",))

    def key_from(self, reference: SecretRef, target: Target, place: tuple[str, ...]) -> Redacted:
        """Resolve a key at a path of a target; raises like `key_of`."""
        problem = api_key_problem(reference)
        if problem is None:
            # A pull request can also edit this reference. A variable must be PORTKEY_*, which the
            # allow-list never contains; everything else must be on the list.
            allowed = None if reference.scheme == "env" else self.allowed
            answer = resolve_all([reference], resolvers=self._resolvers, allowed=allowed)
            problem = answer.missing.get(reference)
        if problem is not None:
            summary = f"{'.'.join(place)} of target {target.name}: {problem.summary}"
            at = api_key_location(DirectorySource(self._directory), target.name, *place)
            raise InvalidInput([error(problem.code, summary, hint=problem.hint, at=at)])
        return answer.values[reference]

    def of(
        self,
        integrations: Iterable[Declared],
        *,
        desired: DesiredState,
        simulated: bool,
        strict: bool,
        without_values: bool = False,
    ) -> Resolution:
        """Resolve every reference of these integrations of a desired state.

        On a simulator, an unset variable gets a placeholder. A reference outside the allow-list is
        a finding, and with `strict` it raises `InvalidInput`.
        """
        # Iterated twice below, and the caller may pass an iterator.
        integrations = list(integrations)
        problems = not_allowed(integrations, desired, self.allowed, strict=strict)
        if strict and problems:
            raise InvalidInput(problems)
        self.findings += problems
        if without_values:
            return Resolution()
        names = {ref for declared in integrations for ref in _references(declared)}
        resolution = resolve_all(
            names, resolvers=self._resolvers, allowed=self.allowed, placeholders=simulated
        )
        if resolution.placeholders:
            self.findings.append(_placeholder_notice(resolution))
        return resolution


def not_allowed(
    integrations: Iterable[Declared],
    desired: DesiredState,
    allowed: AllowList,
    *,
    strict: bool = False,
) -> list[Diagnostic]:
    """Return a diagnostic for every reference that the environment does not allow."""
    return [
        problem.as_diagnostic(desired.location_of(declared, problem.ref), strict=strict)
        for declared in integrations
        for problem in allowed.problems(_references(declared))
    ]


def _references(declared: Declared) -> set[SecretRef]:
    return {reference for _, reference in references(declared.fields)}


def _placeholder_notice(resolution: Resolution) -> Diagnostic:
    unset = [str(ref) for ref in sorted(resolution.placeholders)]
    names = ", ".join(unset[:_NAMED])
    more = f" and {len(unset) - _NAMED} more" if len(unset) > _NAMED else ""
    return notice(
        "placeholder", f"the simulator uses placeholder values for unset secrets: {names}{more}"
    )

"""Turn many references into values at once: each source is read one time, within a time limit.

Nothing is raised for a secret that is missing: what that means depends on the command, so the
caller gets values and problems side by side.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from types import MappingProxyType

from reconciler.domain.secrets import Placeholder, Redacted, SecretRef
from reconciler.secrets.allowlist import AllowList
from reconciler.secrets.env import UNSET
from reconciler.secrets.errors import SecretError
from reconciler.secrets.registry import Resolvers
from reconciler.secrets.resolver import Answer, Answers, Resolver

CONCURRENCY = 8
TIME_LIMIT = 60.0
_INSTANT = frozenset({"env", "file"})


@dataclass(frozen=True, slots=True)
class Resolution:
    """Every reference asked for, either in `values` or in `missing`.

    `placeholders` are those in `values` that stand for an unset variable on a simulator.
    """

    values: Mapping[SecretRef, Redacted] = field(default_factory=lambda: MappingProxyType({}))
    missing: Mapping[SecretRef, SecretError] = field(default_factory=lambda: MappingProxyType({}))
    placeholders: frozenset[SecretRef] = frozenset()


def resolve_all(
    refs: Iterable[SecretRef],
    *,
    resolvers: Resolvers,
    allowed: AllowList | None,
    placeholders: bool = False,
    time_limit: float = TIME_LIMIT,
) -> Resolution:
    """Read every distinct reference; blocks for at most `time_limit` seconds.

    A reference outside `allowed` is not read at all; None is for a variable of a target's own key,
    which `api_key_problem` judges. With `placeholders` an unset variable gets a made-up value that
    is the same in every run.
    """
    asked = sorted(set(refs))
    answers: dict[SecretRef, Answer] = {}
    if allowed is not None:
        answers |= {problem.ref: problem.as_error() for problem in allowed.problems(asked)}
    answers |= _read_all(
        [ref for ref in asked if ref not in answers], resolvers=resolvers, time_limit=time_limit
    )
    answers = {ref: _without_emptiness(ref, answer) for ref, answer in answers.items()}
    made_up = {ref: _placeholder(ref) for ref in asked if placeholders and _is_unset(answers[ref])}
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
    slow: list[tuple[Resolver, list[SecretRef]]] = []
    for (scheme, _), (resolver, batch) in _batches(refs, resolvers, answers).items():
        if scheme in _INSTANT:
            answers |= _read(resolver, batch)
        else:
            slow.append((resolver, batch))
    if slow:
        answers |= _read_in_threads(slow, time_limit=time_limit)
    return answers


def _batches(
    refs: Sequence[SecretRef], resolvers: Resolvers, answers: dict[SecretRef, Answer]
) -> dict[tuple[str, str], tuple[Resolver, list[SecretRef]]]:
    """Group by source; a reference without a resolver gets its answer at once."""
    batches: dict[tuple[str, str], tuple[Resolver, list[SecretRef]]] = {}
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
        batches.setdefault(key, (resolver, []))[1].append(ref)
    return batches


def _read_in_threads(
    slow: Sequence[tuple[Resolver, list[SecretRef]]], *, time_limit: float
) -> dict[SecretRef, Answer]:
    pool = ThreadPoolExecutor(min(CONCURRENCY, len(slow)), thread_name_prefix="secrets")
    batches: dict[Future[Answers], list[SecretRef]] = {
        pool.submit(_read, resolver, batch): batch for resolver, batch in slow
    }
    done, late = wait(batches, timeout=time_limit)
    pool.shutdown(wait=False, cancel_futures=True)
    answers: dict[SecretRef, Answer] = {}
    for future in done:
        answers |= future.result()
    for future in late:
        answers |= {ref: _too_late(ref, time_limit) for ref in batches[future]}
    return answers


def _read(resolver: Resolver, batch: Sequence[SecretRef]) -> Answers:
    """Read one source, and let nothing but a `SecretError` come out of it."""
    try:
        found = resolver.read(batch)
    except SecretError as stated:
        return {ref: stated.about(ref) for ref in batch}
    except Exception as unexpected:  # noqa: BLE001 - a library's message may hold the value
        reason = f"the resolver failed with {type(unexpected).__name__}"
        return {ref: SecretError(ref, reason, code="secret-failed") for ref in batch}
    return {ref: found.get(ref) or _not_answered(ref) for ref in batch}


def _not_answered(ref: SecretRef) -> SecretError:
    return SecretError(ref, "the resolver gave no answer", code="secret-failed")


def _too_late(ref: SecretRef, time_limit: float) -> SecretError:
    return SecretError(ref, f"no answer within {time_limit:g} seconds", code="secret-timeout")


def _without_emptiness(ref: SecretRef, answer: Answer) -> Answer:
    if isinstance(answer, Redacted) and answer.is_empty:
        return SecretError(
            ref,
            "the value is empty",
            code="empty-secret",
            hint="an unset secret of GitHub Actions arrives as an empty variable",
        )
    return answer


def _is_unset(answer: Answer) -> bool:
    return isinstance(answer, SecretError) and answer.code == UNSET


def _placeholder(ref: SecretRef) -> Redacted:
    return Placeholder("placeholder-" + hashlib.sha256(str(ref).encode()).hexdigest()[:24])

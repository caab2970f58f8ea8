"""Read the answer of a policy: an exit status, and text or the JSON of conftest.

| status  | stdout               | meaning                                                     |
|---------|----------------------|-------------------------------------------------------------|
| 0       | empty                | passed                                                      |
| any     | conftest's JSON      | its failures deny, its warnings warn, its exceptions fail   |
| 1 … 125 | text                 | every line denies                                           |
| else    | anything             | failed: nothing is known about the plan                     |

Text with status 0 fails, because a script that loses the status of its last command prints denials
and ends with 0. So do results of conftest that list no rule, which is what it answers for rules in
another namespace than the requested one.
"""

import json
import re
from collections.abc import Callable, Collection
from typing import TypeAlias

from reconciler.diagnostics import Severity, abridged
from reconciler.limited_process import Ended
from reconciler.planning.policy_verdict import DENIAL, PolicyFinding
from reconciler.policies.errors import PolicyProblem

MAX_FINDINGS = 100
"""Maximum number of findings of a policy that a plan shows; further ones are only counted."""

LONGEST_MESSAGE = 500
_LONGEST_REASON = 200
_LAST_STATUS = 125
"""Highest status that a program can choose; 126 and higher mean that a shell could not run it."""

_JSON_HINT = "print nothing if the plan passes, or the output of `conftest test --output json`"
_SLUG = re.compile(r"[A-Za-z0-9_-]+")
_KEYS = {"failures", "warnings", "successes"}
_LIKE_FAILURES = re.compile(r"fail|den[iy]|violat|error|warn", re.IGNORECASE)
_NOTHING: tuple[object, ...] = (None, False, 0, "", [], {})
_LONGEST_NAME = 40

_Raw: TypeAlias = tuple[Severity, str, str | None]
"""Severity, message as the program wrote it, and the slug in its metadata."""


def findings_of(
    ended: Ended, slugs: Collection[str], hide: Callable[[str], str]
) -> tuple[PolicyFinding, ...]:
    """Return the sorted denials and warnings of an answer; `slugs` are those of the actions.

    `hide` returns a string without secrets. Raises `PolicyProblem` if the answer does not show
    whether the plan passes.
    """
    try:
        text = ended.stdout.decode("utf-8").strip()
    except UnicodeDecodeError:
        raise PolicyProblem("wrote output that is not UTF-8", hint=_JSON_HINT) from None
    if not 0 <= ended.status <= _LAST_STATUS:
        hint = "run the command manually to see its error"
        raise PolicyProblem(_how_it_ended(ended, hide), hint=hint)
    results = _results(text)
    if results is not None:
        found = _from_results(results, status=ended.status)
    elif ended.status == 0 and not text:
        return ()
    elif ended.status == 0:
        summary = "ended with status 0 and a text that is not the JSON of conftest"
        raise PolicyProblem(summary, hint=_JSON_HINT)
    elif not text:
        hint = "print a line for each denial to stdout"
        raise PolicyProblem(_how_it_ended(ended, hide), hint=hint)
    else:
        found = [(Severity.ERROR, line, None) for line in text.splitlines() if line.strip()]
    return _limited([_finding(item, slugs, hide) for item in found])


def _how_it_ended(ended: Ended, hide: Callable[[str], str]) -> str:
    how = f"ended with status {ended.status}"
    if ended.status < 0:
        how = f"was killed by signal {-ended.status}"
    reason = hide(" ".join(ended.stderr.decode("utf-8", "replace").split()))
    return f"{how} and no answer" + (f": {abridged(reason, _LONGEST_REASON)}" if reason else "")


def _results(text: str) -> list[object] | None:
    """Return the results of conftest, None for output that is not JSON."""
    if not text.startswith(("[", "{")):
        return None
    try:
        document = json.loads(text, object_pairs_hook=_members)
    except (ValueError, RecursionError):
        return None
    if not isinstance(document, list):
        summary = "returned JSON that is not a list of results, as conftest prints it"
        raise PolicyProblem(summary, hint=_JSON_HINT)
    return document


def _members(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Return the members of an object; raises `PolicyProblem` if two have the same name."""
    members = dict(pairs)
    if len(members) < len(pairs):
        # The last of two `failures` would hide the first.
        raise PolicyProblem("answered with JSON that has a key twice", hint=_JSON_HINT)
    return members


def _from_results(results: list[object], *, status: int) -> list[_Raw]:
    """Return the failures and warnings of results; raises `PolicyProblem` if they prove nothing."""
    found: list[_Raw] = []
    rules, is_counted = 0, True
    for result in results:
        if not isinstance(result, dict) or not _KEYS.intersection(result):
            summary = "returned a list with values that are not results of conftest"
            raise PolicyProblem(summary, hint=_JSON_HINT)
        found += [(Severity.ERROR, *entry) for entry in _entries(result, "failures")]
        found += [(Severity.WARNING, *entry) for entry in _entries(result, "warnings")]
        for name in ("exceptions", "skipped"):
            if _entries(result, name):
                hint = "remove the exceptions from the rules"
                raise PolicyProblem(f"returned `{name}`: it did not apply all rules", hint=hint)
        _refuse_misnamed(result)
        rules += _successes(result)
        is_counted = is_counted and "successes" in result
    if not found and (not results or (is_counted and not rules)):
        hint = "check the namespace of the rules: conftest reads `package main` by default"
        raise PolicyProblem("checked no rule", hint=hint)
    # The status also counts: with `--fail-on-warn`, conftest lists only warnings and fails.
    if status != 0 and not any(severity is Severity.ERROR for severity, _, _ in found):
        found.append((Severity.ERROR, f"ended with status {status} without a failure", None))
    return found


def _refuse_misnamed(result: dict[str, object]) -> None:
    """Raise `PolicyProblem` for a member that seems to list denials under another name."""
    for name, value in result.items():
        # `Failures` is what a program in Go writes without tags of its fields.
        if name not in _KEYS and _LIKE_FAILURES.match(name) and value not in _NOTHING:
            summary = f"returned `{abridged(name, _LONGEST_NAME)}`, which conftest does not have"
            raise PolicyProblem(summary, hint="name the lists `failures` and `warnings`")


def _successes(result: dict[str, object]) -> int:
    """Return the number of rules that a result counts as passed; old versions list them."""
    value = result.get("successes") or 0
    if isinstance(value, list):
        return len(value)
    # A bool is an int to Python.
    if type(value) is int and value >= 0:
        return value
    raise PolicyProblem("returned `successes` that is not a number", hint=_JSON_HINT)


def _entries(result: dict[str, object], key: str) -> list[tuple[str, str | None]]:
    """Return the messages of a kind, each with the slug that its metadata names."""
    # conftest writes an empty list as null; any other value could be a number of failures.
    entries = [] if result.get(key) is None else result[key]
    found: list[tuple[str, str | None]] = []
    for entry in entries if isinstance(entries, list) else [entries]:
        if not isinstance(entry, dict) or not isinstance(message := entry.get("msg"), str):
            raise PolicyProblem(f"returned an entry of `{key}` without `msg`", hint=_JSON_HINT)
        metadata = entry.get("metadata")
        slug = metadata.get("slug") if isinstance(metadata, dict) else None
        found.append((message, slug if isinstance(slug, str) else None))
    return found


def _finding(item: _Raw, slugs: Collection[str], hide: Callable[[str], str]) -> PolicyFinding:
    severity, message, slug = item
    if slug not in slugs:
        # If a message contains several slugs, it is not known which one it is about.
        named = set(_SLUG.findall(message)) & set(slugs)
        slug = named.pop() if len(named) == 1 else None
    # Before it is shortened, because a part of a secret would not be found.
    text = abridged(hide(" ".join(message.split())), LONGEST_MESSAGE)
    return PolicyFinding(severity, code=DENIAL, message=text or "no message", slug=slug)


def _limited(found: list[PolicyFinding]) -> tuple[PolicyFinding, ...]:
    """Return findings in an order that does not depend on the program, each once."""
    ranks = list(Severity)
    unique = sorted(
        set(found), key=lambda item: (ranks.index(item.severity), item.slug or "", item.message)
    )
    if len(unique) <= MAX_FINDINGS:
        return tuple(unique)
    # Errors come first, so that the note replaces an error only if there are too many errors.
    note = f"and {len(unique) - MAX_FINDINGS} more findings"
    kept, left = unique[:MAX_FINDINGS], unique[MAX_FINDINGS]
    return (*kept, PolicyFinding(left.severity, code=DENIAL, message=note))

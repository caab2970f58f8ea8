"""Diagnostics of a plan for readers: those of one kind are one finding with a list.

Two diagnostics are of one kind if severity and code are equal and their sentences differ only in a
few words, such as a slug. The finding shows the common sentence with `…` for these words, and an
entry for each diagnostic with them. Its JSON form keeps every diagnostic.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import field

from reconciler.diagnostics import Diagnostic, Severity, SourceLocation
from reconciler.frozen_dataclass import dataclass
from reconciler.views.diagnostics import as_text as one_by_one
from reconciler.views.escape import shortened, summary_of, visible
from reconciler.views.phrases import LISTED, MORE_VERBOSE

LINT = frozenset({"custom-host-auth", "file-name", "unknown-provider"})
"""Codes about a file and not about a change: `validate` shows them, and a plan with -v."""

NEVER_CUT = frozenset(
    {
        "another-object",
        "base-unreadable",
        "checkout-unverified",
        "credential-retarget",
        "ledger-unreadable",
        "listed-not-found",
        "not-judged",
        "undeclared-host",
        "unreadable-record",
    }
)
"""Codes whose list is always complete: what could not be read, and where a secret may be sent."""

_LISTED_NOTICES = 5

_GAP = "…"
_SUBJECT = re.compile(r"([A-Za-z0-9_-]{1,255}): (?=.)")
_SEPARATORS = re.compile(r"((?:[\s`,;(){}]|:(?=\s))+)")
_ALIKE, _HINTS_ALIKE = 0.6, 0.75
"""Ratio of common words from which two sentences, and two hints, are of one kind."""
_MOST_GAPS = 4
_JOINED = re.compile(rf"(?<=\w)(?={_GAP})|(?<={_GAP})(?=\w)")
"""Positions where a gap includes the space next to a word."""
_COMPARED = 8
"""Kinds of one code with which a diagnostic is compared word by word."""


@dataclass(frozen=True, slots=True)
class Entry:
    """Diagnostic of a finding: the words that the others do not have, and its place."""

    text: str
    place: str

    @property
    def name(self) -> str:
        """Return the text that distinguishes the entry from the others."""
        return self.text or self.place


@dataclass(frozen=True, slots=True)
class Finding:
    """Diagnostic, or several of one kind, as short strings; `place` and `hint` may be empty.

    `entries` are empty for a single diagnostic. A short view lists the first `listed` of them.
    """

    severity: Severity
    headline: str
    place: str
    hint: str
    entries: tuple[Entry, ...] = ()
    listed: int = LISTED

    @property
    def shown(self) -> tuple[Entry, ...]:
        """Return the entries that a short view lists."""
        return self.entries[: self.listed]

    @property
    def more(self) -> int:
        """Return how many entries a short view omits."""
        return len(self.entries) - len(self.shown)

    @property
    def number(self) -> int:
        """Return the number of diagnostics."""
        return len(self.entries) or 1


def findings_of(
    diagnostics: Iterable[Diagnostic], *, verbose: bool = False, lint: bool = False
) -> tuple[Finding, ...]:
    """Return the findings in the order of their first diagnostic.

    `verbose` lists every entry. Lint is omitted without `lint` or `verbose`.
    """
    by_code: dict[tuple[Severity, str], list[_Kind]] = {}
    kinds: list[_Kind] = []
    for item in diagnostics:
        if item.code in LINT and not (lint or verbose):
            continue
        same_code = by_code.setdefault((item.severity, item.code), [])
        # First by pattern, which is exact and fast, then word by word, with a limit: a run can have
        # thousands of diagnostics of one code.
        if not any(kind.takes(item) for kind in same_code) and not any(
            kind.widens_to(item) for kind in same_code[:_COMPARED]
        ):
            kind = _Kind.of(item)
            same_code.append(kind)
            kinds.append(kind)
    return tuple(kind.finding(verbose=verbose) for kind in kinds)


def as_text(diagnostics: Iterable[Diagnostic], *, verbose: bool = False) -> str:
    """Return one paragraph for each kind, for the diagnostics with which a command ends.

    Diagnostics with a source line are not merged, because each is corrected in its own place.
    """
    found = list(diagnostics)
    if verbose or any(item.excerpt is not None for item in found):
        return one_by_one(found)
    findings = findings_of(found, lint=True)
    return "\n".join("".join(f"{line}\n" for line in lines_of(item)) for item in findings)


def lines_of(item: Finding, *, more: str = MORE_VERBOSE) -> list[str]:
    """Return a finding as lines; `more` is the phrase for omitted entries."""
    lines = [item.headline]
    if item.place:
        lines.append(f"  --> {item.place}")
    lines += [f"  {entry.name}" for entry in item.shown]
    if item.more:
        lines.append(f"  {more.format(item.more)}")
    if item.hint:
        lines.append(f"hint: {item.hint}")
    return lines


def severities_of(findings: Iterable[Finding]) -> list[Severity]:
    """Return the severity of every diagnostic, for their number."""
    return [item.severity for item in findings for _ in range(item.number)]


def finding_of(item: Diagnostic) -> Finding:
    """Return a single diagnostic."""
    return Finding(
        severity=item.severity,
        headline=f"{item.severity.value}[{visible(item.code)}]: {summary_of(item)}",
        place=_place(item.at),
        hint=shortened(item.hint),
    )


def _place(at: SourceLocation | None) -> str:
    return f"{visible(at.file, limit=None)}:{at.line}:{at.column}" if at else ""


@dataclass(slots=True)
class _Kind:
    """Diagnostics of one kind; None in a sentence represents words that differ."""

    sentence: list[str | None]
    hint: list[str | None]
    has_subject: bool
    pattern: re.Pattern[str]
    hint_pattern: re.Pattern[str]
    items: list[Diagnostic] = field(default_factory=list)

    @classmethod
    def of(cls, item: Diagnostic) -> "_Kind":
        subject, sentence = _split(item)
        words: list[str | None] = [*_words(sentence)]
        hint: list[str | None] = [*_words(shortened(item.hint))]
        return cls(words, hint, bool(subject), _pattern(words), _pattern(hint), [item])

    def takes(self, item: Diagnostic) -> bool:
        """Add a diagnostic that has the sentences of this kind; return whether it has."""
        subject, sentence = _split(item)
        if (
            bool(subject) is not self.has_subject
            or self.pattern.fullmatch(sentence) is None
            or self.hint_pattern.fullmatch(shortened(item.hint)) is None
        ):
            return False
        self.items.append(item)
        return True

    def widens_to(self, item: Diagnostic) -> bool:
        """Add a diagnostic with similar sentences, and keep the common words."""
        subject, sentence = _split(item)
        # The slug is not part of the sentence, so one kind has it in every diagnostic or in none.
        if bool(subject) is not self.has_subject:
            return False
        words = _common(self.sentence, _words(sentence), least=_ALIKE)
        hint = _common(self.hint, _words(shortened(item.hint)), least=_HINTS_ALIKE)
        if words is None or hint is None:
            return False
        self.sentence, self.hint = words, hint
        self.pattern, self.hint_pattern = _pattern(words), _pattern(hint)
        self.items.append(item)
        return True

    def finding(self, *, verbose: bool) -> Finding:
        first = self.items[0]
        if len(self.items) == 1:
            return finding_of(first)
        listed = _LISTED_NOTICES if first.severity is Severity.NOTICE else LISTED
        if verbose or first.code in NEVER_CUT:
            listed = len(self.items)
        code = f"{first.severity.value}[{visible(first.code)}] ({len(self.items)})"
        return Finding(
            severity=first.severity,
            headline=f"{code}: {_text(self.sentence)}",
            place="",
            hint=_text(self.hint),
            entries=tuple(self._entry(item) for item in self.items),
            listed=listed,
        )

    def _entry(self, item: Diagnostic) -> Entry:
        subject, sentence = _split(item)
        parts = list(_values(self.pattern, sentence))
        # A hint may have different words, such as the line to add.
        known = " ".join((subject, *parts))
        parts += [
            v
            for v in _values(self.hint_pattern, shortened(item.hint))
            if v.rstrip(":") not in known
        ]
        values = " · ".join(parts)
        text = f"{subject}: {values}" if subject and values else subject or values
        return Entry(visible(text, limit=None), _place(item.at))


def _split(item: Diagnostic) -> tuple[str, str]:
    """Return the slug that a message begins with, empty without one, and the rest."""
    summary = summary_of(item)
    found = _SUBJECT.match(summary)
    return (found[1], summary[found.end() :]) if found else ("", summary)


def _words(text: str) -> list[str]:
    """Split a text into words and what separates them."""
    return [part for part in _SEPARATORS.split(text) if part]


def _is_word(part: str | None) -> bool:
    return part is not None and _SEPARATORS.fullmatch(part) is None


def _common(
    known: Sequence[str | None], words: Sequence[str], *, least: float
) -> list[str | None] | None:
    """Return the common words of two sentences; None if their ratio is less than `least`."""
    if list(known) == list(words):
        return list(known)
    from difflib import SequenceMatcher  # noqa: PLC0415  few reports merge sentences

    # Without `autojunk`, which ignores frequent words of long sentences.
    matcher = SequenceMatcher(None, known, words, autojunk=False)
    parts: list[Sequence[str | None]] = []
    at, other = 0, 0
    for start, start_of_other, length in matcher.get_matching_blocks():
        if start > at or start_of_other > other:
            parts.append([None])
        parts.append(known[start : start + length])
        at, other = start + length, start_of_other + length
    merged = list(_without_loose_separators([part for part in parts if part]))
    # The longer one, or every short sentence would be like a long one that contains it.
    longest = max(sum(map(_is_word, known)), sum(map(_is_word, words)))
    enough = sum(map(_is_word, merged)) >= least * longest
    # With many gaps, the common sentence is no longer meaningful.
    return merged if enough and merged.count(None) <= _MOST_GAPS else None


def _without_loose_separators(parts: Sequence[Sequence[str | None]]) -> Iterator[str | None]:
    """Join parts; separators alone between two gaps belong to the gap."""
    in_gap = False
    for number, part in enumerate(parts):
        is_gap = list(part) == [None]
        # A comma alone between two gaps would read as `…, …`.
        is_loose = in_gap and number + 1 < len(parts) and not any(map(_is_word, part))
        if in_gap and (is_gap or is_loose):
            continue
        in_gap = is_gap
        yield from part


def _pattern(words: Iterable[str | None]) -> re.Pattern[str]:
    parts = ("(.*?)" if word is None else re.escape(word) for word in words)
    return re.compile("".join(parts), re.DOTALL)


def _values(pattern: re.Pattern[str], text: str) -> Iterator[str]:
    found = pattern.fullmatch(text)
    for value in found.groups() if found else (text,):
        shown = value.strip()
        if shown:
            yield shown


def _text(words: Iterable[str | None]) -> str:
    text = "".join(_GAP if word is None else word for word in words)
    return visible(_JOINED.sub(" ", text), limit=None)

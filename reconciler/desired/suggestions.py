"""Suggestions for misspelled words: the nearest known word, and how messages quote names."""

import re
import unicodedata
from collections.abc import Iterable

from reconciler.domain.providers import ALIASES, KNOWN_PROVIDERS
from reconciler.domain.secrets import LOOKS_SECRET

_LONGEST = 64
_CUTOFF, _CUTOFF_STRICT = 0.6, 0.75
_NOT_IN_SLUGS = re.compile(r"[^A-Za-z0-9_-]+")
_SHORTEST_ABBREVIATION = 3
_VOWELS = frozenset("aeiou")
_NAME = re.compile(r"[^\W\d:][^:\s]{0,63}|\$[a-z]+")


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return a hint with the nearest known word; "" if none is near."""
    near = nearest(word, known)
    return f"did you mean `{near}`?" if near is not None else ""


def nearest(word: str, known: Iterable[str], *, strict: bool = False) -> str | None:
    """Return the nearest known word; None if none is near.

    An abbreviation, such as `prod` or `prd` for `production`, counts if no word is spelt similarly.
    With `strict`, it does not count, and at most a quarter of the letters may differ.
    """
    from difflib import get_close_matches  # noqa: PLC0415  few runs have a misspelled word

    dashes = word.count("-")
    candidates = sorted(known, key=lambda c: (-abs(c.count("-") - dashes), c))
    by_folded = {_fold(c): c for c in candidates}  # keeps the one with the closest number of dashes
    folded, cutoff = _fold(word[:_LONGEST]), _CUTOFF_STRICT if strict else _CUTOFF
    near = get_close_matches(folded, sorted(by_folded), n=1, cutoff=cutoff)
    if not near and not strict:
        near = [c for c in sorted(by_folded, key=len) if _abbreviates(folded, c)]
    return by_folded[near[0]] if near else None


def _abbreviates(word: str, long: str) -> bool:
    """Return whether a word of at least three letters is a prefix or an abbreviation of another."""
    if len(word) < _SHORTEST_ABBREVIATION or len(word) >= len(long) or word[0] != long[0]:
        return False
    if long.startswith(word):
        return True
    # All consonants in their order: `prd`, `stg`, `dvlpmnt`. A vowel suggests another word.
    letters = iter(long)
    return not _VOWELS.intersection(word) and all(letter in letters for letter in word)


def meant_provider(word: str) -> str | None:
    """Return the id of the provider that a word most likely means; None if none is near."""
    return ALIASES.get(word.lower()) or nearest(word, KNOWN_PROVIDERS, strict=True)


def quoted(name: str) -> str:
    """Return a name as messages show it; text that cannot be a name may contain a secret."""
    showable = _NAME.fullmatch(name) and not LOOKS_SECRET.search(name)
    return f"`{name}`" if showable else "this name"


def unusual_space(name: str) -> str:
    """Return a hint for a character in a name that looks like a space or is invisible."""
    for character in name:
        if character != " " and unicodedata.category(character) in {"Zs", "Cf"}:
            title = unicodedata.name(character, "a character that cannot be seen").lower()
            return f"replace the {title} (U+{ord(character):04X}) in it"
    return ""


def valid_slug(text: str) -> str:
    """Return a hint with the slug that is nearest to an invalid one."""
    plain = unicodedata.normalize("NFKD", text[:_LONGEST]).encode("ascii", "ignore").decode()
    slug = _NOT_IN_SLUGS.sub("-", plain).strip("-")
    if not slug or LOOKS_SECRET.search(text):
        return "use letters, digits, `_` and `-`"
    return f"write a slug such as `{slug}`"


def one_of(known: Iterable[str]) -> str:
    """Return a hint that lists the choices."""
    return "one of " + ", ".join(f"`{k}`" for k in known)


def _fold(word: str) -> str:
    return word.lower().replace("-", "").replace("_", "")

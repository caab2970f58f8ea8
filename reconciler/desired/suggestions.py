"""Suggestions for misspelled words: the nearest known word, and how messages quote names."""

import re
from collections.abc import Iterable
from difflib import get_close_matches

from reconciler.domain.secrets import LOOKS_SECRET

_LONGEST = 64
_NAME = re.compile(r"[^\W\d:][^:\s]{0,63}|\$[a-z]+")


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return a hint with the nearest known word; "" if none is near."""
    near = nearest(word, known)
    return f"did you mean `{near}`?" if near is not None else ""


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the nearest known word; None if none is near."""
    candidates = sorted(known, key=lambda c: (-abs(len(c) - len(word)), c))
    by_folded = {_fold(c): c for c in candidates}  # of equal words, the last is nearest in length
    near = get_close_matches(_fold(word[:_LONGEST]), sorted(by_folded), n=1, cutoff=0.6)
    return by_folded[near[0]] if near else None


def quoted(name: str) -> str:
    """Return a name as messages show it; what cannot be a name may contain a secret."""
    showable = _NAME.fullmatch(name) and not LOOKS_SECRET.search(name)
    return f"`{name}`" if showable else "this name"


def one_of(known: Iterable[str]) -> str:
    """Return a hint that lists the choices."""
    return "one of " + ", ".join(f"`{k}`" for k in known)


def _fold(word: str) -> str:
    return word.lower().replace("-", "").replace("_", "")

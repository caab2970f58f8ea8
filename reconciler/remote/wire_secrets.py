"""Secrets in transit: revealed in the body of a request, and removed from every response.

Only `encode_body` reveals secret values. A body that still contains a reference or a mask is
refused, because either would be stored as the credential. No message of this module contains a
value.

A server, or a proxy in front of it, may quote the request as HTML, in a URL, in JSON or as base64,
even nested. Therefore a text is decoded until nothing changes, and compared at every step; the run
of non-space characters around a hit is redacted as a whole, because its ends may belong to the
secret.
"""

import json
import re
from base64 import b64encode
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import field
from functools import cache
from itertools import chain
from urllib.parse import unquote

from reconciler.domain.facts import SECRET_NAME
from reconciler.domain.schema import FieldSchema, any_provider_schema
from reconciler.domain.secrets import LOOKS_SECRET, Mask, Opaque, Placeholder, Redacted, SecretRef
from reconciler.domain.tree import Path, Tree, Value
from reconciler.frozen_dataclass import dataclass
from reconciler.remote.errors import InvalidCall


@cache
def object_secrets() -> frozenset[str]:
    """Return the secrets that the API expects as an object; their values are JSON text."""
    fields = any_provider_schema().walk()
    return frozenset(field.name for _, field in fields if field.facts.secret_object)


SHORTEST_UNKNOWN = 4
"""Minimum length of a text of an unknown field that is searched in messages."""


def encode_body(tree: Tree) -> bytes:
    """Return a body as canonical JSON in ASCII, or raise `InvalidCall` (`bad-body`)."""
    try:
        # Without `allow_nan=False`, Python would write NaN, which is not JSON.
        text = json.dumps(
            _revealed(tree, ()), sort_keys=True, separators=(",", ":"), allow_nan=False
        )
        return text.encode("ascii")
    except (TypeError, ValueError, RecursionError):
        # The library's message may quote the value that it could not write.
        pass
    raise _refused("contains a value that JSON cannot represent")


def sent_secrets(tree: Value, field: FieldSchema | None = None) -> Iterator[str]:
    """Yield every secret string in a body, so that it can be removed from responses.

    In a secret object, and in a field that no model describes, every string is secret.
    """
    field = field or any_provider_schema()
    match tree:
        case Opaque():
            yield from _texts(tree.as_value())
        case Redacted():
            yield tree.reveal()
        case str():
            if field.facts.sensitive and (field.is_known or len(tree) >= SHORTEST_UNKNOWN):
                yield tree
        case Mapping():
            for key, value in tree.items():
                yield from sent_secrets(value, _inside(field, key))
        case list() | tuple():
            for item in tree:
                yield from sent_secrets(item, field.entries or field)


def _inside(field: FieldSchema, name: str) -> FieldSchema:
    """Return the schema of a member; members of a secret are also secret."""
    is_secret_object = field.facts.sensitive and field.is_known
    return field if is_secret_object else field.child(name)


def _texts(value: object) -> Iterator[str]:
    match value:
        case str() if len(value) >= SHORTEST_UNKNOWN:
            yield value
        case dict():
            for item in value.values():
                yield from _texts(item)
        case list():
            for item in value:
                yield from _texts(item)


def sent_parts(body: Tree) -> Iterator[str]:
    """Return every secret text of a body with its parts."""
    for text in sent_secrets(body):
        yield from secret_parts(text)


def parts_of(secrets: Iterable[Redacted]) -> Iterator[str]:
    """Return the texts of secrets that no call may send, with their parts."""
    for secret in secrets:
        yield from secret_parts(secret.reveal())


def secret_parts(secret: str) -> Iterator[str]:
    """Return a secret and, if it is a JSON object, the parts that may be quoted separately."""
    yield secret
    if not secret.lstrip().startswith("{"):
        return
    try:
        document = json.loads(secret)
    except (ValueError, RecursionError):
        return
    if isinstance(document, dict):
        for name, part in document.items():
            if isinstance(part, str) and SECRET_NAME.search(name):
                yield part


def _revealed(value: Value, path: Path) -> object:
    match value:
        case Opaque():
            return value.as_value()
        case Placeholder() if object_secrets().intersection(path[-1:]):
            return {"placeholder": value.reveal()}
        case Redacted():
            text = value.reveal()
            return _as_object(text, path[-1]) if object_secrets().intersection(path[-1:]) else text
        case SecretRef() | Mask():
            raise _refused(f"holds a {type(value).__name__} at {'.'.join(path)}")
        case Mapping():
            return {key: _revealed(item, (*path, key)) for key, item in value.items()}
        case list() | tuple():
            return [_revealed(item, path) for item in value]
        case _:
            return value


def _as_object(text: str, name: str) -> dict[str, object]:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        # The library's message and its `doc` attribute contain the secret itself.
        document = None
    if isinstance(document, dict):
        return document
    raise _refused(f"needs a JSON object in the secret for {name}")


def _refused(why: str) -> InvalidCall:
    return InvalidCall(f"the request body {why}", code="bad-body", attempts=0)


REDACTED = "[redacted]"
SHORTEST = 4
"""A secret of one to three characters occurs in almost any text, so it is not redacted."""

LONGEST_TEXT = 1 << 16
"""Maximum number of characters; a longer text is withheld as a whole, which limits the work."""

MOST_STEPS = 8
"""Maximum number of encodings; a text that is encoded more often is redacted as a whole."""

_SHORTEST_SKELETON = 10
_END = 8
_FEW = 16
"""Number of texts below which a direct search is faster than an index."""

_PIECE = 24
"""Number of letters and digits of a long secret that are enough to recognise a part of it."""

_SPACE = re.compile(r"\s+")
_NOT_ALNUM = re.compile(r"[^a-z0-9]+")
# As texts, because only a message that quotes a response needs them.
_NAMED = r"&([A-Za-z][A-Za-z0-9]{1,30});"
_BACKSLASHED = (
    r"(?:\\u[0-9A-Fa-f]{4})+|\\U(?:000[0-9A-Fa-f]|0010)[0-9A-Fa-f]{4}|\\U[0-9A-Fa-f]{4}"
    r"|\\[uUxX]\{[0-9A-Fa-f]{1,6}\}|\\[xX][0-9A-Fa-f]{2}|\\[0-7]{3}|\\[\s\S]"
)
_LETTERS = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f", "v": "\v"}
_PERCENT_U = r"(?:%[uU][0-9A-Fa-f]{4})+"


class _Texts:
    """Texts to search for, indexed by their ends.

    A run that creates thousands of integrations has thousands of secrets, and each integration is
    looked up first, which returns a 404 whose message is searched for all secrets. The first
    characters would not distinguish them, because the keys of a provider share a prefix.
    """

    def __init__(self, texts: Iterable[str]) -> None:
        self._all = list(texts)
        self._by_end: dict[str, list[str]] = {}
        if len(self._all) > _FEW:
            for text in self._all:
                self._by_end.setdefault(text[-_END:], []).append(text)
        # Texts shorter than `_END` add shorter lengths.
        self._lengths = {len(end) for end in self._by_end}

    def possible_in(self, text: str) -> Iterator[str]:
        """Yield the texts whose end occurs in a text; few texts are all yielded."""
        if not self._by_end:
            yield from self._all
        for length in self._lengths:
            ends = {text[at : at + length] for at in range(len(text) - length + 1)}
            for end in ends & self._by_end.keys():
                yield from self._by_end[end]


@dataclass(frozen=True, slots=True)
class Needles:
    """Texts to search for: `literal` in a decoded text, `skeletons` in its letters and digits."""

    literal: tuple[_Texts, ...] = field(default=(), repr=False)
    skeletons: tuple[_Texts, ...] = field(default=(), repr=False)

    def __or__(self, other: "Needles") -> "Needles":
        return Needles(self.literal + other.literal, self.skeletons + other.skeletons)


def needles_of(secrets: Iterable[str]) -> Needles:
    """Return the texts to search for so that none of these secrets is shown."""
    literal: set[str] = set()
    skeletons: set[str] = set()
    for secret in {text.strip() for text in secrets}:
        if len(secret) < SHORTEST:
            continue
        forms = {secret, _decoded(secret)}
        literal |= {_folded(form) for form in forms if len(form) >= SHORTEST}
        for skeleton in [*map(_skeleton, forms), *_lines(secret), *_encoded(secret)]:
            # Runs are joined without spaces, so a shorter one could occur across ordinary words.
            if len(skeleton) >= _SHORTEST_SKELETON:
                # The ends of a document are names of fields, which any message may contain.
                skeletons |= {skeleton} if secret.startswith("{") else _pieces(skeleton)
    return Needles((_Texts(literal),), (_Texts(skeletons),))


def redact(text: str, needles: Needles) -> str:
    """Redact every run that contains a secret or a likely secret."""
    if len(text) > LONGEST_TEXT:
        return REDACTED
    # The capturing group makes `split` return the runs with the spaces between them.
    parts = re.split(r"(\s+)", text)
    found = _found(parts[::2], needles)
    if not found:
        return text
    shown: list[str] = []
    for index, run in enumerate(parts[::2]):
        space = parts[2 * index - 1] if index else ""
        if index not in found:
            shown += [space, run]
        # Adjacent hits become one marker, which hides their number.
        elif index - 1 not in found:
            shown += [space, REDACTED]
    return "".join(shown)


def _found(runs: Sequence[str], needles: Needles) -> set[int]:
    """Return the indexes of the runs to redact."""
    found: set[int] = set()
    for step in range(MOST_STEPS + 1):
        found.update(_hits(runs, needles))
        decoded = [_decoded_once(run) for run in runs]
        if decoded == list(runs):
            return found
        # What is encoded even more often cannot be compared, so it is redacted in doubt.
        if step == MOST_STEPS:
            found |= {i for i, run in enumerate(runs) if decoded[i] != run}
        runs = decoded
    return found


def _hits(runs: Sequence[str], needles: Needles) -> Iterator[int]:
    joined, starts = _joined(runs, " ")
    for match in LOOKS_SECRET.finditer(joined):
        yield from _between(starts, match.start(), match.end())
    folded, starts = _joined([_folded(run) for run in runs], " ")
    yield from _of_texts(folded, starts, needles.literal)
    # Joined without spaces, so that a secret that was split into lines is also found.
    letters, starts = _joined([_skeleton(run) for run in runs], "")
    yield from _of_texts(letters, starts, needles.skeletons)


def _of_texts(text: str, starts: Sequence[int], wanted: Iterable[_Texts]) -> Iterator[int]:
    for needle in chain.from_iterable(texts.possible_in(text) for texts in wanted):
        at = text.find(needle)
        while at >= 0:
            yield from _between(starts, at, at + len(needle))
            at = text.find(needle, at + len(needle))


def _joined(runs: Iterable[str], space: str) -> tuple[str, list[int]]:
    """Join runs, and return where each begins."""
    starts, length = [], 0
    runs = list(runs)
    for run in runs:
        starts.append(length)
        length += len(run) + len(space)
    return space.join(runs), starts


def _between(starts: Sequence[int], first: int, end: int) -> range:
    # A hit can begin in one run and end in a later one.
    return range(bisect_right(starts, first) - 1, bisect_right(starts, end - 1))


def _decoded(text: str) -> str:
    for _ in range(MOST_STEPS):
        before, text = text, _decoded_once(text)
        if text == before:
            break
    return text


def _decoded_once(text: str) -> str:
    """Undo one layer of entities, percent encoding and backslashes; the result is never longer."""
    if "&" in text:
        import html  # imported late: half a megabyte of names that few runs need

        text = re.sub(_NAMED, _entity, html.unescape(text))
    if "%" in text:
        text = unquote(re.sub(_PERCENT_U, _units, text))
    if "\\" in text:
        text = re.sub(_BACKSLASHED, _backslashed, text)
    return text


def _entity(match: re.Match[str]) -> str:
    """Read a named entity whose letters changed their case in transit."""
    from html.entities import html5

    return html5.get(match[1].lower() + ";", match[0])


def _units(match: re.Match[str]) -> str:
    r"""Read a series of \uXXXX or %uXXXX, which encode characters above U+FFFF as two halves."""
    units = bytes.fromhex(re.sub(r"[\\%][uU]", "", match[0]))
    return units.decode("utf-16-be", "replace")


def _backslashed(match: re.Match[str]) -> str:
    text = match[0]
    if text.startswith("\\u") and len(text) > 2 and text[2] != "{":
        return _units(match)
    if len(text) == 2:
        return _LETTERS.get(text[1], text[1])
    digits = text.lstrip("\\uUxX{").rstrip("}")
    number = int(digits, 8 if text[1] in "01234567" else 16)
    # Six hexadecimal digits can exceed the last code point, which `chr` refuses.
    return chr(number) if number < 0x110000 else "\N{REPLACEMENT CHARACTER}"


def _folded(text: str) -> str:
    return _SPACE.sub(" ", text).casefold()


def _skeleton(text: str) -> str:
    return _NOT_ALNUM.sub("", text.casefold())


def _pieces(skeleton: str) -> set[str]:
    """Return a short text completely, or the ends of a long one, which a server may truncate."""
    if len(skeleton) <= _PIECE:
        return {skeleton}
    return {skeleton[:_PIECE], skeleton[-_PIECE:]}


def _lines(secret: str) -> list[str]:
    """Return the long lines of a secret with several lines, such as a PEM block."""
    lines = secret.splitlines()
    if len(lines) < 2 or secret.startswith(("{", "[")):
        return []
    return [line for line in map(_skeleton, lines) if len(line) >= 2 * _SHORTEST_SKELETON]


def _encoded(secret: str) -> Iterator[str]:
    """Return the skeletons of a secret in hexadecimal and, wherever it begins, in base64."""
    # A JSON escape can produce half a surrogate pair, which strict UTF-8 refuses.
    octets = secret.encode("utf-8", "surrogatepass")
    yield octets.hex()
    for offset in range(3):
        # Characters at the ends also hold bits of the neighbours; 6 bits make a character. So the
        # first is rounded up, and the end down.
        first, end = -(-offset * 8 // 6), (offset + len(octets)) * 8 // 6
        yield _skeleton(b64encode(bytes(offset) + octets).decode()[first:end])

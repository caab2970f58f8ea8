"""Write trees as YAML that every YAML parser reads back as the same values.

Every string survives: one that could be read as another type is quoted as JSON, which is YAML.
`desired.export` selects the values, and `desired.yaml_edit` changes existing files.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

from reconciler.domain.secrets import Redacted, SecretRef
from reconciler.domain.tree import Tree, Value

WIDTH = 100
INDENT = "  "

_MARKS = frozenset("_./@+()'-&%;=!: ")
_WORDS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf"})
"""Words that YAML 1.1 reads as another type."""

_PLAIN_REFERENCE = re.compile(r"\$\{[^\s#,\[\]{}]+(#[^\s#,\[\]{}]+)?\}")


NO_COMMENTS: Mapping[str, str] = MappingProxyType({})


def document(tree: Tree, *, comments: Mapping[str, str] = NO_COMMENTS) -> str:
    """Return a document in block style; short entries of lists are on one line.

    `comments` are written at the end of the first line of the fields that they are keyed by.
    """
    lines: list[str] = []
    for name, item in tree.items():
        first, *others = block({name: item}, 0)
        comment = comments.get(name)
        lines += [f"{first} # {comment}" if comment else first, *others]
    return "".join(line + "\n" for line in lines)


def block(value: Tree | Sequence[Value], column: int) -> Iterator[str]:
    """Return the lines of a mapping or list at a column; none if it is empty."""
    pad = " " * column
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _member(f"{pad}{scalar(key)}:", item, column)
        return
    for item in value:
        line = f"{pad}- {flow(item)}"
        if isinstance(item, Mapping) and item and (_is_deep(item) or len(line) > WIDTH):
            first, *rest = block(item, column + 2)
            yield f"{pad}- {first[column + 2 :]}"
            yield from rest
        else:
            yield line


def _member(head: str, item: Value, column: int) -> Iterator[str]:
    if isinstance(item, Mapping | list | tuple) and item:
        yield head
        yield from block(item, column + 2)
    else:
        yield f"{head} {flow(item) if isinstance(item, Mapping | list) else scalar(item)}"


def flow(value: Value, *, as_json: bool = False) -> str:
    """Return a value on one line, so that it can be used in brackets or in JSON."""
    write = _json_scalar if as_json else _flow_scalar
    match value:
        case Mapping():
            pairs = (f"{write(key)}: {flow(v, as_json=as_json)}" for key, v in value.items())
            return "{" + ", ".join(pairs) + "}"
        case list() | tuple():
            return "[" + ", ".join(flow(item, as_json=as_json) for item in value) + "]"
        case _:
            return write(value)


def scalar(value: Value, *, within: bool = False) -> str:
    """Return a leaf as YAML, for use `within` brackets or outside of them."""
    match value:
        case SecretRef():
            text = value.as_written
            return text if not within and _PLAIN_REFERENCE.fullmatch(text) else quoted(text)
        case Redacted():
            # A value that a file can contain; secrets arrive here as references.
            return scalar(value.reveal(), within=within)
        case str():
            return value if is_plain(value, within=within) else quoted(value)
        case _:
            return json.dumps(value, allow_nan=False)


def _flow_scalar(value: Value) -> str:
    return scalar(value, within=True)


def _json_scalar(value: Value) -> str:
    if isinstance(value, Redacted):
        return _json_scalar(value.reveal())
    text = value.as_written if isinstance(value, SecretRef) else value
    return quoted(text) if isinstance(text, str) else scalar(text)


def is_plain(text: str, *, within: bool = False) -> bool:
    """Return whether every YAML parser reads an unquoted string as that string."""
    # Other first characters can begin a number, a list entry, a quote or an indicator.
    if not text or not (text[0].isalpha() or text[0] in "_/") or text.endswith((" ", ":")):
        return False
    if text.lower() in _WORDS or ": " in text or len(text) > WIDTH * 2:
        return False
    marks = _MARKS if within else _MARKS | {","}
    return all(c.isalnum() or c in marks for c in text)


def quoted(text: str) -> str:
    """Return a string in double quotes, with invisible characters escaped."""
    written = json.dumps(text, ensure_ascii=False)
    return "".join(c if c.isprintable() else _escaped(ord(c)) for c in written)


def _escaped(code: int) -> str:
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def _is_deep(entry: Tree) -> bool:
    return any(
        # Within brackets a reference would need quotes.
        (isinstance(item, Mapping | list | tuple) and item) or isinstance(item, SecretRef)
        for item in entry.values()
    )

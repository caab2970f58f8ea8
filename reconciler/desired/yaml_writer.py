"""Write plain trees as YAML that any YAML program reads back as the same values.

Every text survives: what is not plainly a text is quoted as JSON, which is YAML. Which values are
written: `desired.export`. Changing a file that exists: `desired.yaml_edit`.
"""

import json
import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from reconciler.domain.secrets import Redacted, SecretRef

WIDTH = 100
INDENT = "  "

_MARKS = frozenset("_./@+()'-&%;=!: ")
_WORDS = frozenset(
    [
        "y",
        "n",
        "yes",
        "no",
        "on",
        "off",
        "true",
        "false",
        "null",
        "nan",
        "inf",
    ]  # YAML 1.1 gives these a meaning
)
_PLAIN_REFERENCE = re.compile(r"\$\{[^\s#,\[\]{}]+(#[^\s#,\[\]{}]+)?\}")


NO_COMMENTS: Mapping[str, str] = MappingProxyType({})


def document(tree: Mapping[str, Any], *, comments: Mapping[str, str] = NO_COMMENTS) -> str:
    """Give a document in block style; short entries of lists stand on one line.

    `comments` are written behind the line with which a field begins.
    """
    lines: list[str] = []
    for name, item in tree.items():
        first, *others = block({name: item}, 0)
        comment = comments.get(name)
        lines += [f"{first} # {comment}" if comment else first, *others]
    return "".join(line + "\n" for line in lines)


def block(value: Any, column: int) -> Iterator[str]:
    """Give the lines of a mapping or list that begins at a column; none for an empty one."""
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


def _member(head: str, item: Any, column: int) -> Iterator[str]:
    if isinstance(item, Mapping | list | tuple) and item:
        yield head
        yield from block(item, column + 2)
    else:
        yield f"{head} {flow(item) if isinstance(item, Mapping | list) else scalar(item)}"


def flow(value: Any, *, as_json: bool = False) -> str:
    """Write a value on one line, so that it can stand within brackets; also so that JSON stays."""
    write = _json_scalar if as_json else _flow_scalar
    match value:
        case Mapping():
            pairs = (f"{write(key)}: {flow(v, as_json=as_json)}" for key, v in value.items())
            return "{" + ", ".join(pairs) + "}"
        case list() | tuple():
            return "[" + ", ".join(flow(item, as_json=as_json) for item in value) + "]"
        case _:
            return write(value)


def scalar(value: Any, *, within: bool = False) -> str:
    """Write a leaf; `within` says that it stands within brackets."""
    match value:
        case SecretRef():
            text = value.as_written
            return text if not within and _PLAIN_REFERENCE.fullmatch(text) else quoted(text)
        case Redacted():
            # A literal that a file may hold; secrets come here as references.
            return scalar(value.reveal(), within=within)
        case str():
            return value if is_plain(value, within=within) else quoted(value)
        case _:
            return json.dumps(value, allow_nan=False)


def _flow_scalar(value: Any) -> str:
    return scalar(value, within=True)


def _json_scalar(value: Any) -> str:
    if isinstance(value, Redacted):
        return _json_scalar(value.reveal())
    text = value.as_written if isinstance(value, SecretRef) else value
    return quoted(text) if isinstance(text, str) else scalar(text)


def is_plain(text: str, *, within: bool = False) -> bool:
    """Tell whether a text without quotes is that text to everybody."""
    if not text or not (text[0].isalpha() or text[0] in "_/") or text.endswith((" ", ":")):
        return False
    if text.lower() in _WORDS or ": " in text or len(text) > WIDTH * 2:
        return False
    marks = _MARKS if within else _MARKS | {","}
    return all(c.isalnum() or c in marks for c in text)


def quoted(text: str) -> str:
    """Write a text in double quotes, with everything that cannot be seen escaped."""
    written = json.dumps(text, ensure_ascii=False)
    return "".join(c if c.isprintable() else _escaped(ord(c)) for c in written)


def _escaped(code: int) -> str:
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def _is_deep(entry: Mapping[str, Any]) -> bool:
    return any(
        (isinstance(item, Mapping | list | tuple) and item) or isinstance(item, SecretRef)
        for item in entry.values()
    )

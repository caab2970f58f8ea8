"""Find values in the text of a YAML file.

The files have been read strictly before (`desired.yaml_source`), so depth and size are bounded and
there are no aliases here.
"""

from dataclasses import dataclass
from typing import Any, Final

import yaml

from reconciler.desired.problem_collector import Steps

_LOADER: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, slots=True)
class NodeLocation:
    """A node of a file, and whether it stands within brackets of another one, or in JSON."""

    node: Any
    in_flow: bool
    in_json: bool


def compose(text: str) -> list[Any]:
    """Give the documents of a text as nodes."""
    return list(yaml.compose_all(text, Loader=_LOADER))


def locate(root: Any, steps: Steps) -> NodeLocation:
    """Walk to a place; raises `KeyError` where there is nothing."""
    node, in_flow = root, False
    for step in steps:
        in_flow = in_flow or bool(node.flow_style)
        if isinstance(node, yaml.SequenceNode):
            node = node.value[int(step)]
        else:
            node = {key.value: value for key, value in node.value}[step]
    return NodeLocation(node, in_flow, _is_json(root))


def _is_json(root: Any) -> bool:
    """Tell whether a document looks like JSON: brackets around it, quotes around its names."""
    is_mapping = isinstance(root, yaml.MappingNode) and root.flow_style and bool(root.value)
    return is_mapping and all(key.style == '"' for key, _ in root.value)


def last_end(text: str, node: Any) -> int:
    """Give where the last sign of a node ends, comments and empty lines behind it left out."""
    if isinstance(node, yaml.ScalarNode):
        start, end = node.start_mark.index, node.end_mark.index
        return start + len(text[start:end].rstrip("\r\n")) if node.style in {"|", ">"} else end
    if node.flow_style or not node.value:
        return int(node.end_mark.index)
    last = node.value[-1]
    return last_end(text, last[1] if isinstance(node, yaml.MappingNode) else last)


def line_start(text: str, at: int) -> int:
    """Give where the line of a position begins."""
    return text.rfind("\n", 0, at) + 1


def line_end(text: str, at: int, *, past: bool = False) -> int:
    """Give where the line of a position ends: before its line break, or `past` it."""
    end = text.find("\n", at)
    if end < 0:
        return len(text)
    if past:
        return end + 1
    return end - 1 if end and text[end - 1] == "\r" else end

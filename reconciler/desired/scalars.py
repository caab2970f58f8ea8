"""Read plain scalars by the type of their field (product.md §3.6).

YAML does not say whether `123` is a number or a text; the field does. The builder marks what could
be either as `Plain`, and `typed` decides with the shape that the domain models prescribe.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from types import MappingProxyType, NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel

from reconciler.domain.integration import Integration
from reconciler.domain.providers import configuration_of
from reconciler.domain.secrets import SecretRef

_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_MAX_DIGITS = 19
_MAX_FLOAT = 64


class Plain(str):
    """A scalar without quotes that is true, false or a number in a field that is not text."""

    __slots__ = ()


def may_be_typed(text: str) -> bool:
    """Tell whether a scalar without quotes means more than its text."""
    return text in {"true", "false"} or _NUMBER.fullmatch(text) is not None


def guess(text: str) -> bool | int | float | str:
    """Give what YAML 1.2's JSON schema says; what no number can hold stays text."""
    if text in {"true", "false"}:
        return text == "true"
    number = _NUMBER.fullmatch(text)
    if number is None:
        return str(text)
    if number[1] is None and number[2] is None:
        return int(text) if len(text.lstrip("-")) <= _MAX_DIGITS else str(text)
    value = float(text) if len(text) <= _MAX_FLOAT else math.inf
    return value if math.isfinite(value) else str(text)


@dataclass(frozen=True, slots=True)
class Shape:
    """What may stand at a place: a text, a mapping of known or free names, a list."""

    text: bool = False
    fields: Mapping[str, "Shape"] = field(default_factory=lambda: MappingProxyType({}))
    values: "Shape | None" = None
    items: "Shape | None" = None


_ANY = Shape()


@cache
def shape_of(annotation: Any) -> Shape:
    """Derive the shape from a type of the domain."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return shape_of(arguments[0])
    if origin in {Union, UnionType}:
        return _either([shape_of(a) for a in arguments if a is not NoneType])
    if origin is Literal:
        return Shape(text=any(isinstance(a, str) for a in arguments))
    if origin in {tuple, list}:
        return Shape(items=shape_of(arguments[0]))
    if origin is dict:
        return Shape(values=shape_of(arguments[1]))
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return Shape(fields=_fields_of(annotation))
    is_text = isinstance(annotation, type) and issubclass(annotation, str | SecretRef)
    return Shape(text=is_text)


def _fields_of(model: type[BaseModel]) -> Mapping[str, Shape]:
    annotations: dict[str, Any] = {n: f.annotation for n, f in model.model_fields.items()}
    return {name: shape_of(annotation) for name, annotation in annotations.items()}


def _either(shapes: list[Shape]) -> Shape:
    """Join the members of a union; its mapping form is the one that a mapping will take."""
    fields: dict[str, Shape] = {}
    for shape in shapes:
        fields.update(shape.fields)
    return Shape(
        text=any(s.text for s in shapes),
        fields=fields,
        values=next((s.values for s in shapes if s.values), None),
        items=next((s.items for s in shapes if s.items), None),
    )


@cache
def integration_shape(provider: str | None) -> Shape:
    """Give the shape of an integration, with the configurations of its provider."""
    shape = shape_of(Integration)
    configurations = shape_of(configuration_of(provider or ""))
    return Shape(fields={**shape.fields, "configurations": configurations})


def typed(node: Any, shape: Shape) -> Any:
    """Build the value a document means where it stands at a place of this shape."""
    kind = type(node)
    if kind is str:
        return node
    if kind is Plain:
        return str(node) if shape.text else guess(node)
    if kind is dict:
        fields, values = shape.fields, shape.values or _ANY
        return {key: typed(item, fields.get(key, values)) for key, item in node.items()}
    if kind is list:
        items = shape.items or _ANY
        return [typed(item, items) for item in node]
    return node

"""Models of what files contain, declared as for pydantic, which is imported only when needed.

A class that inherits from `Model` has fields, each with a type, constraints and a description. Two
things are derived from this one declaration: `reconciler.domain.valid_values` recognizes valid
values, and `reconciler.domain.pydantic_models` builds the pydantic model that explains invalid
values and generates the JSON Schema. Importing pydantic and building its models takes a third of
the CPU of a small plan (tests/README.md), and most files are valid.

The names are those of pydantic: `Field`, `Strict`, `AfterValidator` and so on mean the same here.
"""

from collections.abc import Callable, Mapping
from dataclasses import field
from importlib import import_module
from inspect import get_annotations
from types import MappingProxyType
from typing import (
    TYPE_CHECKING,
    Any,
    ClassVar,
    Final,
    Literal,
    Self,
    TypeVar,
    dataclass_transform,
)

from reconciler.frozen_dataclass import dataclass

if TYPE_CHECKING:
    from pydantic import BaseModel

T = TypeVar("T")


class InvalidValue(Exception):
    """A value breaks a rule that its type cannot express; raised by validators of fields."""

    def __init__(self, code: str, summary: str) -> None:
        super().__init__(code, summary)
        self.code = code
        self.summary = summary


REQUIRED: Final = object()
"""Default of a field that must be present."""


@dataclass(frozen=True, slots=True)
class FieldInfo:
    """Default, description and constraints of a field or of a type."""

    # Types with metadata are stored in sets, but these two values may not be hashable.
    default: Any = field(default=REQUIRED, hash=False)
    description: str | None = None
    ge: float | None = None
    gt: float | None = None
    le: float | None = None
    min_length: int | None = None
    max_length: int | None = None
    pattern: str | None = None
    strict: bool | None = None
    allow_inf_nan: bool | None = None
    json_schema_extra: Mapping[str, Any] | None = field(default=None, hash=False)


def Field(default: Any = REQUIRED, **constraints: Any) -> Any:  # noqa: N802  the name of pydantic
    """Declare the default, the description and the constraints of a field."""
    return FieldInfo(default, **constraints)


@dataclass(frozen=True, slots=True)
class Strict:
    """The value must have the type; it is not converted."""


@dataclass(frozen=True, slots=True)
class AfterValidator:
    """Function that checks a value of the right type."""

    function: Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class BeforeValidator:
    """Function that converts a value before its type is checked."""

    function: Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class PlainValidator:
    """Function that checks a value in place of its type."""

    function: Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class WithJsonSchema:
    """JSON Schema of a type whose validator cannot express it."""

    schema: dict[str, Any] = field(hash=False)


@dataclass(frozen=True, slots=True)
class Tag:
    """Name of a member of a union."""

    name: str


@dataclass(frozen=True, slots=True)
class Discriminator:
    """Function that returns the tag of the member to which a value belongs."""

    function: Callable[[Any], str]


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """Settings of all fields; `extra` is the treatment of undeclared fields."""

    extra: Literal["forbid", "ignore"] = "forbid"


@dataclass(frozen=True, slots=True)
class FieldValidator:
    """Class method that checks the value of a field."""

    field: str
    function: Callable[..., Any]


@dataclass(frozen=True, slots=True)
class ModelValidator:
    """Method that checks a whole model, whose fields are attributes."""

    function: Callable[..., Any]


def field_validator(name: str) -> Callable[[Any], Any]:
    """Decorate a class method that checks the value of a field."""
    return lambda method: FieldValidator(name, method.__func__)


def model_validator(method: Any) -> Any:
    """Decorate a method that checks a whole model."""
    return ModelValidator(method)


@dataclass(frozen=True, slots=True)
class DeclaredField:
    """One field of a model: its type, and what was declared about it."""

    annotation: Any
    metadata: tuple[Any, ...]
    default: Any

    @property
    def description(self) -> str | None:
        """Return the text for people."""
        described = (item.description for item in self.metadata if isinstance(item, FieldInfo))
        return next((text for text in described if text), None)

    def is_required(self) -> bool:
        """Return whether the field must be present."""
        return self.default is REQUIRED


class ModelType(type):
    """Metaclass of models; it makes their classes valid cache keys for a type checker."""


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(Field,))
class Model(metaclass=ModelType):
    """Base of all models; instances are frozen and built from values that are already valid."""

    model_config: ClassVar[ModelConfig] = ModelConfig()
    model_fields: ClassVar[Mapping[str, DeclaredField]] = MappingProxyType({})
    validators: ClassVar[tuple[FieldValidator | ModelValidator, ...]] = ()

    def __init_subclass__(cls) -> None:
        fields = dict(cls.model_fields)
        for name, annotation in get_annotations(cls).items():
            if getattr(annotation, "__origin__", annotation) is not ClassVar:
                fields[name] = _declared(annotation, cls.__dict__.get(name, REQUIRED))
                if name in cls.__dict__:
                    delattr(cls, name)
        cls.model_fields = MappingProxyType(fields)
        own = vars(cls).values()
        found = tuple(v for v in own if isinstance(v, FieldValidator | ModelValidator))
        cls.validators = (*cls.validators, *found)

    def __init__(self, **values: Any) -> None:
        fields = type(self).model_fields
        for name, declared in fields.items():
            if name not in values:
                if declared.is_required():
                    raise TypeError(f"{type(self).__name__} needs {name}")
                values[name] = declared.default
        unknown = values.keys() - fields.keys()
        if unknown:
            raise TypeError(f"{type(self).__name__} has no {', '.join(sorted(unknown))}")
        self.__dict__.update(values)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__} is frozen")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{type(self).__name__} is frozen")

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self.__dict__ == other.__dict__

    def __hash__(self) -> int:
        return hash((type(self), *self.__dict__.values()))

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={value!r}" for name, value in self.__dict__.items())
        return f"{type(self).__name__}({shown})"

    def model_copy(self, *, update: Mapping[str, Any]) -> Self:
        """Return a copy with other values of some fields."""
        return type(self)(**{**self.__dict__, **update})

    @classmethod
    def as_pydantic(cls) -> "type[BaseModel]":
        """Return the pydantic model of this declaration, building it first if necessary."""
        # Imported here, because only values that may be invalid need pydantic.
        build = import_module("reconciler.domain.pydantic_models").pydantic_model
        model: type[BaseModel] = build(cls)
        return model


def _declared(annotation: Any, default: Any) -> DeclaredField:
    inner, metadata = unwrapped(annotation)
    if isinstance(default, FieldInfo):
        return DeclaredField(inner, (*metadata, default), default.default)
    return DeclaredField(inner, metadata, default)


def unwrapped(annotation: Any) -> tuple[Any, tuple[Any, ...]]:
    """Return the type inside `Annotated`, and its metadata."""
    metadata = getattr(annotation, "__metadata__", ())
    return (annotation.__origin__, metadata) if metadata else (annotation, ())

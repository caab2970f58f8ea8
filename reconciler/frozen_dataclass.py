"""`dataclass` of the standard library, except that a class is cheap to define.

For a frozen class, the standard decorator compiles six functions, which takes 0.3 ms. For all
classes that a plan imports, this is a sixth of the time of a small plan (tests/README.md). Here,
all classes share the methods that need no compiling, and `__init__` is compiled only for a class
with many instances. A type checker sees the standard decorator, and instances behave the same.
"""

import dataclasses
import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import MISSING, Field, FrozenInstanceError
from operator import attrgetter
from reprlib import recursive_repr
from typing import TYPE_CHECKING, Any, TypeVar

__all__ = ["dataclass"]

T = TypeVar("T")

UNCOMPILED_INSTANCES = 8
"""Number of instances after which a compiled `__init__` is faster, including its compilation."""

if TYPE_CHECKING:
    from dataclasses import dataclass
else:

    def dataclass(cls=None, /, **options):
        """Decorate a class, with or without options."""
        return _decorated(cls, **options) if cls else lambda cls: _decorated(cls, **options)


def _decorated(
    cls: type[T],
    *,
    frozen: bool = False,
    slots: bool = False,
    order: bool = False,
    kw_only: bool = False,
) -> type[T]:
    # Otherwise the standard decorator writes one, which contains the signature of the class.
    cls.__doc__ = cls.__doc__ or cls.__name__
    # With these options the standard decorator collects the fields and compiles nothing.
    made = dataclasses.dataclass(init=False, repr=False, eq=False, slots=slots, kw_only=kw_only)(
        cls
    )
    methods: dict[str, Any] = {
        "__init__": _init_until_compiled(made),
        "__repr__": _repr,
        **_comparisons(made, order=order),
    }
    methods |= _FROZEN_METHODS if frozen else {"__hash__": None}
    if frozen and slots:
        methods |= _STATE_METHODS
    for name, method in methods.items():
        # A class that defines only `__eq__` has None as its `__hash__`.
        if made.__dict__.get(name) is None:
            setattr(made, name, method)
    return made


def _init_until_compiled(cls: type[Any]) -> Callable[..., None]:
    """Return an `__init__` that replaces itself with a compiled one after some instances."""
    calls = itertools.count()

    def assign_or_compile(self: Any, /, *args: Any, **kwargs: Any) -> None:
        is_early = next(calls) < UNCOMPILED_INSTANCES
        if is_early and _assign(self, dataclasses.fields(cls), args, kwargs):
            if hasattr(cls, "__post_init__"):
                self.__post_init__()
            return
        # It raises the error for arguments that do not fit.
        cls.__init__ = init = _compiled_init(cls)
        init(self, *args, **kwargs)

    return assign_or_compile


def _assign(
    instance: object,
    fields: Iterable[Field[Any]],
    args: Sequence[object],
    kwargs: Mapping[str, object],
) -> bool:
    """Set the fields of an instance, and return whether the arguments fit."""
    positional = [field.name for field in fields if field.init and not field.kw_only]
    given = dict(zip(positional, args, strict=False))
    if len(args) > len(positional) or not given.keys().isdisjoint(kwargs):
        return False
    given.update(kwargs)
    for field in fields:
        if field.init and field.name in given:
            value = given.pop(field.name)
        elif field.default is not MISSING:
            value = field.default
        elif field.default_factory is not MISSING:
            value = field.default_factory()
        elif field.init:
            return False
        else:
            continue
        object.__setattr__(instance, field.name, value)
    # What is left is not the name of a field.
    return not given


def _compiled_init(cls: type[Any]) -> Callable[..., None]:
    """Compile the `__init__` that the standard decorator would write."""
    fields = dataclasses.fields(cls)
    # Keyword-only fields may precede others in the class.
    positional = [_parameter(field) for field in fields if field.init and not field.kw_only]
    keywords = [_parameter(field) for field in fields if field.init and field.kw_only]
    parameters = ["self", *positional]
    if keywords:
        parameters += ["*", *keywords]
    lines = [f"_set(self, {field.name!r}, {_value(field)})" for field in fields if _is_set(field)]
    if hasattr(cls, "__post_init__"):
        lines.append("self.__post_init__()")
    source = f"def __init__({', '.join(parameters)}):\n " + "\n ".join(lines or ["pass"])
    namespace: dict[str, Any] = {"_set": object.__setattr__, "_from_factory": _FROM_FACTORY}
    namespace |= {f"_default_{field.name}": field.default for field in fields}
    namespace |= {f"_factory_{field.name}": field.default_factory for field in fields}
    exec(source, namespace)  # noqa: S102  the names of fields are identifiers of this package
    init: Callable[..., None] = namespace["__init__"]
    init.__qualname__ = f"{cls.__qualname__}.__init__"
    init.__annotations__ = {field.name: field.type for field in fields if field.init}
    init.__annotations__["return"] = None
    return init


_FROM_FACTORY = object()
"""Default value of a parameter whose field has a factory."""


def _parameter(field: Field[Any]) -> str:
    if field.default is not MISSING:
        return f"{field.name}=_default_{field.name}"
    return f"{field.name}=_from_factory" if _has_factory(field) else field.name


def _value(field: Field[Any]) -> str:
    if not _has_factory(field):
        return field.name if field.init else f"_default_{field.name}"
    made = f"_factory_{field.name}()"
    return f"{made} if {field.name} is _from_factory else {field.name}" if field.init else made


def _has_factory(field: Field[Any]) -> bool:
    return field.default_factory is not MISSING


def _is_set(field: Field[Any]) -> bool:
    return field.init or _has_factory(field) or field.default is not MISSING


def _comparisons(cls: type[Any], *, order: bool) -> dict[str, Callable[..., Any]]:
    """Return the methods that compare the values of two instances of the same class."""
    values = _getter([field.name for field in dataclasses.fields(cls) if field.compare])
    hashed = _getter([field.name for field in dataclasses.fields(cls) if _is_hashed(field)])

    def is_equal(self: Any, other: Any) -> Any:
        if other.__class__ is self.__class__:
            return values(self) == values(other)
        return NotImplemented

    def hash_of(self: Any) -> int:
        return hash(hashed(self))

    methods: dict[str, Callable[..., Any]] = {"__eq__": is_equal, "__hash__": hash_of}
    return methods | (_ordering(values) if order else {})


def _ordering(values: Callable[[Any], tuple[Any, ...]]) -> dict[str, Callable[..., Any]]:
    def is_less(self: Any, other: Any) -> bool:
        return values(self) < values(other) if _is_same(self, other) else NotImplemented

    def is_at_most(self: Any, other: Any) -> bool:
        return values(self) <= values(other) if _is_same(self, other) else NotImplemented

    def is_greater(self: Any, other: Any) -> bool:
        return values(self) > values(other) if _is_same(self, other) else NotImplemented

    def is_at_least(self: Any, other: Any) -> bool:
        return values(self) >= values(other) if _is_same(self, other) else NotImplemented

    return {
        "__lt__": is_less,
        "__le__": is_at_most,
        "__gt__": is_greater,
        "__ge__": is_at_least,
    }


def _is_same(one: object, other: object) -> bool:
    return one.__class__ is other.__class__


def _is_hashed(field: Field[Any]) -> bool:
    return field.compare if field.hash is None else field.hash


def _getter(names: list[str]) -> Callable[[Any], tuple[Any, ...]]:
    """Return a function that returns the values of some fields as a tuple."""
    if len(names) > 1:
        return attrgetter(*names)
    # With one name, attrgetter does not return a tuple; without a name, it fails.
    return lambda instance: tuple(getattr(instance, name) for name in names)


@recursive_repr()
def _repr(self: Any) -> str:
    shown = [f for f in dataclasses.fields(self) if f.repr]
    values = ", ".join(f"{field.name}={getattr(self, field.name)!r}" for field in shown)
    return f"{self.__class__.__qualname__}({values})"


def _refuse_assignment(_self: object, name: str, _value: object) -> None:
    raise FrozenInstanceError(f"cannot assign to field {name!r}")


def _refuse_deletion(_self: object, name: str) -> None:
    raise FrozenInstanceError(f"cannot delete field {name!r}")


def _state(self: Any) -> list[Any]:
    return [getattr(self, field.name) for field in dataclasses.fields(self)]


def _restore(self: Any, state: list[Any]) -> None:
    for field, value in zip(dataclasses.fields(self), state, strict=True):
        object.__setattr__(self, field.name, value)


_FROZEN_METHODS = {"__setattr__": _refuse_assignment, "__delattr__": _refuse_deletion}
_STATE_METHODS = {"__getstate__": _state, "__setstate__": _restore}
"""Methods for copies and pickles of frozen instances, whose fields cannot be assigned."""

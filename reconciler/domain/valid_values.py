"""Recognize values that are valid for a model, and build instances from them.

A value that is not recognized may still be valid: pydantic decides
(`reconciler.domain.pydantic_models`). A recognized value is also valid for pydantic, which
tests/domain/test_valid_values.py checks with generated values.
"""

import math
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from enum import Enum
from functools import cache
from importlib import import_module
from types import NoneType, SimpleNamespace, UnionType
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypeVar, Union, get_args, get_origin

from reconciler.domain.model import (
    AfterValidator,
    BeforeValidator,
    FieldInfo,
    FieldValidator,
    InvalidValue,
    Model,
    ModelValidator,
    PlainValidator,
    unwrapped,
)

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

Check: TypeAlias = Callable[[Any], bool]
M = TypeVar("M", bound=Model)

_EXACT_FLOAT = 2**53
"""Whole numbers up to this one are exact as floats."""


@cache
def check_of(model: type[Model]) -> Check:
    """Return a function that recognizes valid mappings for a model."""
    fields = {name: _check(f.annotation, f.metadata) for name, f in model.model_fields.items()}
    required = frozenset(name for name, f in model.model_fields.items() if f.is_required())
    forbids_others = model.model_config.extra == "forbid"
    rules = [_rule(model, validator) for validator in model.validators]
    follows_rules = _all_of(rules) if rules else None

    def is_valid(value: Any) -> bool:
        if type(value) is not dict or not required <= value.keys():
            return False
        for name, item in value.items():
            check = fields.get(name)
            if check is None:
                # A name that is not a string is never valid.
                if forbids_others or type(name) is not str:
                    return False
            elif not check(item):
                return False
        return follows_rules is None or follows_rules(value)

    return is_valid


def _rule(model: type[Model], validator: FieldValidator | ModelValidator) -> Check:
    function = validator.function
    if isinstance(validator, FieldValidator):
        name = validator.field
        # Like pydantic, it does not check a default.
        return lambda given: name not in given or _passes(function, model, given[name])
    # The rule reads the fields of an instance, and only values that are valid become one.
    defaults = {name: field.default for name, field in model.model_fields.items()}
    return lambda given: _passes(function, SimpleNamespace(**{**defaults, **given}))


def _passes(function: Callable[..., Any], *values: Any) -> bool:
    try:
        function(*values)
    except InvalidValue:
        return False
    return True


def _check(annotation: Any, metadata: tuple[Any, ...] = ()) -> Check:
    """Return the check of a type and of its declared constraints."""
    inner, own = unwrapped(annotation)
    metadata = (*own, *metadata)
    for item in metadata:
        if isinstance(item, PlainValidator):
            function = item.function
            return lambda value: _passes(function, value)
    checks = [_type_check(inner)]
    for item in metadata:
        if isinstance(item, FieldInfo):
            checks += _constraints(item)
        elif isinstance(item, AfterValidator):
            checks.append(_after(item.function))
    check = _all_of(checks)
    before = [item.function for item in metadata if isinstance(item, BeforeValidator)]
    return _converted(before, check) if before else check


def _after(function: Callable[[Any], Any]) -> Check:
    return lambda value: _passes(function, value)


def _converted(functions: list[Callable[[Any], Any]], check: Check) -> Check:
    def is_valid(value: Any) -> bool:
        try:
            for function in functions:
                value = function(value)
        except InvalidValue:
            return False
        return check(value)

    return is_valid


def _type_check(kind: Any) -> Check:
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in {Union, UnionType}:
        return _any_of([_check(argument) for argument in arguments])
    if origin is tuple:
        return _list_of(_check(arguments[0]))
    if origin is dict:
        return _dict_of(_check(arguments[1]))
    if origin is Literal:
        return _one_of(arguments)
    if kind is Any:
        return lambda _value: True
    return _SCALARS.get(kind) or _class_check(kind)


def _class_check(kind: Any) -> Check:
    if issubclass(kind, Model):
        # Built when the first value is checked: most files use few of the models.
        return lambda value: check_of(kind)(value)  # noqa: PLW0108  not called yet
    if issubclass(kind, Enum):
        return _one_of(tuple(member.value for member in kind))
    return lambda value: type(value) is kind


def _all_of(checks: list[Check]) -> Check:
    """Return a check that a value must pass each of some checks, in their order."""
    first = checks[0]
    if len(checks) == 1:
        return first
    # Not `all` over a generator, which takes longer than most checks.
    others = _all_of(checks[1:])
    return lambda value: first(value) and others(value)


def _any_of(checks: list[Check]) -> Check:
    if len(checks) == 2:
        first, second = checks
        return lambda value: first(value) or second(value)
    return lambda value: any(check(value) for check in checks)


def _list_of(check: Check) -> Check:
    return lambda value: type(value) is list and all(map(check, value))


def _dict_of(check: Check) -> Check:
    return lambda value: (
        type(value) is dict
        and all(type(name) is str and check(item) for name, item in value.items())
    )


def _one_of(choices: tuple[Any, ...]) -> Check:
    # True equals 1.
    known = {(type(choice), choice) for choice in choices}
    return lambda value: type(value) in {str, int} and (type(value), value) in known


def _is_text(value: Any) -> bool:
    # pydantic does not accept a lone surrogate as text.
    return type(value) is str and (value.isascii() or _is_encodable(value))


def _is_encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_number(value: Any) -> bool:
    if type(value) is int:
        return -_EXACT_FLOAT <= value <= _EXACT_FLOAT
    return type(value) is float and math.isfinite(value)


_SCALARS: Mapping[Any, Check] = {
    str: _is_text,
    bool: lambda value: type(value) is bool,
    int: lambda value: type(value) is int and -_EXACT_FLOAT <= value <= _EXACT_FLOAT,
    float: _is_number,
    Decimal: lambda value: type(value) is Decimal and value.is_finite(),
    NoneType: lambda value: value is None,
}


def _constraints(info: FieldInfo) -> list[Check]:
    """Return the checks of constraints; they do not recognize None."""
    checks: list[Check] = []
    ge, gt, le = info.ge, info.gt, info.le
    shortest, longest = info.min_length, info.max_length
    if ge is not None:
        checks.append(lambda value: value is not None and value >= ge)
    if gt is not None:
        checks.append(lambda value: value is not None and value > gt)
    if le is not None:
        checks.append(lambda value: value is not None and value <= le)
    if shortest is not None:
        checks.append(lambda value: value is not None and len(value) >= shortest)
    if longest is not None:
        checks.append(lambda value: value is not None and len(value) <= longest)
    if info.pattern is not None:
        checks.append(_pattern_check(info.pattern))
    return checks


def _pattern_check(pattern: str) -> Check:
    search = re.compile(pattern).search

    def matches(value: Any) -> bool:
        # Python and pydantic differ in `$` before a line break and in `\s` outside ASCII.
        is_plain = value is not None and value.isascii() and value.isprintable()
        return is_plain and search(value) is not None

    return matches


def errors_in(model: type[Model], value: object) -> "list[ErrorDetails]":
    """Return everything that is invalid in a value, in the terms of pydantic."""
    if check_of(model)(value):
        return []
    # Imported here, because most values are valid.
    find = import_module("reconciler.domain.pydantic_models").errors_in
    errors: list[ErrorDetails] = find(model, value)
    return errors


def built(model: type[M], value: Mapping[str, Any]) -> M:
    """Return the instance of a model for a valid mapping."""
    given: dict[str, Any] = {}
    for name, field in model.model_fields.items():
        if name in value:
            given[name] = _built(field.annotation, field.metadata, value[name])
    return model(**given)


def _built(annotation: Any, metadata: tuple[Any, ...], value: Any) -> Any:
    inner, own = unwrapped(annotation)
    for item in (*own, *metadata):
        if isinstance(item, BeforeValidator):
            value = item.function(value)
    origin, arguments = get_origin(inner), get_args(inner)
    if origin in {Union, UnionType}:
        # Unions without None are only checked (`lifecycle.ignore`), never built.
        members = [argument for argument in arguments if argument is not NoneType]
        return None if value is None else _built(members[0], (), value)
    if origin is tuple:
        return tuple(_built(arguments[0], (), item) for item in value)
    if origin is dict:
        return {name: _built(arguments[1], (), item) for name, item in value.items()}
    if inner is float:
        # A file may write a float without a fraction.
        return float(value)
    if isinstance(inner, type) and issubclass(inner, Enum):
        return inner(value)
    if isinstance(inner, type) and issubclass(inner, Model):
        return built(inner, value)
    return value

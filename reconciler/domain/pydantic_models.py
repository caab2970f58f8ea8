"""pydantic models, built from the declarations of `reconciler.domain.model`.

Only imported for a value that may be invalid and for JSON Schemas: importing pydantic and building
the models takes longer than the rest of a small plan.
"""

from collections.abc import Callable
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import pydantic
from pydantic_core import ErrorDetails, PydanticCustomError

from reconciler.domain import model as declared


@cache
def pydantic_model(model: type[declared.Model]) -> type[pydantic.BaseModel]:
    """Return the pydantic model of a declaration."""
    fields: dict[str, Any] = {
        name: (_annotation(field.annotation, field.metadata), _default(field))
        for name, field in model.model_fields.items()
    }
    # The members are referred to by other models under this name.
    return pydantic.create_model(
        model.__name__,
        __config__=pydantic.ConfigDict(
            frozen=True, extra=model.model_config.extra, arbitrary_types_allowed=True
        ),
        __doc__=model.__doc__,
        __module__=model.__module__,
        __validators__={
            validator.function.__name__: _validator(validator) for validator in model.validators
        },
        **fields,
    )


def errors_in(model: type[declared.Model], value: object) -> list[ErrorDetails]:
    """Return everything that is invalid in a value."""
    try:
        pydantic_model(model).model_validate(value)
    except pydantic.ValidationError as error:
        return error.errors(include_url=False, include_input=True)
    return []


def _default(field: declared.DeclaredField) -> Any:
    if field.is_required():
        return ...
    if isinstance(field.default, declared.Model):
        given = vars(field.default)
        return pydantic_model(type(field.default)).model_construct(**given)
    return field.default


def _validator(validator: declared.FieldValidator | declared.ModelValidator) -> Any:
    function = validator.function
    if isinstance(validator, declared.ModelValidator):

        def check_model(self: Any) -> Any:
            return _called(function, self)

        return pydantic.model_validator(mode="after")(check_model)

    def check_field(cls: type[Any], value: Any) -> Any:
        return _called(function, cls, value)

    return pydantic.field_validator(validator.field)(classmethod(check_field))


def _translated(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return a validator that raises the errors of pydantic."""
    return lambda value: _called(function, value)


def _called(function: Callable[..., Any], *values: Any) -> Any:
    try:
        return function(*values)
    except declared.InvalidValue as problem:
        # Passed as a value, because a brace in the text would be treated as a placeholder.
        raise PydanticCustomError(problem.code, "{text}", {"text": problem.summary}) from None


def _annotation(annotation: Any, metadata: tuple[Any, ...] = ()) -> Any:
    """Return a type with the metadata and the models of pydantic."""
    inner, own = declared.unwrapped(annotation)
    found = _type(inner)
    for item in (*own, *metadata):
        made = _metadata(item)
        if made is not None:
            found = Annotated[found, made]
    return found


def _type(annotation: Any) -> Any:
    if isinstance(annotation, type) and issubclass(annotation, declared.Model):
        return pydantic_model(annotation)
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in {Union, UnionType}:
        return Union[tuple(a if a is NoneType else _annotation(a) for a in arguments)]  # noqa: UP007
    if origin in {tuple, dict}:
        return origin[tuple(a if a is ... else _annotation(a) for a in arguments)]
    return annotation


def _metadata(item: Any) -> Any:
    """Return the pydantic form of an item of the metadata, None for an item without one."""
    match item:
        case declared.FieldInfo():
            return _constraints(item)
        case declared.Strict():
            return pydantic.Strict()
        case declared.AfterValidator(function):
            return pydantic.AfterValidator(_translated(function))
        case declared.BeforeValidator(function):
            return pydantic.BeforeValidator(_translated(function))
        case declared.PlainValidator(function):
            return pydantic.PlainValidator(_translated(function))
        case declared.WithJsonSchema(schema):
            return pydantic.WithJsonSchema(schema)
        case declared.Tag(name):
            return pydantic.Tag(name)
        case declared.Discriminator(function):
            return pydantic.Discriminator(function)
    return None


_CONSTRAINTS = (
    "description",
    "ge",
    "gt",
    "le",
    "min_length",
    "max_length",
    "pattern",
    "strict",
    "allow_inf_nan",
    "json_schema_extra",
)


def _constraints(info: declared.FieldInfo) -> Any:
    given = {name: getattr(info, name) for name in _CONSTRAINTS}
    return pydantic.Field(**{name: value for name, value in given.items() if value is not None})

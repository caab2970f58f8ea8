"""Values that are recognized as valid are also valid for pydantic, with the same result."""

import random
from decimal import Decimal
from enum import Enum
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

import pytest

from reconciler.desired.config import ConfigFile
from reconciler.domain.integration import Integration, UsageLimit
from reconciler.domain.model import FieldInfo, Model, unwrapped
from reconciler.domain.policy import Limits, Prune, Target
from reconciler.domain.providers import PROVIDERS, Configuration
from reconciler.domain.pydantic_models import errors_in as pydantic_errors
from reconciler.domain.pydantic_models import pydantic_model
from reconciler.domain.secrets import Redacted, SecretRef
from reconciler.domain.valid_values import built, check_of, errors_in
from reconciler.fleet.config import FleetFile

MODELS = [Integration, ConfigFile, FleetFile, Configuration, *dict.fromkeys(PROVIDERS.values())]
SECRET = SecretRef("env", "SECRET_A")

ODD: list[Any] = [
    None, True, False, 0, 1, -1, 366, 2**60, 10**400, 1.0, 0.5, -0.1, float("inf"), float("nan"),
    "", "a", "a b", "a.b", "a\n", "a\x1c", "a/b", "\u00e9", "\u0665", "\ud800", "x" * 300, "1",
    "key", "configurations.a", "2030-01-31", "2030-01-31T00:00:00Z", b"a", SECRET, Redacted("s"),
    Decimal(1), Prune.ALL, [], {}, (), [None], {"a": None}, {1: "a"}, {"": {}}, [[]], [{}],
]  # fmt: skip
"""Values that belong nowhere, or where only some constraints allow them."""


class Values:
    """Values for a type: mostly of the type, sometimes invalid."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        # Few invalid values, so that many trees are valid.
        self.odd = self.random.choice([0.0, 0.02, 0.2])

    def of_model(self, model: type[Model]) -> Any:
        if self.random.random() < self.odd:
            return self.random.choice(ODD)
        tree: dict[Any, Any] = {}
        for name, field in model.model_fields.items():
            if field.is_required() or self.random.random() < 0.3:
                tree[name] = self.of_type(field.annotation, field.metadata)
        if self.random.random() < self.odd:
            tree[self.random.choice(["unknown", "", "slug", 1])] = self.random.choice(ODD)
        if tree and self.random.random() < self.odd:
            del tree[self.random.choice(list(tree))]
        return tree

    def of_type(self, annotation: Any, metadata: tuple[Any, ...] = ()) -> Any:
        if self.random.random() < self.odd:
            return self.random.choice(ODD)
        inner, own = unwrapped(annotation)
        origin, arguments = get_origin(inner), get_args(inner)
        if origin in {Union, UnionType}:
            return self.of_type(self.random.choice(arguments))
        if origin is tuple:
            longest = max((_longest(m) for m in (*own, *metadata)), default=3)
            number = self.random.randint(0, min(longest, 3))
            return [self.of_type(arguments[0]) for _ in range(number)]
        if origin is dict:
            names = self.random.sample(["a", "b", "Authorization", "\u00e9"], 2)
            return {name: self.of_type(arguments[1]) for name in names}
        if origin is Literal:
            return self.random.choice(arguments)
        if isinstance(inner, type) and issubclass(inner, Model):
            return self.of_model(inner)
        return self.scalar(inner)

    def scalar(self, kind: Any) -> Any:
        if isinstance(kind, type) and issubclass(kind, Enum):
            return self.random.choice(list(kind)).value
        if kind is SecretRef:
            return SECRET
        texts = ["a", "key", "openai", "2030-01-31", "", "2030-01-31T00:00:00Z", "configurations.a"]
        choices: dict[Any, list[Any]] = {
            str: texts,
            bool: [True, False],
            int: [1, 2, 30],
            float: [0, 0.5, 1],
            Decimal: [0, 0.5, 7],
            NoneType: [None],
        }
        return self.random.choice(choices.get(kind, ODD))


def _longest(item: Any) -> int:
    length = item.max_length if isinstance(item, FieldInfo) else None
    return 3 if length is None else length


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_recognized_values_are_valid(model: type[Model]) -> None:
    recognized = missed = refused = 0
    for seed in range(400):
        tree = Values(seed).of_model(model)
        found = pydantic_errors(model, tree)
        if check_of(model)(tree):
            assert found == [], (seed, tree)
            recognized += 1
        elif found:
            refused += 1
        else:
            missed += 1
        assert (errors_in(model, tree) == []) is (found == [])
    assert recognized > 10
    assert refused > 10
    # Only values of unusual types, such as tuples, and digits of other scripts.
    assert missed < 60


@pytest.mark.parametrize("model", [ConfigFile, FleetFile], ids=lambda model: model.__name__)
def test_an_instance_has_the_values_that_pydantic_gives_it(model: type[Model]) -> None:
    compared = 0
    for seed in range(400):
        tree = Values(seed).of_model(model)
        if check_of(model)(tree):
            theirs = pydantic_model(model).model_validate(tree)
            assert plain(built(model, tree)) == plain(theirs)
            compared += 1
    assert compared > 10


def plain(value: Any) -> Any:
    """Return values without their models, each with its type."""
    if hasattr(value, "model_copy"):
        return {name: plain(getattr(value, name)) for name in type(value).model_fields}
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items()}
    if isinstance(value, tuple):
        return tuple(plain(item) for item in value)
    return type(value), value


def test_model_validators_are_applied() -> None:
    assert check_of(UsageLimit)({"periodic_reset": "weekly"})
    assert not check_of(UsageLimit)({"periodic_reset": "weekly", "periodic_reset_days": 7})
    assert not check_of(UsageLimit)({"next_usage_reset_at": "tomorrow"})


def test_a_built_target_has_its_types() -> None:
    tree = {
        "base_url": "https://api.example/v1",
        "prune": "all",
        "limits": {"delete_ratio": 1, "budget_total": 0.3},
        "known_fields": {"openai": ["a"]},
    }
    target = built(Target, tree)
    assert target.prune is Prune.ALL
    assert target.limits == Limits(delete_ratio=1.0, budget_total=Decimal("0.3"))
    assert type(target.limits.delete_ratio) is float
    limits = built(Limits, {"delete_ratio": "12.5 %", "budget_increase": "200%"})
    assert (limits.delete_ratio, limits.budget_increase) == (0.125, Decimal(2))
    assert target.known_fields == {"openai": ("a",)}

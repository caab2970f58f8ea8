"""Frozen classes behave like those of the standard decorator, for fields of every kind."""

import copy
import dataclasses
import inspect
import operator
import pickle
import threading
from collections.abc import Callable, Iterator
from dataclasses import FrozenInstanceError, field
from functools import cached_property
from typing import Any, ClassVar

import pytest

from reconciler import frozen_dataclass

Decorator = Callable[..., Any]


def shapes(dataclass: Decorator) -> list[type[Any]]:
    """Return classes of every shape, decorated."""

    @dataclass(frozen=True, slots=True)
    class Empty:
        """No fields."""

    @dataclass(frozen=True, slots=True)
    class One:
        a: int

    @dataclass(frozen=True, slots=True)
    class Defaults:
        a: int
        b: tuple[int, ...] = ()
        c: list[int] = field(default_factory=list)
        d: str = field(default="x", repr=False)
        kind: ClassVar[str] = "k"

    @dataclass(frozen=True, slots=True)
    class Compared:
        a: int
        b: Any = field(default=None, compare=False)
        c: Any = field(default=None, hash=False)

    @dataclass(frozen=True, slots=True, kw_only=True)
    class Keywords:
        a: int = 1
        b: int

    @dataclass(frozen=True, slots=True)
    class Mixed:
        a: int = field(kw_only=True)
        b: int
        c: int = field(default=3, init=False)
        d: list[int] = field(default_factory=list, init=False)

    @dataclass(frozen=True, slots=True, order=True)
    class Ordered:
        a: int
        b: str = ""

    @dataclass(frozen=True, slots=True)
    class Base:
        a: int
        b: int = 2

    @dataclass(frozen=True, slots=True)
    class Derived(Base):
        c: int = 3
        a: int = 9

        def __post_init__(self) -> None:
            if self.c < 0:
                raise ValueError("negative")

    @dataclass(frozen=True, slots=True)
    class Written:
        a: int
        b: int = 0

        def __eq__(self, other: object) -> bool:
            return isinstance(other, type(self)) and self.a == other.a

        def __repr__(self) -> str:
            return "written"

        def __hash__(self) -> int:
            return 7

    @dataclass(frozen=True, slots=True)
    class EqualOnly:  # noqa: PLW1641  the decorator adds a hash
        a: int
        b: int = 0

        def __eq__(self, other: object) -> bool:
            return isinstance(other, type(self)) and self.a == other.a

    @dataclass(slots=True)
    class Mutable:
        a: int
        b: list[int] = field(default_factory=list)

    @dataclass(slots=True, order=True)
    class MutableOrdered:
        a: int = 0

    @dataclass(slots=True)
    class MutableHashed:
        a: int

        def __hash__(self) -> int:
            return 7

    @dataclass
    class Open:
        a: int = 1
        b: list[int] = field(default_factory=list)

    @dataclass(frozen=True)
    class WithoutSlots:
        a: int
        b: int = 0

        @cached_property
        def total(self) -> int:
            return self.a + self.b

    return [
        Open, WithoutSlots, Mutable, MutableOrdered, MutableHashed,
        Empty, One, Defaults, Compared, Keywords, Mixed, Ordered, Base, Derived, Written, EqualOnly,
    ]  # fmt: skip


PAIRS = list(zip(shapes(frozen_dataclass.dataclass), shapes(dataclasses.dataclass), strict=True))

ARGUMENTS: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
    ((), {}),
    ((1,), {}),
    ((2,), {}),
    ((1, 2), {}),
    ((1, "z"), {}),
    ((1, 2, -1), {}),
    ((1, 2, [3]), {}),
    ((1, 2, 3, 4, 5), {}),
    ((), {"a": 1}),
    ((), {"a": 1, "b": 2}),
    ((), {"b": 2}),
    ((2,), {"a": 1}),
    ((1,), {"nothing": 1}),
]


def outcome(function: Callable[..., object], *arguments: object, **named: object) -> object:
    """Return the result of a call, or the type and text of its error."""
    try:
        return function(*arguments, **named)
    except Exception as error:  # noqa: BLE001  any error is compared
        return type(error), str(error)


def observations(cls: type[Any]) -> Iterator[object]:
    """Return a description of the behaviour of a class's instances."""
    made = [outcome(cls, *positional, **named) for positional, named in ARGUMENTS]
    real = [one for one in made if isinstance(one, cls)]
    yield [one if isinstance(one, tuple) else repr(one) for one in made]
    yield [[one == other for other in real] for one in real]
    yield [outcome(hash, one) for one in real]
    yield [outcome(operator.lt, one, real[0]) for one in real]
    for one in real:
        yield real[0] != one, one == object(), cls.__eq__(one, object())
        # The standard decorator raises a different error for a name that is not a field.
        if hasattr(one, "a"):
            yield outcome(setattr, one, "a", 5)
            yield outcome(delattr, one, "a")
        yield isinstance(outcome(setattr, one, "a", 5), tuple)
        yield isinstance(outcome(setattr, one, "other", 5), tuple)
        yield repr(outcome(dataclasses.replace, one, a=8))
        yield repr(copy.copy(one)), repr(copy.deepcopy(one)), copy.copy(one) == one
        yield dataclasses.asdict(one), [f.name for f in dataclasses.fields(one)]
        yield hasattr(one, "__dict__"), cls.__match_args__, getattr(cls, "__slots__", None)


def parameters(cls: type[Any]) -> list[object]:
    found = inspect.signature(cls).parameters.values()
    return [(p.name, p.kind, p.annotation, p.default is p.empty) for p in found]


@pytest.mark.parametrize(("ours", "standard"), PAIRS, ids=lambda cls: cls.__name__)
def test_instances_behave_like_standard_ones(ours: type[Any], standard: type[Any]) -> None:
    for mine, theirs in zip(observations(ours), observations(standard), strict=True):
        assert mine == theirs
    assert parameters(ours) == parameters(standard)


@pytest.mark.parametrize(("positional", "named"), ARGUMENTS)
def test_the_first_instance_behaves_like_later_ones(
    positional: tuple[Any, ...], named: dict[str, Any]
) -> None:
    for fresh, standard in zip(
        shapes(frozen_dataclass.dataclass), shapes(dataclasses.dataclass), strict=True
    ):
        many = 2 * frozen_dataclass.UNCOMPILED_INSTANCES
        made = [outcome(fresh, *positional, **named) for _ in range(many)]
        expected = outcome(standard, *positional, **named)
        assert {repr(one) for one in made} == {repr(expected)}


@frozen_dataclass.dataclass(frozen=True, slots=True)
class Kept:
    """Module-level class, which pickle can import."""

    a: int
    b: "Kept | None" = None


def test_an_instance_survives_pickling_and_pattern_matching() -> None:
    kept = Kept(1, Kept(2))
    assert pickle.loads(pickle.dumps(kept)) == kept  # noqa: S301  its own bytes
    match kept:
        case Kept(a, Kept(b, None)):
            assert (a, b) == (1, 2)


def test_threads_that_create_the_first_instance_concurrently_get_equal_instances() -> None:
    gate = threading.Barrier(8)
    made: list[Any] = []

    @frozen_dataclass.dataclass(frozen=True, slots=True)
    class Fresh:
        a: int

    def make() -> None:
        gate.wait()
        made.append(Fresh(1))

    threads = [threading.Thread(target=make) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made == [Fresh(1)] * 8


def test_a_class_without_slots_caches_computed_values() -> None:
    @frozen_dataclass.dataclass(frozen=True)
    class Sum:
        a: int

        @cached_property
        def parts(self) -> list[int]:
            return [self.a]

    one = Sum(1)
    assert one.parts is one.parts
    with pytest.raises(FrozenInstanceError):
        one.a = 2  # type: ignore[misc]  # the error is the test
    assert dataclasses.replace(one, a=2).parts == [2]
